"""Labels that are likely wrong: found out of fold on frozen views, listed, and with ``drop`` not used."""

import csv
import json

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression

from modelheir.methods.cotrain.label_check import out_of_fold, used_labels

WRONG = {"algorithms": ("supervised",), "labels": "10 per class"}


@pytest.fixture
def spoilt(plain, relabelled):
    """What a plan is handed with three labels changed, and the ids of these images."""
    train = plain.data.splits["train"]
    labels = train.labels.copy()
    rows = [int(np.flatnonzero(labels == number)[0]) for number in range(3)]
    labels[rows] = (labels[rows] + 1) % 3
    return relabelled(plain, "train", labels), {str(train.ids[row]) for row in rows}


def test_out_of_fold_no_image_is_judged_by_its_own_label():
    rng = np.random.default_rng(0)
    labels = np.repeat([0, 1, 2, 3], [12, 7, 2, 1])
    x = rng.standard_normal((22, 5)) + np.eye(5)[labels] * 3
    p, judged = out_of_fold(x, labels, 0, classes=5)
    assert judged.tolist() == [True] * 21 + [False]
    assert not p[21].any()
    np.testing.assert_allclose(p[judged].sum(1), 1)
    assert not p[:, 4].any()
    near = LogisticRegression(C=0.1, max_iter=2000).fit(np.delete(x, 19, 0), np.delete(labels, 19))
    np.testing.assert_allclose(p[19, :4], near.predict_proba(x[19:20])[0], atol=0.2)


def test_a_label_that_nothing_else_tells_is_not_known_out_of_fold():
    """Every image is like no other, so that only its own label could say what it is; in the fold it would."""
    labels = np.arange(30) % 3
    x = np.eye(30) * 30
    p, judged = out_of_fold(x, labels, 0, classes=3)
    assert judged.all()
    assert p[np.arange(30), labels].max() < 0.5
    inside = LogisticRegression(C=0.1, max_iter=2000).fit(x, labels).predict_proba(x)
    assert inside[np.arange(30), labels].min() > 0.9


def test_what_is_found_is_listed_in_the_run_folder_and_said(world, few, spoilt):
    given, wrong = spoilt
    done = few(world.run, "run", given=given, check_labels="list", **WRONG)
    assert list(done) == ["label_check", "supervised", "supervised_calibrated", "choice"]
    with (done["label_check"].folder / "labels.csv").open(newline="") as handle:
        rows = list(csv.DictReader(handle))
    train = given.data.splits["train"]
    names = dict(zip(map(str, train.ids), train.labels, strict=True))
    assert rows
    for row in rows:
        assert row["label"] == train.classes[names[row["sample_id"]]] != row["likely"]
        assert 0 <= float(row["probability_of_label"]) < float(row["probability_of_likely"]) <= 1
        assert row["dropped"] == "false"
    doubt = [float(row["probability_of_label"]) for row in rows]
    assert doubt == sorted(doubt)
    labelled = {str(one) for one in few(world.plan, given, **WRONG)[0].prepare({}).streams["train"].ids}
    there = wrong & labelled
    assert there
    assert there <= {row["sample_id"] for row in rows}
    (row,) = done["choice"].describe["rows"].values()
    assert row["labels"]["doubtful"] == len(rows)
    assert row["labels"]["checked"] == 30
    assert row["labels"]["first"] == [one["sample_id"] for one in rows[:3]]
    (line,) = [one for one in row["said"] if "doubtful" in one]
    assert line.startswith(f"Of 30 labels that could be checked, {len(rows)} are doubtful: {rows[0]['sample_id']} (")
    assert line.endswith("all stand in stages/00_label_check/labels.csv.")
    json.dumps(row)


@pytest.mark.parametrize("check", ["list", "drop"])
def test_only_with_drop_they_are_not_used(world, few, spoilt, check):
    given, _ = spoilt
    done = few(world.run, "run", given=given, check_labels=check, **WRONG)
    told = done["label_check"].describe["labels"]["doubtful"]
    dropped = {one["sample_id"] for one in told if one["dropped"]}
    assert bool(dropped) == (check == "drop")
    stages = {one.name: one for one in few(world.plan, given, check_labels=check, **WRONG)}
    task = stages["supervised"].prepare(done)
    used = {str(one) for one in task.streams["train"].ids}
    everything = {str(one) for one in few(world.plan, given, **WRONG)[0].prepare({}).streams["train"].ids}
    assert used == everything - dropped


def test_a_dropped_image_is_one_of_the_pool(world, few, spoilt):
    given, _ = spoilt
    settings = {
        **WRONG,
        "check_labels": "drop",
        "algorithms": ("consistency",),
        "consistency__labels__confidence": 0.34,
    }
    done = few(world.run, "run", given=given, **settings)
    dropped = {one["sample_id"] for one in done["label_check"].describe["labels"]["doubtful"] if one["dropped"]}
    task = next(one for one in few(world.plan, given, **settings) if one.name == "consistency").prepare(done)
    assert dropped
    assert dropped <= {str(one) for one in task.streams["unlabelled"].ids}
    assert set(task.streams["unlabelled"].labels.tolist()) == {-1}


def test_encoders_are_tuned_without_dropped_labels_and_the_check_sees_them_before(world, few, spoilt):
    given, _ = spoilt
    views = ("pixels:left", world.save_model("conv", model="convnet", seed=6))
    settings = {**WRONG, "check_labels": "drop", "tune": "all", "views": views, "tuning__epochs": 1}
    done = few(world.run, "run", given=given, **settings)
    assert list(done)[:2] == ["label_check", "tuned_view_2"]
    assert "tuned" not in done["label_check"].describe["model"]["encoders"][1]
    ids = used_labels(np.array([one["sample_id"] for one in done["label_check"].describe["labels"]["doubtful"]]), done)
    stage = next(one for one in few(world.plan, given, **settings) if one.name == "tuned_view_2")
    dropped = [one["sample_id"] for one in done["label_check"].describe["labels"]["doubtful"] if one["dropped"]]
    assert dropped
    assert not set(dropped) & {str(one) for one in stage.prepare(done).streams["train"].ids}
    assert not set(dropped) & set(ids.tolist())


def test_a_killed_run_goes_on(world, few, spoilt):
    given, _ = spoilt
    settings = {"given": given, "check_labels": "drop", **WRONG}
    whole = few(world.run, "whole", **settings)
    with pytest.raises(KeyboardInterrupt):
        few(world.run, "cut", stop_after=3, **settings)
    after = few(world.run, "cut", **settings)
    assert after["choice"].describe["rows"] == whole["choice"].describe["rows"]
    assert (after["label_check"].folder / "labels.csv").read_bytes() == (
        whole["label_check"].folder / "labels.csv"
    ).read_bytes()


def test_a_single_label_of_a_class_is_neither_judged_nor_dropped(world, few, plain):
    done = few(world.run, "run", given=plain, check_labels="drop", algorithms=("supervised",), labels="1 per class")
    assert done["label_check"].describe["labels"] == {"checked": 0, "doubtful": []}
    (line,) = [one for one in next(iter(done["choice"].describe["rows"].values()))["said"] if "doubtful" in one]
    assert line == "Of 0 labels that could be checked, 0 are doubtful."
