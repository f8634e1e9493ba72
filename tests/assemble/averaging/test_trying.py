"""What is tried, against what, and what a person is told of it."""

import dataclasses

import numpy as np
import pytest

import modelheir
from modelheir.checks import InputError
from modelheir.runs.folder import RunFolder
from modelheir.runs.predictions import read_predictions

from .conftest import DATA


def test_flips_are_counted_against_the_best_alone_or_the_run_or_the_old(average, kept):
    found = average()
    assert found.old == found.best == max(found.alone, key=lambda row: (row["accuracy"], -row["loss"]))["model"]
    row = next(row for row in found.alone if row["model"] == found.best)
    assert (row["nfr"], row["pfr"]) == (0, 0)
    assert any(row["nfr"] for row in found.alone)  # else the images tell no model from another
    assert [row["model"] for row in found.reported] == [found.best, found.chosen]
    old = average(out="old", old=[kept.start])
    assert old.old == kept.start
    names = [row["model"] for row in old.reported]
    assert names == [kept.start, *([old.best] if len(old.ways) and _several(old) else []), old.chosen]
    own = average(out="own", snapshots=kept.start)
    assert own.old == kept.start
    assert own.alone[-1]["model"].startswith("step ")


def _several(found):
    return len(next(row for row in found.ways if row["model"] == found.chosen)["members"]) > 1


def test_rows_are_those_of_the_models_themselves(average, kept):
    """Each row alone against what `predict` says of the selection images."""
    found = average(old=[kept.start])
    before = modelheir.predict(kept.start, split="val", device="cpu")
    for row in found.alone:
        said = modelheir.predict(row["model"], split="val", device="cpu")
        right, was = said.prediction == said.label, before.prediction == before.label
        assert row["accuracy"] == pytest.approx(right.mean())
        assert row["nfr"] == pytest.approx((was & ~right).mean())
        assert row["pfr"] == pytest.approx((~was & right).mean())
        logits = said.logits - said.logits.max(1, keepdims=True)
        loss = np.log(np.exp(logits).sum(1)) - logits[np.arange(len(logits)), said.label]
        assert row["loss"] == pytest.approx(loss.mean(), rel=1e-4)


def test_what_is_written_is_what_was_chosen(average, kept):
    found = average(old=[kept.start], by=["uniform"])
    said = read_predictions(RunFolder(found.path).predictions("val"))
    assert found.ways[0]["accuracy"] == pytest.approx((said.prediction == said.label).mean())
    assert found.ways[0]["members"] == [kept.a, kept.b]


def test_every_way_is_tried_once_and_a_model_alone_is_as_it_is(average, kept):
    found = average(snapshots=kept.start, by=["lawa:1", "auto", "uniform", "swa:0.2", "ema:0"])
    names = [row["model"] for row in found.ways]
    assert names[:2] == ["lawa:1", "uniform"]
    assert len(set(names)) == len(names)
    assert names[-2:] == ["swa:0.2", "ema:0"]
    for name in ("lawa:1", "swa:0.2", "ema:0"):
        row = next(row for row in found.ways if row["model"] == name)
        last = found.alone[-1]
        assert row["members"] == [last["model"]]
        assert row["as_averaged"] is None
        assert (row["accuracy"], row["loss"]) == (last["accuracy"], last["loss"])


def test_a_greedy_soup_is_never_worse_than_the_best_alone_there(average, kept):
    found = average(snapshots=kept.start, by=["greedy"])
    assert found.ways[0]["accuracy"] >= max(row["accuracy"] for row in found.alone) - 1e-12


def test_a_way_that_needs_more_models_is_refused_before_any_is_asked(average, monkeypatch):
    from modelheir.assemble.averaging.judging import Judge

    monkeypatch.setattr(Judge, "alone", lambda *given: pytest.fail("a model was asked"))
    with pytest.raises(InputError, match="lawa:3 averages the 3 newest models, and there are 2"):
        average(by=["lawa:3"])


def test_a_run_on_other_images_is_named(kept, tmp_path):
    given = {"out": str(tmp_path / "out"), "device": "cpu", "quiet": True, "by": ["uniform"]}
    other = kept.train("split", start=kept.start, seed=3, epochs=1, inputs={"split_seed": 5})
    found = modelheir.average([kept.a, other], **given)
    assert found.notes == (
        f"{other} was trained on inputs.split_seed = 5, so it may have seen images that choose or report here.",
    )
    data = DATA.replace("n=300", "n=200")
    elsewhere = modelheir.average([kept.a, kept.b], data=data, **{**given, "out": str(tmp_path / "elsewhere")})
    assert [note.split(" was ")[1].split(",so")[0][:22] for note in elsewhere.notes] == ["trained on data = 'syn"] * 2


def test_without_reporting_images_nothing_is_reported(average, monkeypatch):
    from modelheir.assemble.averaging import average as module

    real = module.data.open_splits

    def without(*given):
        return {name: images for name, images in real(*given).items() if name != "test"}

    monkeypatch.setattr(module.data, "open_splits", without, raising=False)
    found = average(by=["uniform"])
    assert found.reported == ()
    assert any("no reporting split" in note for note in found.notes)
    assert not RunFolder(found.path).predictions("test").exists()


def test_what_is_told_is_all_json(average):
    found = average(by=["uniform"])
    for row in (*found.ways, *found.alone, *found.reported):
        assert all(value is None or isinstance(value, str | int | float | list) for value in row.values())
    assert dataclasses.is_dataclass(found)


def test_the_best_is_kept_wherever_it_stands(average, kept):
    found = average(snapshots=kept.start, by=["ema:0.99", "uniform"])  # the first is nearly the untrained start
    assert found.ways[0]["accuracy"] < found.ways[1]["accuracy"]
    assert found.chosen == "uniform"
