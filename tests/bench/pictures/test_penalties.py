"""What strengths came to, against the stage's own record and its kept weights."""

import dataclasses
import math

import pytest

from modelheir.bench.pictures.members import Member
from modelheir.bench.pictures.penalties import accuracy_lines, change_lines, decay_lines, levels
from modelheir.checks import InputError
from modelheir.runs.tensors import load_weights


def test_accuracy_is_the_mean_over_seeds_at_each_strength(members):
    grids = [one.stage(f"joint_model_steps_seed{one.number}").describe["grid"]["members"] for one in members]
    (line,) = accuracy_lines(members)
    expected = [sum(grid[k]["selection"] for grid in grids) / 2 for k in (0, 1)]
    assert [strength for strength, _ in line.points] == [0.0, 10.0]
    assert [value for _, value in line.points] == pytest.approx(expected)


def test_change_is_that_of_the_weights(members):
    """Of the strength that is kept, whose weights are there: all parameters of consecutive copies, by hand."""
    member = members[0]
    stage = f"joint_model_steps_seed{member.number}"
    grid = member.stage(stage).describe["grid"]
    kept = grid["members"][grid["chosen"]]["setting"]["adjacent_weight"]
    held = load_weights(member.folder.stage_named(stage).weights)
    total = 0.0
    for key, value in held.items():
        head, _, name = key.partition("copies.")
        layer, _, rest = name.partition(".")
        number, _, tensor = rest.partition(".")
        if not name or "running" in tensor or "num_batches" in tensor or int(number) == 2:
            continue
        after = held[f"{head}copies.{layer}.{int(number) + 1}.{tensor}"]
        total += float((after.double() - value.double()).square().sum())
    lines = {line.name: dict(line.points) for line in change_lines([member])}
    assert list(lines) == ["conv1", "layer1", "fc", "entire model"]
    assert lines["entire model"][kept] == pytest.approx(math.sqrt(total), rel=1e-5)
    assert lines["entire model"][10.0] < lines["entire model"][0.0]


def test_levels_are_of_what_was_tried(members):
    (name, value), *rest = levels(members).items()
    assert name == "erm_final"
    assert rest == []
    assert value == pytest.approx(
        sum(one.stage(f"erm_final_seed{one.number}").metrics["val/accuracy"] for one in members) / 2
    )


def test_a_decay_counts_with_its_best_strength_between_steps(members, monkeypatch):
    tried = [(0.1, 0.01, 0.4), (1.0, 0.01, 0.7), (0.1, 0.0, 0.9), (1.0, 0.0, 0.2), (1.0, 1.0, None)]
    rows = [{"setting": {"adjacent_weight": a, "efficient_decay": d}, "selection": s} for a, d, s in tried]
    end = dataclasses.replace(members[0].stage(members[0].ends["joint_model"]), describe={"grid": {"members": rows}})
    assert decay_lines(members) == []
    for one in members:
        monkeypatch.setitem(one.ends, "joint_low_rank_adapt", "decayed")
    monkeypatch.setattr(Member, "stage", lambda self, name: end)
    (line,) = decay_lines(members)
    assert (line.name, list(line.points)) == ("joint_low_rank_adapt", [(0.0, 0.9), (0.01, 0.7)])
    for row in rows:
        del row["setting"]["efficient_decay"]
    assert decay_lines(members) == []


def test_one_strength_is_no_line(members, oracle, monkeypatch):
    with pytest.raises(InputError, match="did not try joint_model"):
        accuracy_lines([oracle])
    monkeypatch.setitem(members[0].ends, "joint_model", members[0].ends["erm_final"])
    with pytest.raises(InputError, match=r"fewer than two strengths .* more of --method\.joint\.adjacent_weights"):
        accuracy_lines(members)
