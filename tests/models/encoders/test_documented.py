import os

import pytest
import timm
import torch

from modelheir.checks import InputError
from modelheir.models.encoders import ENCODERS, load_encoder
from modelheir.models.encoders.documented import documented_encoder

VIT = {"embed_dim": 32, "depth": 2, "num_heads": 2}
#: sizes with which the real classes are built -> their width
TINY = {
    "clip": (VIT, 32),
    "dinov2": (VIT, 32),
    "mae": (VIT, 32),
    "siglip": (VIT, 32),
    "hiera": ({"embed_dim": 8, "num_heads": 1, "stages": (1, 1, 1, 1)}, 8 * 2**3),
    "eva01": (VIT, 32),
    "eva02": (VIT, 32),
}
REAL = timm.create_model


@pytest.fixture
def tiny(monkeypatch):
    """Let timm build an encoder's own class with few and narrow layers, and make its published weights of a seed."""

    def shrink(name):
        def make(architecture, pretrained=False, **given):
            assert architecture == ENCODERS[name].id
            torch.manual_seed(1 if pretrained else 2)
            return REAL(architecture, pretrained=False, **given, **TINY[name][0])

        monkeypatch.setattr(timm, "create_model", make)

    return shrink


def save(body, path):
    """Write weights as their makers do: under ``model``, with a classifier that is not read."""
    head = f"{body.pretrained_cfg['classifier']}.weight"
    torch.save({"model": {**body.state_dict(), head: torch.zeros(5, 7)}}, path)
    return path


def test_every_encoder_of_timm_is_tried():
    assert set(TINY) == {name for name, row in ENCODERS.items() if row.library == "timm"}


@pytest.mark.parametrize("name", TINY)
def test_an_encoder_of_timm_embeds_by_the_documented_rule(name, tiny, draw):
    """The vector is the pooled output of the class itself, of the class's own width, of prepared images."""
    tiny(name)
    found, images = load_encoder(f"encoder:{name}"), draw(2, 3, 50, 60).sigmoid()
    row = ENCODERS[name]
    assert (found.width, found.image_size, found.preparation.resize) == (TINY[name][1], 224, 256)
    assert (found.preparation.mean, found.preparation.std) == row.normalisation
    said = found(images)
    body = found.body
    tokens = body.forward_features(found.prepare(images))
    if name == "siglip":
        pooled = body.attn_pool(tokens)
    elif name == "hiera":
        pooled = body.head.norm(tokens.flatten(1, -2).mean(dim=1))
    else:
        pooled = tokens[:, 0]
    torch.testing.assert_close(said, pooled)


def test_the_mae_reads_no_layer_without_weights(tiny):
    """The older vector was that of an untrained layer of 1000 outputs; ours is as wide as the encoder."""
    tiny("mae")
    body = load_encoder("encoder:mae").body
    assert isinstance(body.head, torch.nn.Identity)
    assert not [key for key in body.state_dict() if key.startswith("head")]


@pytest.mark.parametrize("name", TINY)
def test_weights_from_a_file_fit_whole_or_not_at_all(name, tiny, tmp_path):
    tiny(name)
    published = load_encoder(f"encoder:{name}").body
    path = save(published, tmp_path / "w.pth")
    found = load_encoder(f"encoder:{name}:{path}")
    ours, theirs = found.body.state_dict(), published.state_dict()
    assert all(torch.equal(ours[key], value) for key, value in theirs.items())
    state = {key: value for key, value in theirs.items() if key != "blocks.1.mlp.fc2.bias"}
    torch.save(state, tmp_path / "cut.pth")
    with pytest.raises(InputError, match=r"cut.pth does not fit \w+: 1 missing \(blocks.1.mlp.fc2.bias\)"):
        load_encoder(f"encoder:{name}:{tmp_path / 'cut.pth'}")


def test_another_size_keeps_the_share_that_is_cut_off(tiny, draw):
    tiny("dinov2")
    found = load_encoder("encoder:dinov2", image_size=112)
    assert (found.image_size, found.preparation.resize) == (112, 128)
    assert found(draw(1, 3, 224, 224)).shape == (1, 32)


@pytest.mark.parametrize("name", ["hiera", "esvit"])
def test_some_see_one_size_alone(name):
    with pytest.raises(InputError, match=f"encoder:{name} sees images of 224 pixels alone: leave image_size at 0"):
        load_encoder(f"encoder:{name}", image_size=112)


@pytest.mark.parametrize("name", ["swav", "esvit"])
def test_what_no_library_carries_needs_a_file(name):
    with pytest.raises(InputError, match=rf"no library carries {ENCODERS[name].id}; get that file and .*:{name}:PATH"):
        documented_encoder(name)


def test_a_closed_network_is_said_in_one_sentence(monkeypatch):
    def fail(*_, **__):
        raise OSError("offline")

    monkeypatch.setattr(timm, "create_model", fail)
    with pytest.raises(InputError, match=r"\(offline\): connect .* or give a local file with encoder:mae:PATH\.$"):
        load_encoder("encoder:mae")


def test_an_unknown_name_offers_the_nearest():
    with pytest.raises(InputError, match=r"unknown encoder 'dinov3'. Did you mean 'dinov2'\?"):
        load_encoder("encoder:dinov3")


def test_no_place_of_downloads_is_set(tiny):
    """The older system set HF_HOME and TORCH_HOME to the working folder."""
    before = dict(os.environ)
    tiny("clip")
    load_encoder("encoder:clip")
    assert dict(os.environ) == before
