"""Addresses are taken apart once: every form that is documented, what lies on disk, and the errors."""

import pytest

from modelheir.address import Address, parse_address, parse_data, parse_encoder, predictions_place
from modelheir.checks import InputError


@pytest.fixture
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for folder in ("v1", "odd#name"):
        (tmp_path / folder).mkdir()
    for file in ("w.pt", "odd.pt:mlp", "old.parquet"):
        (tmp_path / file).write_text("")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("run:v1", ("run", "v1", "", "")),
        ("run:runs/not there", ("run", "runs/not there", "", "")),
        ("run:v1#member_0", ("run", "v1", "member_0", "")),
        ("run:odd#name", ("run", "odd#name", "", "")),
        ("v1", ("run", "v1", "", "")),
        ("v1#member_0", ("run", "v1", "member_0", "")),
        ("odd#name", ("run", "odd#name", "", "")),
        ("odd#other", ("", "odd#other", "", "")),
        ("file:w.pt", ("file", "w.pt", "", "")),
        ("w.pt", ("file", "w.pt", "", "")),
        ("file:w.pt:mlp", ("file", "w.pt", "", "mlp")),
        ("file:gone.PTH:tv:resnet18", ("file", "gone.PTH", "", "tv:resnet18")),
        ("file:a/b.safetensors:timm:vit_tiny.x-y", ("file", "a/b.safetensors", "", "timm:vit_tiny.x-y")),
        ("file:odd.pt:mlp", ("file", "odd.pt:mlp", "", "")),
        ("file:plain", ("file", "plain", "", "")),
        ("file:old.parquet", ("predictions", "old.parquet", "", "")),
        ("old.parquet", ("predictions", "old.parquet", "", "")),
        ("gone/OLD.CSV", ("predictions", "gone/OLD.CSV", "", "")),
        ("run:x.csv", ("run", "x.csv", "", "")),
        ("tv:resnet18", ("tv", "resnet18", "", "")),
        ("timm:vit_tiny.csv", ("timm", "vit_tiny.csv", "", "")),
        ("pkg:efficientnet_lite0", ("pkg", "efficientnet_lite0", "", "")),
        ("pkg:x.csv", ("pkg", "x.csv", "", "")),
        ("nothing", ("", "nothing", "", "")),
        ("rnu:v1", ("", "rnu:v1", "", "")),
    ],
)
def test_every_form(here, text, expected):
    kind, place, stage, network = expected
    assert parse_address(text) == Address(text, kind, place, stage, network)
    assert (parse_address(text).run is not None) == (kind == "run")


@pytest.mark.parametrize("text", ["run:", "file: ", "tv:", "timm:", "pkg:"])
def test_nothing_behind_the_colon(text):
    with pytest.raises(InputError, match="names nothing: what should follow"):
        parse_address(text)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("rnu:v1", r"no trained model: .* Did you mean 'run:'\?"),
        ("fiel:w.pt", r"Did you mean 'file:'\?"),
        ("tim:vit", r"Did you mean 'timm:'\?"),
        ("pgk:efficientnet_lite0", r"tv:NAME, timm:NAME or pkg:NAME .* Did you mean 'pkg:'\?"),
        ("nothing", r"and is the path right\?\)\.$"),
        ("old.parquet", "old.parquet holds predictions, and the model itself is needed"),
    ],
)
def test_what_is_no_model_offers_the_nearest_kind(here, text, words):
    with pytest.raises(InputError, match=words):
        parse_address(text).need_model()


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("encoder:clip", ("encoder", "clip")),
        ("encoder:swav:a/b.pth.tar", ("encoder", "swav:a/b.pth.tar")),
        ("hf:openai/clip-vit-base-patch16", ("hf", "openai/clip-vit-base-patch16")),
        ("open_clip:ViT-B-32/openai", ("open_clip", "ViT-B-32/openai")),
        ("pixels:left", ("pixels", "left")),
        ("colour", ("colour", "")),
        ("v1", ("run", "v1")),
        ("w.pt", ("file", "w.pt")),
        ("timm:vit_tiny.csv", ("timm", "vit_tiny.csv")),
    ],
)
def test_every_form_of_an_encoder(here, text, expected):
    assert parse_encoder(text) == Address(text, *expected)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("pixels:", "'pixels:' names nothing: what should follow pixels:"),
        ("run: ", "names nothing"),
        ("encoders:clip", r"is no encoder: give run:, .* or colour .* Did you mean 'encoder:'\?"),
        ("color", r"Did you mean 'colour'\?"),
        ("old.parquet", r"'old.parquet' is no encoder"),
        ("cache:x", r"'cache:x' is no encoder"),
    ],
)
def test_what_is_no_encoder_offers_the_nearest_kind(here, text, words):
    with pytest.raises(InputError, match=words):
        parse_encoder(text)


def test_where_predictions_are(here):
    for text, place in (("run:v1", "v1"), ("v1", "v1"), ("file:old.parquet", "old.parquet"), ("x.csv", "x.csv")):
        assert str(predictions_place(text)) == place
    with pytest.raises(InputError, match="run:v1#a names a stage: give the stage's own file of predictions"):
        predictions_place("run:v1#a")
    for text in ("tv:resnet18", "pkg:efficientnet_lite0", "file:w.pt:mlp"):
        with pytest.raises(InputError, match="is a model, not what it said"):
            predictions_place(text)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("digits", ("digits", "", {})),
        ("folder:a,b/c=d", ("folder", "a,b/c=d", {})),
        ("parquet:p/q,image=x,label=y", ("parquet", "p/q", {"image": "x", "label": "y"})),
        ("synthetic:n=3", ("synthetic", "", {"n": "3"})),
    ],
)
def test_data_sources_come_apart(text, expected):
    found = parse_data(text)
    assert (found.kind, found.place, found.options) == expected
