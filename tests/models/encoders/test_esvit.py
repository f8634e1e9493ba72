import argparse
import functools
import re

import pytest
import torch

from modelheir.checks import InputError
from modelheir.models.encoders import load_encoder
from modelheir.models.encoders.esvit import esvit_body, read_esvit

TINY = {"embed_dim": 8, "depths": (1, 1, 2, 1), "num_heads": (1, 1, 2, 2)}
WIDTH = 8 * 2**3


@pytest.fixture(scope="module")
def body():
    torch.manual_seed(0)
    return esvit_body(**TINY).eval()


@pytest.fixture
def published(body, tmp_path):
    """Write a file like the published one: student and teacher, heads, buffers, the makers' names and settings."""

    def original(key):  # they merge tokens at the end of a stage, timm at the start of the next
        return re.sub(r"layers\.(\d)\.downsample", lambda m: f"layers.{int(m[1]) - 1}.downsample", key)

    student = {f"module.backbone.{original(key)}": value for key, value in body.state_dict().items()}
    student["module.head.mlp.0.weight"] = student["module.head_dense.mlp.0.weight"] = torch.zeros(2, 2)
    student["module.backbone.layers.0.blocks.0.attn.relative_position_index"] = torch.zeros(3, dtype=torch.int64)
    teacher = {key.removeprefix("module."): torch.zeros_like(value) for key, value in student.items()}
    path = tmp_path / "esvit.pth"
    torch.save({"student": student, "teacher": teacher, "epoch": 9, "args": argparse.Namespace(lr=0.1)}, path)
    return path


def test_the_vector_is_the_mean_of_the_normalised_tokens(body, draw):
    images = draw(2, 3, 224, 224)
    with torch.no_grad():
        tokens = body.forward_features(images)  # after the last normalisation, a place each
        assert tokens.shape == (2, 7, 7, WIDTH)
        torch.testing.assert_close(body(images), tokens.mean(dim=(1, 2)))


def test_windows_are_of_14_tokens_and_of_7_where_there_are_no_more():
    assert [stage.blocks[0].window_size[0] for stage in esvit_body(**TINY).layers] == [14, 14, 14, 7]


def test_the_documented_network_has_1024_numbers():
    with torch.device("meta"):
        body = esvit_body()
    assert body.num_features == 1024
    assert [len(stage.blocks) for stage in body.layers] == [2, 2, 18, 2]
    assert [stage.blocks[0].attn.num_heads for stage in body.layers] == [4, 8, 16, 32]


def test_the_student_of_a_published_file_is_read(published, body):
    found = read_esvit(published, **TINY).state_dict()
    assert all(torch.equal(found[key], value) for key, value in body.state_dict().items())


def test_as_an_encoder(published, body, monkeypatch, draw):
    monkeypatch.setattr("modelheir.models.encoders.documented.read_esvit", functools.partial(read_esvit, **TINY))
    found, images = load_encoder(f"encoder:esvit:{published}"), draw(2, 3, 60, 50).sigmoid()
    assert found.width == WIDTH
    with torch.no_grad():
        torch.testing.assert_close(found(images), body(found.prepare(images)))


def test_a_file_without_a_student_or_with_less_is_refused(published, tmp_path):
    with pytest.raises(InputError, match=r"esvit.pth does not fit SwinTransformer: .* of another shape"):
        read_esvit(published, **{**TINY, "embed_dim": 16})
    torch.save({"teacher": {}}, tmp_path / "other.pth")
    with pytest.raises(InputError, match=r"other.pth has no weights under 'student'"):
        read_esvit(tmp_path / "other.pth")
