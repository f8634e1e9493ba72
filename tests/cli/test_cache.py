"""``cache``: write in shards, look, check; words only."""

import re

import pytest

import modelheir
import modelheir.assemble
from modelheir.checks import InputError
from modelheir.cli import cache, main
from modelheir.runs.predictions import read_predictions
from modelheir.runs.teacher_cache.manifest import read_manifest

DATA = ["--data", "synthetic:n=120,classes=3,size=8"]
SMALL = [*DATA, "--device", "cpu", "--quiet"]


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """A folder with a teacher."""
    found = tmp_path_factory.mktemp("cache")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(found)
        assert main(["train", "finetune", *SMALL, "--epochs", "2", "--fit.batch_size", "32", "--out", "large"]) == 0
    return found


@pytest.fixture(autouse=True)
def _inside(place, monkeypatch):
    monkeypatch.chdir(place)


WRITE = ["cache", "write", "--teacher", "run:large", *SMALL, "--allow_weak_teacher", "--views", "2"]


def test_a_cache_is_written_in_shards_looked_at_checked_and_taught_from(place, capsys):
    assert main([*WRITE, "--out", "c", "--shard", "2/2"]) == 0
    assert capsys.readouterr().out == "1 of 2 shards are written to c; the next is --shard 1/2\n"
    assert main(["cache", "inspect", "c"]) == 0
    assert "1 of 2, missing: 1/2" in capsys.readouterr().out
    assert main(["cache", "verify", "c"]) == 2
    said = capsys.readouterr()
    assert "modelheir cache: c: 1 of 2 shards are not whole: 1/2." in said.err
    assert "not written: run `modelheir cache write` with --shard 1/2" in said.out
    train = ["train", "distill", *SMALL, "--teacher", "cache:c", "--epochs", "2", "--fit.batch_size", "32"]
    assert main([*train, "--out", "s"]) == 2
    assert "cache:c is half-written: shard 1/2 is missing." in capsys.readouterr().err
    assert main([*WRITE, "--out", "c", "--shard", "1/2"]) == 0
    lines = capsys.readouterr().out.splitlines()
    images = read_manifest(place / "c").images
    assert lines[0].startswith(f"2 augmented views of {images} images, ")
    assert lines[1] == "Next: modelheir train distill --teacher cache:c ... with the same --data and --unlabelled"
    assert main(["cache", "verify", "cache:c"]) == 0
    assert capsys.readouterr().out.endswith("All 2 shards are whole.\n")
    assert main([*train, "--out", "s"]) == 0
    assert len(read_predictions(place / "s" / "predictions" / "test.parquet")) > 0


def test_inspect_says_what_a_cache_holds(capsys):
    words = ["--out", "kept", "--top_k", "1", "--features", "--teacher", "run:large", "--teacher_weights", "1", "3"]
    assert main([*WRITE, *words]) == 0
    capsys.readouterr()
    assert main(["cache", "inspect", "kept"]) == 0
    said = " ".join(capsys.readouterr().out.split())
    for part in (
        "teacher run:large (0.25 of the mean)", "teacher run:large (0.75 of the mean)", "views 2 augmented views",
        "run as average logits, batch_norm eval, precision fp32", "stored the largest 1 classes, float16",
        "classes 3: class0, class1, class2", "inputs.augment crop", "shards 1 of 1",
    ):  # fmt: skip
        assert part in said, said


def test_the_call_is_the_command(place):
    folder = modelheir.cache(
        "run:large", data=DATA[1], out="called", views=2, device="cpu", quiet=True, allow_weak_teacher=True
    )
    assert main([*WRITE, "--out", "typed"]) == 0
    assert read_manifest(folder) == read_manifest(place / "typed")
    names = ("logits-1-of-1.npy", "offsets-1-of-1.npy")
    assert all((place / "typed" / name).read_bytes() == (folder / name).read_bytes() for name in names)
    with pytest.raises(InputError, match=r"unknown setting 'vews'.* Did you mean 'views'"):
        modelheir.cache("run:large", out="x", vews=3)


def test_settings_go_through(calls, place):
    assert main([*WRITE, "--out", "through"]) == 0
    calls.replace(modelheir.assemble, "write_cache", place / "through")
    words = ["--teacher", "run:a", "run:b", "--teacher_weights", "1", "2", "--unlabelled", "folder:pool", "--out", "o"]
    assert cache.main(["write", *words, "--views", "0", "--inputs.augment_seed", "3", "--shard", "2/5"]) == 0
    ((config,), _) = calls["write_cache"]
    assert config.teacher == ("run:a", "run:b")
    assert config.policy.weights == (1.0, 2.0)
    assert (config.unlabelled, config.out, config.views, config.shard) == ("folder:pool", "o", 0, "2/5")
    assert config.inputs.augment_seed == 3


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["burn"], r"unknown action 'burn'\."),
        (["verfy", "c"], r"unknown action 'verfy'\. Did you mean 'verify'\?"),
        (["inspect"], "DIR is missing: modelheir cache inspect DIR"),
        (["inspect", "nowhere"], r"nowhere is not there \(cache\.json is missing\)"),
        (["inspect", "large"], r"large holds no teacher cache \(cache\.json is missing\)"),
        (["write", "--out", "x"], r"--teacher is missing: for example --teacher run:runs/large"),
        (["write", "--views", "-1"], "views = -1: must be >= 0"),
        (["write", "--vievs", "1"], "unknown setting '--vievs'. Did you mean '--views'"),
    ],
)
def test_mistakes_are_sentences(words, message, capsys):
    assert main(["cache", *words]) == 2
    assert re.search(message, capsys.readouterr().err)


def test_help_teaches(capsys):
    assert main(["cache", "--help"]) == 0
    said = capsys.readouterr().out
    assert all(call in said for call, _ in cache.ACTIONS.values())
    assert main(["cache"]) == 2
    capsys.readouterr()
    with pytest.raises(SystemExit) as stop:
        main(["cache", "write", "--help"])
    assert stop.value.code == 0
    said = capsys.readouterr().out
    assert "modelheir train distill --teacher cache:teachers" in said
    assert "--policy.average" in said
