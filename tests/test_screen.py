"""Tables on the terminal."""

import pytest

from modelheir.cli import main
from modelheir.screen import line_width, paragraph, percent, show_result, show_table


def test_percent():
    assert percent(0.125) == "12.50%"
    assert percent(1, (0.5, 1)) == "100.00% [50.00, 100.00]"


def test_names_are_not_markup(capsys):
    show_table("[red]t", ["a", "b"], [["[bold]x[/bold]", "1"]])
    out = capsys.readouterr().out
    assert "[bold]x[/bold]" in out
    assert "[red]t" in out


def test_result(capsys):
    show_result("r", {"test/loss": {"value": None, "unit": "nats"}, "subspace": {"variance": [0.7]}})
    out = capsys.readouterr().out
    assert "-" in out
    assert "subspace" not in out  # numbers for pictures, without a value


@pytest.mark.parametrize(("columns", "width"), [("10", 60), ("80", 80), ("300", 110)])
def test_text_runs_as_wide_as_the_terminal(columns, width, monkeypatch):
    monkeypatch.setenv("COLUMNS", columns)
    assert line_width() == width
    lines = paragraph("word " * 50 + "x" * 200, first="- ", rest="  ").splitlines()
    assert lines[0].startswith("- word")
    assert all(len(line) <= width for line in lines[:-1])
    assert lines[-1] == "  " + "x" * 200


@pytest.mark.parametrize("words", [["train", "--help"], ["train", "upgrade", "--help"], ["predict", "--help"]])
def test_help_fits_80_columns(words, monkeypatch, capsys):
    monkeypatch.setenv("COLUMNS", "80")
    with pytest.raises(SystemExit):
        main(words)
    text = capsys.readouterr().out
    assert max(len(line) for line in text.splitlines() if line.startswith("  ")) <= 80


def test_explained_settings_are_never_broken(monkeypatch, capsys):
    monkeypatch.setenv("COLUMNS", "80")
    assert main(["explain", "upgrade"]) == 0
    assert "\n  supervised.likelihood_scale  0.0    s; above 0 trusts images less" in capsys.readouterr().out
