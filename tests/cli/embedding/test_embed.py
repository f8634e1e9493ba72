"""``embed``: compute, go on, verify, list; words only."""

import re

import numpy as np
import pytest

import modelheir
import modelheir.assemble
from modelheir.cli import main
from modelheir.cli.embedding import embed as command
from modelheir.embeddings import open_view, read_facts
from modelheir.models.encoders import ENCODERS

DATA = "synthetic:n=40,classes=3,size=8"
SMALL = ["--data", DATA, "--device", "cpu", "--quiet", "--batch_size", "4", "--shard_images", "8"]
EMBED = ["embed", "--encoder", "pixels:left", "pixels:right", *SMALL]


@pytest.fixture(autouse=True)
def _inside(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def words_of(text):
    return " ".join(text.split())


def test_views_are_computed_in_parts_gone_on_with_and_verified(capsys, tmp_path):
    assert main([*EMBED, "--out", "v", "--shard", "2/2"]) == 0
    said = words_of(capsys.readouterr().out)
    assert "pixels:left 40 32 8 float16 3 of 5" in said
    assert said.endswith("Not computed yet: run the same command with --shard 1/2")
    assert main(["embed", "verify", "v"]) == 2
    told = capsys.readouterr()
    assert "modelheir embed: v: 4 files are not whole: v/pixels-left/shards/00000.npy, " in told.err
    assert words_of(told.out).count("not written: run the same `modelheir embed` again") == 4
    assert main([*EMBED, "--out", "v", "--shard", "1/2"]) == 0
    told = capsys.readouterr().out
    assert "Not computed yet" not in told
    assert told.endswith(" --labels '5 per class' --views v/pixels-left v/pixels-right\n")
    assert main([*EMBED, "--output", "v"]) == 0
    assert (
        "All was computed before; nothing was written.\nNext: modelheir train cotrain --data "
        in capsys.readouterr().out
    )
    assert main(["embed", "verify", "v"]) == 0
    assert capsys.readouterr().out.endswith("All files of 2 views are whole.\n")
    assert main(["embed", "verify", "v/pixels-left"]) == 0
    assert capsys.readouterr().out.endswith("All files of 1 view are whole.\n")


def test_a_truncated_file_is_named_and_mended_by_the_same_command(capsys, tmp_path):
    assert main([*EMBED, "--out", "v"]) == 0
    cut = tmp_path / "v" / "pixels-right" / "shards" / "00002.npy"
    content = cut.read_bytes()
    cut.write_bytes(content[:-10])
    capsys.readouterr()
    assert main(["embed", "verify", "v"]) == 2
    said = capsys.readouterr()
    assert said.err == "modelheir embed: v: 1 files are not whole: v/pixels-right/shards/00002.npy.\n"
    assert "is damaged: it has" in words_of(said.out)
    assert main([*EMBED, "--out", "v"]) == 0
    assert cut.read_bytes() == content
    assert main(["embed", "verify", "v"]) == 0


def test_stopping_says_how_to_go_on(capsys, monkeypatch, tmp_path):
    from modelheir.assemble.embedding import computing

    write, left = computing.write_shard, [3]

    def stopping(*words):
        left[0] -= 1
        if not left[0]:
            raise KeyboardInterrupt
        write(*words)

    monkeypatch.setattr(computing, "write_shard", stopping)
    assert main([*EMBED, "--out", "v"]) == 130
    assert capsys.readouterr().err.endswith("modelheir embed: stopped; run the same command again to resume.\n")
    assert len(list((tmp_path / "v").rglob("*.npy"))) == 2


def test_progress_tells_images_a_second(capsys):
    loud = [word for word in EMBED if word != "--quiet"]
    assert main([*loud, "--out", "v"]) == 0
    lines = capsys.readouterr().err.splitlines()
    assert lines[0] == "pixels:left, pixels:right: 40 images: 10 steps"
    assert re.fullmatch(r"pixels:left, pixels:right: 40 images: 10 steps in 0:\d\d, [\d,]+ images/s", lines[-1])


def test_the_call_is_the_command():
    assert main([*EMBED, "--out", "typed"]) == 0
    made = modelheir.embed(
        ["pixels:left", "pixels:right"], data=DATA, out="called", device="cpu", quiet=True, batch_size=4, shard_images=8
    )
    assert [one.folder.name for one in made] == ["pixels-left", "pixels-right"]
    for one in made:
        typed = open_view(f"typed/{one.folder.name}")
        assert typed.facts == one.facts
        np.testing.assert_array_equal(np.asarray(typed.vectors), np.asarray(open_view(one.folder).vectors))
    (alone,) = modelheir.embed("pixels:all", data=DATA, out="called", device="cpu", quiet=True, dtype="float32")
    assert read_facts(alone.folder).dtype == "float32"


def test_settings_go_through(calls):
    calls.replace(modelheir.assemble, "embed", ())
    words = ["--encoder", "timm:a", "pkg:b", "--output", "o", "--shard", "2/5", "--dtype", "float32"]
    assert main(["embed", *words, "--inputs.image_size", "112", "--precision", "bf16"]) == 0
    ((config,), _) = calls["embed"]
    assert (config.encoder, config.out, config.shard, config.dtype) == (("timm:a", "pkg:b"), "o", "2/5", "float32")
    assert (config.inputs.image_size, config.precision) == (112, "bf16")


def test_the_documented_encoders_are_listed(capsys):
    assert main(["embed", "--list"]) == 0
    said = words_of(capsys.readouterr().out)
    assert len(ENCODERS) >= 12
    for name, row in ENCODERS.items():
        assert f"encoder:{name} {row.family} {row.width:,} {row.crop} of {row.resize} " in said
        assert f"{row.id} ({row.library})" in said
    assert "0.485 0.456 0.406 0.229 0.224 0.225" in said


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["vreify", "v"], r"unknown action 'vreify'\. Did you mean 'verify'\?"),
        (["verify"], "DIR is missing: modelheir embed verify DIR"),
        (["verify", "nowhere"], "nowhere is not there: give a folder that `modelheir embed` wrote"),
        ([], "--encoder is missing: for example --encoder encoder:dinov2"),
        (["--encoder", "pixels:left"], "--out is missing: for example --out views"),
        (["--encoder", "cache:x", "--out", "v"], "'cache:x' is no encoder: give "),
        (["--encodr", "x"], "unknown setting '--encodr'. Did you mean '--encoder'"),
        (["--encoder", "pixels:left", "--out", "v", "--data", "folder:gone"], "gone"),
        (["--encoder", "run:gone", "--out", "v", *SMALL], "gone"),
        (["--dtype", "int8"], "dtype = 'int8': must be one of float16, float32"),
    ],
)
def test_mistakes_are_sentences_and_nothing_is_written(words, message, capsys, tmp_path):
    assert main(["embed", *words]) == 2
    said = capsys.readouterr().err
    assert re.search(message, said)
    assert said.count("\n") == 1
    assert list(tmp_path.iterdir()) == []


def test_help_teaches(capsys):
    with pytest.raises(SystemExit) as stop:
        main(["embed", "--help"])
    assert stop.value.code == 0
    said = capsys.readouterr().out
    for part in ("modelheir embed verify views", "modelheir embed --list", "--shard 1/16", "--encoder TEXT", "--list"):
        assert part in said
    assert command.SPEC.epilog.startswith("docs/embeddings.md")
