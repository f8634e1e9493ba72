"""A pilot on the screen, and how ``train --pilot`` reaches the library."""

import dataclasses

import pytest

import modelheir
import modelheir.assemble
from modelheir.analysis.forecast import Forecast
from modelheir.assemble.piloting.pair import Pair
from modelheir.assemble.piloting.pilot import Pilot
from modelheir.assemble.piloting.sizes import Whole
from modelheir.cli import train
from modelheir.cli.piloting.forecast_text import forecast_lines, next_words, show_pilot


@pytest.fixture
def found(tmp_path):
    pairs = (
        Pair(200, 90, 113, 0, (50, 10, 20, 20, 0), 5.0),
        Pair(200, 90, 113, 1, (50, 10, 10, 30, 0), 5.0),
        Pair(400, 90, 310, 0, (60, 10, 25, 5, 0), 9.0),
    )
    forecast = Forecast(0.12, 0.03, 0.21, 0.95, {"seeds": 0.02, "images": 0.03, "size": 0.01})
    whole = Whole(labelled=90, pool=3_000, classes=3, batch_size=8, epochs=12)
    return Pilot(tmp_path / "pilot.json", forecast, pairs, 3, whole, 610.0, 100)


def test_the_table_and_the_sentence(found, capsys):
    show_pilot(found, ["modelheir", "train", "distill", "--pilot", "10m", "--out", "my run"])
    out = capsys.readouterr().out
    assert "Small runs, on 100 images of the selection split" in out
    rows = [line.split() for line in out.splitlines() if line.split() and line.split()[0].isdigit()]
    assert rows == [["203", "90", "2", "65.00%", "60.00%", "+5.00"], ["400", "90", "1", "85.00%", "70.00%", "+15.00"]]
    assert (
        "Forecast for 3,090 images (90 labelled), 12 epochs: the teacher gains +12.0 points of accuracy "
        "[+3.0, +21.0] over the same student trained on the labels alone for as many steps; the whole training takes "
        "about 11m."
    ) in out
    assert "holds 0" not in out
    assert out.splitlines()[-1] == "Next: modelheir train distill --out 'my run'"


def test_an_interval_with_zero_says_so(found):
    forecast = dataclasses.replace(found.forecast, low=-0.01)
    lines = forecast_lines(dataclasses.replace(found, forecast=forecast, planned=6))
    assert lines[1] == "The interval holds 0: these small runs do not tell whether the teacher helps."
    assert lines[2].startswith("Time was up after 3 of 6 pairs")


def test_a_teacher_that_harms_is_named(found):
    forecast = dataclasses.replace(found.forecast, gain=-0.1, low=-0.2, high=-0.05)
    assert "is forecast to harm" in forecast_lines(dataclasses.replace(found, forecast=forecast))[1]


@pytest.mark.parametrize("words", [["--pilot", "10m"], ["--pilot=10m"], ["--pilot.budget", "10m"]])
def test_the_next_command_is_the_same_without_the_pilot(found, words):
    command = ["modelheir", "train", "distill", *words, "--seed", "2"]
    assert next_words(found, command) == ["modelheir", "train", "distill", "--seed", "2"]


def test_the_flag_reaches_the_library(calls, found, capsys):
    calls.replace(modelheir.assemble, "pilot", found)
    calls.replace(modelheir.assemble, "train", lambda *_, **__: pytest.fail("it trained"))
    assert train.main(["distill", "--teacher", "run:a", "--pilot", "1.5m", "--quiet"]) == 0
    (name, _, own), named = calls["pilot"]
    assert (name, own.teacher, named["seconds"]) == ("distill", ("run:a",), 90.0)
    assert modelheir.train("distill", teacher="run:a", pilot="90s") is found
    assert calls["pilot"][1]["command"][0].startswith("modelheir.train('distill', pilot='90s'")


def test_bad_times_and_other_methods_are_refused(refused):
    assert "pilot = '10': must be a time above 0 with its unit" in refused("train", "distill", "--pilot", "10")
    assert "unknown setting '--pilot'" in refused("train", "finetune", "--pilot", "10m")
