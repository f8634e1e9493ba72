"""What ``cache.json`` says, and that a damaged one, or one of other settings, is refused."""

import dataclasses
import json

import pytest

from modelheir.checks import InputError
from modelheir.runs.teacher_cache.manifest import accept_manifest, read_manifest, write_manifest


def test_what_is_written_is_read(told, tmp_path):
    write_manifest(tmp_path, told)
    assert read_manifest(tmp_path) == told
    assert next(iter(json.loads((tmp_path / "cache.json").read_text()))) == "format"
    before = (tmp_path / "cache.json").stat().st_mtime_ns
    write_manifest(tmp_path, told)
    assert (tmp_path / "cache.json").stat().st_mtime_ns == before


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"views": 4}, "views = 3, and this one has 4"),
        (
            {"classes": ("a", "b", "c", "e")},
            r"classes = \['a', 'b', 'c', 'd'\], and this one has \['a', 'b', 'c', 'e'",
        ),
        ({"inputs": {"image_size": 8}}, r"inputs\.augment = 'crop', and this one has None"),
        (
            {"teachers": ({"address": "run:U", "weight": 1.0, "files": {}},)},
            r"teachers\.0\.address = 'run:T', and .*'run:U'",
        ),
        ({"teachers": ()}, r"teachers = None, and this one has \[\]"),
    ],
)
def test_the_first_value_that_differs_is_named(told, tmp_path, changes, message):
    write_manifest(tmp_path, told)
    with pytest.raises(InputError, match=f"holds a cache with {message}"):
        accept_manifest(tmp_path, dataclasses.replace(told, **changes))
    assert read_manifest(tmp_path) == told


BAD = {
    "format": ({"format": 2}, r"is of format 2, and this version reads format 1"),
    "no format": ({"format": None}, r"is of format None"),
    "views": ({"views": 0}, r"is damaged \(ValueError: views is 0\)"),
    "shards": ({"shards": "2"}, r"is damaged \(ValueError: shards is '2'\)"),
    "kind": ({"kind": "corner"}, r"is damaged \(ValueError: dtype is 'float32' and kind 'corner'\)"),
    "dtype": ({"dtype": "int8"}, r"is damaged \(ValueError: dtype is 'int8'"),
    "classes": ({"classes": [1, 2]}, r"is damaged \(ValueError: classes are no names\)"),
    "top_k": ({"top_k": 4}, r"is damaged \(ValueError: top_k is 4 of 4 classes\)"),
    "teachers": ({"teachers": [{"weight": 1}]}, r"is damaged \(KeyError: 'address'\)"),
    "teacher": ({"teachers": ["run:T"]}, r"is damaged \(TypeError"),
    "inputs": ({"inputs": 3}, r"is damaged \(TypeError: inputs and policy"),
}


@pytest.mark.parametrize(("changes", "message"), BAD.values(), ids=BAD)
def test_a_damaged_file_is_said_to_be(told, tmp_path, changes, message):
    write_manifest(tmp_path, told)
    path = tmp_path / "cache.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))
    with pytest.raises(InputError, match=message):
        read_manifest(tmp_path)


@pytest.mark.parametrize("text", ["", "[1]", "{", '{"format": 1}'])
def test_half_a_file_is_damaged(told, tmp_path, text):
    (tmp_path / "cache.json").write_text(text)
    with pytest.raises(InputError, match=r"cache\.json .*[Ww]rite the cache again with `modelheir cache write`"):
        read_manifest(tmp_path)


def test_a_folder_without_one_is_none(tmp_path):
    with pytest.raises(InputError, match=r"holds no teacher cache \(cache\.json is missing\)"):
        read_manifest(tmp_path)
    with pytest.raises(InputError, match="is not there"):
        read_manifest(tmp_path / "x")
