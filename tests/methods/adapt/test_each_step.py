"""Every step's reporting images: the table, its measures and the flips, against loops over the prediction files."""

import math

import numpy as np
import pytest

from modelheir.data import History
from modelheir.methods.adapt.each_step import said_of_steps
from modelheir.runs.predictions import read_predictions

PAST = ("synthetic:n=60,classes=3,size=8,seed=8", "synthetic:n=60,classes=3,size=8,seed=9")
CHAINS = {
    "erm_all": [None, None, "erm_all"],
    "erm_fine_tune": [None, "history", "erm_fine_tune"],
    "wise_ft": [None, "history", "wise_ft"],
    "sequential_fine_tune": ["step_1", "step_2", "step_3"],
    "sequential_average": ["step_1", "step_2", "sequential_average"],
}


@pytest.fixture(scope="module")
def done(shared_world):
    return shared_world.run("adapt", "run", history=PAST, strategies=tuple(CHAINS), seeds=2, rates=(1.0,))


@pytest.fixture(scope="module")
def rows(done):
    return done["choice"].describe["rows"]


def right(done, stage, step):
    """Return id -> whether a stage's model is right, of the reporting images of a step from 0."""
    name = "test" if step == 2 else "test_earlier"
    found = read_predictions(done[stage].folder / "predictions" / f"{name}.parquet")
    answers = zip(found.sample_id, found.prediction == found.label, strict=True)
    return {str(key): bool(good) for key, good in answers if step == 2 or str(key).startswith(f"step{step + 1}/")}


def tables(done, chain):
    found = []
    for seed in (0, 1):
        table = np.full((3, 3), np.nan)
        for row, stage in enumerate(chain):
            for column in range(3) if stage else ():
                table[row, column] = np.mean(list(right(done, f"{stage}_seed{seed}", column).values()))
        found.append(table)
    return found


@pytest.mark.parametrize("name", CHAINS)
def test_the_table_has_each_model_of_a_strategy_and_each_step(done, rows, name):
    found = rows[f"strategy/{name}"]["steps"]
    expected = np.mean(tables(done, CHAINS[name]), axis=0)
    np.testing.assert_allclose(np.array(found["accuracy"], dtype=float), expected)
    assert found["accuracy"][2][2] == pytest.approx(rows[f"strategy/{name}"]["value"])
    assert found["images"] == [len(right(done, "choice", step)) for step in range(3)]
    assert len(found["names"]) == 3


def test_measures_over_time_are_those_of_a_sequence(done, rows):
    """Accuracy by lead, drop, area, horizon, worst step, transfer and forgetting, each written out."""
    found, each = rows["strategy/sequential_fine_tune"]["steps"], tables(done, CHAINS["sequential_fine_tune"])

    def measures(t):
        lead = [(t[0, 0] + t[1, 1] + t[2, 2]) / 3, (t[0, 1] + t[1, 2]) / 2, t[0, 2]]
        held = [lead[1] >= lead[0] - 0.05 - 1e-12, lead[2] >= lead[0] - 0.05 - 1e-12]
        return lead, {
            "mean_drop_per_step": (t[0, 0] - t[0, 1] + t[0, 1] - t[0, 2] + t[1, 1] - t[1, 2]) / 3,
            "stability": ((lead[0] + lead[1]) / 2 + (lead[1] + lead[2]) / 2) / 2 / lead[0],
            "drift_horizon": 0 if not held[0] else 1 + held[1],
            "worst_step": min(t[2]),
            "backward_transfer": (t[2, 0] - t[0, 0] + t[2, 1] - t[1, 1]) / 2,
            "forgetting": (max(t[0, 0], t[1, 0]) - t[2, 0] + max(t[0, 1], t[1, 1]) - t[2, 1]) / 2,
        }

    pairs = [measures(table) for table in each]
    np.testing.assert_allclose(found["by_lead"], np.mean([lead for lead, _ in pairs], axis=0))
    for key in pairs[0][1]:
        values = [one[key] for _, one in pairs]
        assert found[key] == pytest.approx(np.mean(values)), key
        low, high = found[f"{key}_interval"]
        assert low <= found[key] <= high


@pytest.mark.parametrize("name", ["sequential_fine_tune", "erm_fine_tune"])
def test_every_model_is_held_against_the_one_before(done, rows, name):
    found = rows[f"strategy/{name}"]["steps"]["updates"]
    chain = CHAINS[name]
    steps = [step for step in (1, 2) if chain[step - 1]]
    assert [one["step"] for one in found] == steps
    for one in found:
        step, broken, mended = one["step"], [], []
        for seed in (0, 1):
            old, new = (right(done, f"{chain[row]}_seed{seed}", step) for row in (step - 1, step))
            broken.append(np.mean([old[key] and not new[key] for key in old]))
            mended.append(np.mean([new[key] and not old[key] for key in old]))
        assert one["nfr"] == pytest.approx(np.mean(broken))
        assert one["pfr"] == pytest.approx(np.mean(mended))


def test_what_cannot_be_measured_is_left_out(rows):
    found = rows["strategy/erm_all"]["steps"]
    assert found["updates"] == []
    assert found["accuracy"][0] == [None] * 3
    assert not {"mean_drop_per_step", "stability", "drift_horizon", "backward_transfer"} & set(found)
    assert "worst_step" in found


def test_the_verdict_tells_of_every_step(rows):
    (row,) = [one for one in rows.values() if "note" in one]
    shown = ", ".join(f"{one:.1%}" for one in row["steps"]["accuracy"][2])
    assert f"Right on the reporting images of each step, the oldest first: {shown}." in row["note"]
    said = said_of_steps(rows["strategy/sequential_fine_tune"]["steps"])
    assert said.count("\n") == 3
    assert "points for" in said
    assert said_of_steps({}) == ""


def test_without_earlier_reporting_images_nothing_is_said_of_steps(world, monkeypatch):
    from modelheir.methods.adapt import adapt

    plain = adapt.steps_of_sources

    def bare(*args, **settings):
        found = plain(*args, **settings)
        steps = [{key: one for key, one in step.items() if key != "test"} for step in found.steps[:-1]]
        return History(found.name, (*steps, found.newest), found.names)

    monkeypatch.setattr(adapt, "steps_of_sources", bare)
    done = world.run("adapt", "run", history=PAST, strategies=("erm_final",), seeds=1)
    (row,) = done["choice"].describe["rows"].values()
    assert "steps" not in row
    assert "test_earlier/accuracy" not in done["erm_final"].metrics
    assert math.isfinite(row["value"])
