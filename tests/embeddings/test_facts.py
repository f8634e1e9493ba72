"""``view.json``: read back as written, and no other view is taken for it."""

import dataclasses
import json
import re

import pytest

from modelheir.checks import InputError
from modelheir.embeddings import accept_facts, read_facts, write_facts


def test_facts_are_read_back(tmp_path, facts):
    write_facts(tmp_path / "view", facts)
    assert read_facts(tmp_path / "view") == facts
    write_facts(tmp_path / "view", facts)  # again is no mistake


def test_shards_cut_all_rows_in_order(facts):
    assert [list(facts.shard(number)) for number in range(facts.shards)] == [[0, 1, 2, 3], [4, 5, 6, 7], [8, 9]]
    assert dataclasses.replace(facts, count=8).shards == 2


def test_where_things_lie_does_not_decide_and_all_else_does(facts):
    moved = dataclasses.replace(
        facts,
        encoder={**facts.encoder, "address": "file:elsewhere.pt"},
        data={**facts.data, "address": "folder:moved"},
    )
    assert moved.key == facts.key
    others = {
        "encoder": {**facts.encoder, "fingerprint": "0" * 64},
        "preprocessing": {**facts.preprocessing, "crop": 7},
        "data": {**facts.data, "pixels": "0" * 64},
        "rows": "0",
        "classes": ("cat", "cow"),
        "count": 9,
        "width": 4,
        "dtype": "float32",
        "shard_images": 5,
    }
    assert set(others) == {field.name for field in dataclasses.fields(facts)} - {"format"}
    keys = {dataclasses.replace(facts, **{name: value}).key for name, value in others.items()}
    assert len(keys | {facts.key}) == len(others) + 1


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (
            {"encoder": {"address": "timm:other", "fingerprint": "0" * 64}},
            r"view holds the view of another encoder, timm:net, than timm:other: give another --out",
        ),
        (
            {"encoder": {"address": "timm:net", "fingerprint": "0" * 64}},
            "the view of timm:net with other weights, fingerprint ffffffffffff and not 000000000000",
        ),
        (
            {"data": {"address": "digits", "content": "c" * 64, "pixels": "0" * 64}},
            r"other data, 10 images of folder:photos, than the 10 of digits \(the pixels differ\)",
        ),
        ({"rows": "0", "count": 12}, r"than the 12 of folder:photos \(the ids or labels differ\)"),
        ({"classes": ("cat", "cow"), "rows": "0"}, r"\(the classes differ\)"),
        ({"dtype": "float32"}, "a view with dtype = 'float16', and this one has 'float32'"),
        (
            {"preprocessing": {"resize": 9, "crop": 8, "encoder": {"mean": [0.4]}, "precision": "fp32"}},
            r"a view with preprocessing\.encoder\.mean = \[0\.5\], and this one has \[0\.4\]",
        ),
    ],
)
def test_another_view_is_refused_in_one_sentence(tmp_path, facts, change, said):
    write_facts(tmp_path / "view", facts)
    before = (tmp_path / "view" / "view.json").read_bytes()
    for refuse in (accept_facts, write_facts):
        with pytest.raises(InputError, match=said):
            refuse(tmp_path / "view", dataclasses.replace(facts, **change))
    assert (tmp_path / "view" / "view.json").read_bytes() == before


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (lambda text: text[:40], r"cannot be read as JSON .* Compute the view again"),
        (lambda text: "[]", r"holds a list in place of names and values"),
        (lambda text: text.replace('"format": 1', '"format": 2'), r"is of format 2, and this version reads format 1"),
        (lambda text: text.replace('"width": 3', '"width": 0'), r"damaged \(ValueError: width is 0\)"),
        (lambda text: text.replace('"width": 3', '"wide": 3'), r"damaged \(KeyError: 'width'\)"),
        (lambda text: text.replace("float16", "int8"), r"damaged \(ValueError: dtype is 'int8'\)"),
        (lambda text: text.replace('"fingerprint"', '"print"'), r"damaged \(KeyError: 'fingerprint'\)"),
        (lambda text: json.dumps({**json.loads(text), "preprocessing": 3}), r"preprocessing is no mapping"),
        (lambda text: json.dumps({**json.loads(text), "encoder": "x"}), r"damaged \(TypeError"),
        (lambda text: json.dumps({**json.loads(text), "classes": [1]}), r"classes and rows are no text"),
    ],
)
def test_damage_is_named(tmp_path, facts, spoil, said):
    write_facts(tmp_path / "view", facts)
    path = tmp_path / "view" / "view.json"
    path.write_text(spoil(path.read_text()))
    with pytest.raises(InputError, match=said) as caught:
        read_facts(tmp_path / "view")
    assert str(path) in str(caught.value)


def test_no_view(tmp_path):
    with pytest.raises(InputError, match=re.escape("(view.json is missing)")):
        read_facts(tmp_path)
    with pytest.raises(InputError, match="nowhere is not there"):
        read_facts(tmp_path / "nowhere")
