"""A kind refuses settings that it does not read."""

import dataclasses

import pytest

from modelheir.bench.pictures.settings import KINDS, PlotConfig, ShiftsConfig, accept
from modelheir.checks import InputError

OTHER = {
    "strategies": ("erm_final",), "oracle": "o", "seed": 1, "mode": "compat", "points": 5, "data": "digits",
    "time": "t", "steps": 2, "classes": ("a",), "per_class": 2, "stage": "s", "snapshots": "1:", "grid": 4,
    "quantity": "accuracy", "images": 0,
}  # fmt: skip


def test_every_setting_is_read_by_a_kind():
    read = {name for _, own in KINDS.values() for name in own} | {"out", "device", "quiet"}
    assert read == {field.name for field in dataclasses.fields(PlotConfig)}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", OTHER)
def test_a_setting_is_read_or_refused(kind, name):
    given = {"oracle": "o"} if kind in ("projection", "svcca") else {}
    config = PlotConfig(**{**given, name: OTHER[name]})
    if name in KINDS[kind][1] and name not in ("time", "steps"):
        accept(kind, config, 1)
    else:
        with pytest.raises(InputError, match=f"plot {kind} reads no --{name}: it is a setting of .*; leave it out"):
            accept(kind, config, 1)


@pytest.mark.parametrize(
    ("kind", "settings", "runs", "message"),
    [
        ("interpolate", {}, 1, "Did you mean 'interpolation'"),
        ("interpolation", {}, 0, "needs a RUN: a run folder of train adapt, a folder of bench run"),
        ("examples", {}, 0, "a folder of bench run, or --data"),
        ("svcca", {}, 1, "needs --oracle"),
        ("trajectory", {}, 0, "needs a RUN: a run folder with snapshots"),
        ("trajectory", {"grid": 1}, 1, "a plane has at least two models along a side"),
        ("trajectory", {"grid": 0, "images": 9}, 1, "--quantity and --images have no effect"),
    ],
)
def test_what_lacks_is_said(kind, settings, runs, message):
    with pytest.raises(InputError, match=message):
        accept(kind, PlotConfig(**settings), runs)


def test_examples_of_data_read_how_it_is_cut():
    accept("examples", PlotConfig(data="digits", time="writer", steps=3), 0)


@pytest.mark.parametrize("settings", [{}, {"data": "digits", "suite": "quick"}])
def test_shifts_are_of_data_or_of_a_suite(settings):
    with pytest.raises(InputError, match="needs one of --data"):
        ShiftsConfig(**settings).check()
    assert set(ShiftsConfig(suite="quick").unread()) == {"time", "steps"}
    assert ShiftsConfig(data="digits").unread() == {}
