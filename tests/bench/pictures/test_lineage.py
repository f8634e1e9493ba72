"""Where a strategy's models came from."""

import shutil

import pytest
import torch

from modelheir.bench.pictures.lineage import line_of, model_of, models_of, need_models
from modelheir.bench.pictures.members import read_members
from modelheir.checks import InputError
from modelheir.runs.files import read_json, write_json
from modelheir.runs.tensors import load_weights


@pytest.mark.parametrize(
    ("strategy", "stages", "kind"),
    [
        ("erm_final", ["erm_final"], None),
        ("erm_fine_tune", ["history", "erm_fine_tune"], "history"),
        ("linear_probe_fine_tune", ["history", "linear_probe_fine_tune"], "history"),
        ("dro_fine_tune", ["history_dro", "dro_fine_tune"], "robust"),
        ("sequential_fine_tune", ["step_1", "step_2", "step_3"], "sequential"),
        ("erm_side_tune", ["erm_side_tune_copies"] * 2, "history"),
        ("joint_model", ["joint_model_steps"] * 3, "joint"),
        ("wise_ft", ["wise_ft"], None),
    ],
)
def test_a_strategy_comes_by_these_models(members, strategy, stages, kind):
    for member in members:
        assert [one.stage for one in models_of(member, strategy)] == [f"{name}_seed{member.number}" for name in stages]
    line = line_of(members[1], strategy)
    assert (line and line.kind) == kind


def test_the_ends_of_a_line_have_the_stages_weights(members):
    """Read from the files by hand."""
    line = line_of(members[1], "erm_fine_tune")
    for model, name in ((line.start, "history_seed1"), (line.end, "erm_fine_tune_seed1")):
        held = load_weights(members[1].folder.stage_named(name).weights)
        assert all(torch.equal(value, held[f"model/{key}"]) for key, value in model.state_dict().items())


def test_the_last_model_of_a_network_over_time_is_the_published_one(members):
    for strategy in ("joint_model", "erm_side_tune"):
        line = line_of(members[0], strategy)
        published = model_of(members[0].stage(members[0].ends[strategy]))
        assert all(torch.equal(one, published.state_dict()[key]) for key, one in line.end.state_dict().items())
        assert line.copies
        assert bool(line.added) == (strategy == "erm_side_tune")


@pytest.fixture
def copied(bench, tmp_path):
    """A copy of the cell that may be damaged."""
    shutil.copytree(bench / "cells" / "turned" / "net" / "seed0", tmp_path / "run")
    return read_members([str(tmp_path / "run")])[0][0]


def test_weights_that_are_gone_are_said_before_anything_is_read(copied):
    need_models([copied], [])
    copied.folder.stage_named("history_seed0").weights.unlink()
    need_models([copied], ["joint_model"])
    with pytest.raises(InputError, match=r"history_seed0/weights\.safetensors is gone, and pictures are made of"):
        need_models([copied], ["erm_fine_tune"])


def test_a_run_of_an_earlier_version_is_told_from_one_model_alone(copied):
    place = copied.folder.stage_named("erm_fine_tune_seed0").summary
    found = read_json(place)
    del found["describe"]["steps"], found["describe"]["from"]
    write_json(place, found)
    with pytest.raises(InputError, match="does not say where it began, as it is of an earlier version"):
        models_of(copied, "erm_fine_tune")
