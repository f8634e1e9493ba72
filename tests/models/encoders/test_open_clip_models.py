"""A real class of open_clip, tiny and random, saved and loaded as ``open_clip:ARCH/PATH``."""

import json
import sys

import pytest
import torch
from torch import nn

from modelheir.checks import InputError
from modelheir.models.encoders import load_encoder
from modelheir.models.encoders.open_clip_models import ImageTower

pytestmark = pytest.mark.extras

TINY = {
    "embed_dim": 24,
    "vision_cfg": {"image_size": 32, "layers": 2, "width": 32, "patch_size": 8, "head_width": 16},
    "text_cfg": {"context_length": 8, "vocab_size": 64, "width": 16, "heads": 2, "layers": 1},
}


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    import open_clip

    folder = tmp_path_factory.mktemp("open_clip")
    (folder / "tiny-clip.json").write_text(json.dumps(TINY), encoding="utf-8")
    open_clip.add_model_config(folder / "tiny-clip.json")
    torch.manual_seed(0)
    model = open_clip.create_model("tiny-clip").eval()
    torch.save(model.state_dict(), folder / "w.pt")
    return model, folder / "w.pt"


def test_the_vector_is_the_projected_embedding(saved, draw):
    model, path = saved
    found, images = load_encoder(f"open_clip:tiny-clip/{path}"), draw(2, 3, 40, 50).sigmoid()
    assert (found.width, found.image_size) == (24, 32)
    assert found.preparation.mean == pytest.approx((0.48145466, 0.4578275, 0.40821073))
    with torch.no_grad():
        torch.testing.assert_close(found(images), model.encode_image(found.prepare(images)))
    assert not [name for name, _ in found.named_modules() if "transformer" in name and "visual" not in name]


def test_another_size_reaches_the_tower(saved):
    found = load_encoder(f"open_clip:tiny-clip/{saved[1]}", image_size=48)
    assert found.image_size == 48
    assert found.body.visual.positional_embedding.shape == (1 + 36, 32)


def test_tokens_are_left_out(draw):
    class Both(nn.Module):
        def forward(self, images):
            return images.mean(dim=(2, 3)), images

    assert ImageTower(Both())(draw(2, 3, 4, 4)).shape == (2, 3)


@pytest.mark.parametrize(
    ("address", "words"),
    [
        ("open_clip:tiny-clap/x", r"unknown open_clip architecture 'tiny-clap'. Did you mean 'tiny-clip'\?"),
        ("open_clip:ViT-B-32", r"names no weights: write open_clip:ViT-B-32/PRETRAINED. Known: .*openai"),
        ("open_clip:tiny-clip/openai", r"not a known tag .* give a local file with open_clip:tiny-clip/PATH"),
    ],
)
def test_what_is_not_there_is_refused(saved, address, words):
    with pytest.raises(InputError, match=words):
        load_encoder(address)


def test_without_the_library_the_extra_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "open_clip", None)
    with pytest.raises(InputError, match="open_clip:ViT-B-32/openai needs the extra 'hub'"):
        load_encoder("open_clip:ViT-B-32/openai")
