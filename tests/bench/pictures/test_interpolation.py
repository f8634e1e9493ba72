"""Lines between two models, held against what the run itself wrote of both."""

import numpy as np
import pyarrow.parquet as pq
import pytest

from modelheir.bench.pictures import interpolation
from modelheir.bench.pictures.interpolation import basin
from modelheir.bench.pictures.lineage import line_of
from modelheir.bench.pictures.worlds import Worlds
from modelheir.engine.progress import SilentProgress


def right(member, stage):
    """The accuracy that the run wrote down of a stage, from its file of predictions."""
    table = pq.read_table(member.folder.stage_named(stage).predictions("test"))
    return np.mean(table["label"].to_numpy() == table["prediction"].to_numpy())


@pytest.fixture(scope="module")
def held(members):
    worlds = Worlds("cpu")
    return [(one, worlds.of(one)) for one in members]


def drawn(held, **settings):
    strategies = ["erm_final", "erm_fine_tune", "sequential_fine_tune", "erm_side_tune", "joint_model"]
    return basin(held, strategies, **{"mode": "fixed", "points": 3, "progress": SilentProgress(), **settings})


def test_both_ends_are_what_the_run_says_of_them(held):
    """As mixed, without new statistics: means over the two seeds of the accuracies in the run's own files."""
    lines, rows = drawn(held)
    assert [(line.name, line.start) for line in lines] == [
        ("erm_fine_tune", "history"), ("sequential_fine_tune", "sequential"), ("erm_side_tune", "history"),
        ("joint_model", "joint"),
    ]  # fmt: skip
    ends = {"erm_fine_tune": "history", "sequential_fine_tune": "step_2", "erm_side_tune": "history"}
    for name, start in ends.items():
        own = [row["accuracy_as_mixed"] for row in rows if row["method"] == name]
        for value, stage in ((own[0], start), (own[-1], name)):
            stage = "step_3" if stage == "sequential_fine_tune" else stage
            expected = np.mean([right(member, f"{stage}_seed{member.number}") for member, _ in held])
            assert value == pytest.approx(expected)
    assert {row["v"] for row in rows} == {0.0, 0.5, 1.0}
    assert all(line.intervals[0] for line in lines if line.points[0][1] not in (0.0,)) or lines


def test_compat_draws_the_accuracy_without_new_statistics(held):
    """And leaves normalisation at the start, so that between the ends other models are scored than by fixed."""
    _, rows = drawn(held, mode="compat")
    assert all(row["accuracy"] == pytest.approx(row["accuracy_as_mixed"]) for row in rows)


def test_the_rule_is_the_modes(held, members):
    line = line_of(members[0], "erm_fine_tune")
    copies = line_of(members[0], "joint_model")
    assert [interpolation._rule("fixed", one) for one in (line, copies)] == ["fixed", "fixed"]
    assert [interpolation._rule("compat", one) for one in (line, copies)] == ["compat", "compat"]
    for one in (line, copies):
        one.end.spec["name"] = "blocks_resnet"
    assert [interpolation._rule("compat", one) for one in (line, copies)] == ["compat_resnet", "compat"]


def test_points_are_as_many_as_asked_for(held):
    lines, _ = drawn(held[:1], points=5)
    assert [v for v, _ in lines[0].points] == [0.0, 0.25, 0.5, 0.75, 1.0]
