"""The command's words, help and sentences; the pictures themselves are tested below it."""

from pathlib import Path

import pytest

from modelheir import cli
from modelheir.bench import pictures
from modelheir.bench.pictures.drawing import Plotted


def test_what_is_drawn_is_told(monkeypatch, capsys):
    asked = []

    def draw(kind, runs, config):
        asked.append((kind, runs, config.points))
        return Plotted([Path("out/a.svg")], ["left out: \x1b[2Jx"])

    monkeypatch.setattr(pictures, "draw_pictures", draw)
    assert cli.main(["plot", "interpolation", "runs/a", "runs/b", "--points", "7"]) == 0
    assert asked == [("interpolation", ["runs/a", "runs/b"], 7)]
    said = capsys.readouterr().out
    assert "Picture: out/a.svg (numbers: a.csv)" in said
    assert "left out: \\x1b[2Jx" in said


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ([], "KIND is missing: modelheir plot KIND [RUN ...]"),
        (["interpolate"], "Did you mean 'interpolation'?"),
        (["interpolation"], "plot interpolation needs a RUN"),
        (["interpolation", "nowhere"], "nowhere holds neither a run of train adapt nor cells of bench run"),
        (["penalty", "runs/a", "--points", "3"], "plot penalty reads no --points"),
        (["examples", "runs/a", "--show", "same"], "plot examples reads no --show"),
        (["examples", "--data", "sequence:a.yaml", "--show", "same", "--steps", "3"], "without RUN with --show own"),
        (["examples", "--data", "digits", "--show", "sam"], "Did you mean 'same'?"),
        (["interpolation", "runs/a", "--points", "1"], "points = 1: must be"),
        (["interpolation", "runs/a", "--pionts", "3"], "Did you mean '--points'?"),
        (["svcca", "runs/a"], "plot svcca needs --oracle"),
    ],
)
def test_a_mistake_is_one_sentence(words, message, capsys):
    assert cli.main(["plot", *words]) == 2
    assert message in capsys.readouterr().err


def test_help_tells_the_kinds(capsys):
    with pytest.raises(SystemExit):
        cli.main(["plot", "--help"])
    said = capsys.readouterr().out
    assert "interpolation" in said
    assert "svcca" in said
    assert "usage: modelheir plot KIND [RUN ...]" in said
