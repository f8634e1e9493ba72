"""The choice: by the newest selection images alone, in the mean over seeds, and how sure it is."""

import numpy as np
import pytest

from modelheir.methods import METHODS
from modelheir.runs.predictions import read_predictions

PAST = ("synthetic:n=60,classes=3,size=8,seed=8", "synthetic:n=60,classes=3,size=8,seed=9")
NAMES = ("erm_final", "erm_all", "erm_fine_tune", "wise_ft")


@pytest.fixture(scope="module")
def done(shared_world):
    return shared_world.run("adapt", "run", history=PAST, strategies=NAMES, seeds=2, rates=(1.0, 0.1))


def accuracy(result, split):
    found = read_predictions(result.folder / "predictions" / f"{split}.parquet")
    return float((found.prediction == found.label).mean())


def test_rows_are_means_over_seeds_of_the_stages_best_on_selection(done):
    rows = done["choice"].describe["rows"]
    assert list(rows) == [f"strategy/{name}" for name in NAMES]
    for row in rows.values():
        results = [done[name] for name in row["stages"]]
        assert row["selection"] == pytest.approx(np.mean([one.metrics["val/accuracy"] for one in results]))
        assert row["values"] == [accuracy(one, "test") for one in results]
        assert row["value"] == pytest.approx(np.mean(row["values"]))
    tuned = rows["strategy/erm_fine_tune"]["stages"]
    for seed, name in enumerate(tuned):
        tried = rows["strategy/erm_fine_tune"]["tried"][seed]
        assert [one["rate"] for one in tried] == [1.0, 0.1]
        assert done[name].metrics["val/accuracy"] == max(one["selection"] for one in tried)
        setting = rows["strategy/erm_fine_tune"]["settings"][seed]
        assert {**setting, "selection": done[name].metrics["val/accuracy"]} in tried
    assert rows["strategy/erm_final"]["settings"] == [{}, {}]


def test_the_best_on_selection_is_published(done):
    rows, chosen = done["choice"].describe["rows"], done["choice"].describe["chosen"]
    means = {name: rows[f"strategy/{name}"]["selection"] for name in NAMES}
    assert means[chosen] == max(means.values())
    assert [name for name in NAMES if rows[f"strategy/{name}"].get("chosen")] == [chosen]
    first = done[rows[f"strategy/{chosen}"]["stages"][0]]
    ours, theirs = done["choice"].weights("model"), first.weights("model")
    assert all((ours[key] == theirs[key]).all() for key in theirs)


def test_the_verdict_says_what_and_how_sure(done):
    rows = done["choice"].describe["rows"]
    (note,) = [row["note"] for row in rows.values() if "note" in row]
    assert note.startswith(f"Use {done['choice'].describe['chosen']} (")
    assert "the mean of 2 seeds" in note


def test_the_verdict_says_which_setting_the_published_model_has(world):
    """The rate that was better on the selection images; of several stages, which."""
    found = world.run("adapt", "run", history=PAST, strategies=("surgical_rgn",), seeds=1, rates=(1.0, 1e-6))
    (row,) = found["choice"].describe["rows"].values()
    (tried,), (setting,) = row["tried"], row["settings"]
    sizes = [name for name in found if name.startswith("surgical_rgn")]
    assert [(one["stage"], one["rate"]) for one in tried] == [(name, rate) for name in sizes for rate in (1.0, 1e-6)]
    assert setting["stage"] == row["stages"][0]
    assert f", stage = {setting['stage']}, rate = {setting['rate']}): right on" in row["note"]
    grid = found[setting["stage"]].describe["grid"]
    assert grid["members"][grid["chosen"]]["setting"] == {"rate": setting["rate"]}
    merits = [one["selection"] for one in tried]
    assert {**setting, "selection": max(merits)} in tried


def test_a_schedule_over_steps_is_told_by_its_numbers(world):
    """The rates of the run, in whose place the benchmark's 1e-3 and 1e-4 stand; what linear takes off is a tenth."""
    given = world.given()
    found = world.run("adapt", "run", given=given, history=PAST, strategies=("sequential_fine_tune_linear_lr_decay",))
    (row,) = found["choice"].describe["rows"].values()
    lr, names = given.fit.lr, ("starting_learning_rate", "learning_rate_decay_factor")
    expected = [(lr, lr / 10), (lr / 10, lr / 100)]
    for setting, tried in zip(row["settings"], row["tried"], strict=True):
        assert [tuple(one[name] for name in names) for one in tried] == [pytest.approx(one) for one in expected]
        assert {one["learning_rate_decay"] for one in tried} == {"linear"}
        assert setting in [{key: one[key] for key in setting} for one in tried]


def test_what_breaks_against_the_past_is_told(done):
    rows = done["choice"].describe["rows"]
    for row in rows.values():
        broken, mended = [], []
        for seed, name in enumerate(row["stages"]):
            old, new = (
                read_predictions(done[one].folder / "predictions" / "test.parquet")
                for one in (f"history_seed{seed}", name)
            )
            broken.append(((old.prediction == old.label) & (new.prediction != new.label)).mean())
            mended.append(((old.prediction != old.label) & (new.prediction == new.label)).mean())
        assert row["nfr"] == pytest.approx(np.mean(broken))
        assert row["pfr"] == pytest.approx(np.mean(mended))
    (row,) = [one for one in rows.values() if "note" in one]
    assert f"breaks {row['nfr']:.1%} that the network of the past has right, and mends {row['pfr']:.1%}" in row["note"]


def test_without_a_network_of_the_past_nothing_is_said_of_it(world):
    done = world.run("adapt", "run", history=PAST, strategies=("erm_final",), seeds=1)
    (row,) = done["choice"].describe["rows"].values()
    assert "nfr" not in row
    assert "breaks" not in row["note"]


def test_reporting_images_choose_nothing(world):
    """With every reporting label changed, the same stages and the same choice."""
    given = world.given()
    test = given.data.splits["test"]
    labels = (test.labels + 1) % len(test.classes)
    other = {**given.data.splits, "test": type(test)(**{**vars(test), "labels": labels})}
    found = [
        world.run("adapt", place, given=one, history=PAST, strategies=("erm_final", "erm_all"), seeds=1)
        for place, one in (("first", given), ("second", world.changed(given, splits=other)))
    ]
    first, second = (one["choice"].describe for one in found)
    assert first["chosen"] == second["chosen"]
    assert first["rows"]["strategy/erm_all"]["selection"] == second["rows"]["strategy/erm_all"]["selection"]
    assert first["rows"]["strategy/erm_all"]["value"] != second["rows"]["strategy/erm_all"]["value"]


def test_one_seed_tells_nothing_apart(world):
    done = world.run("adapt", "run", history=PAST, strategies=("erm_final", "erm_all"), seeds=1)
    notes = [row["note"] for row in done["choice"].describe["rows"].values() if "note" in row]
    assert "One seed does not tell them apart" in notes[0]


def test_the_method_is_in_the_table():
    assert METHODS["adapt"].flags == {"history": "method.history"}
