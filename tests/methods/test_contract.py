"""One suite over every method in the table."""

import dataclasses
import importlib
import math
import re
import typing
from pathlib import Path

import pytest
import torch

from modelheir.config.describe import settings
from modelheir.config.fit import SnapshotConfig
from modelheir.config.mapping import from_mapping, to_mapping
from modelheir.methods import METHODS
from modelheir.runs.folder import RunFolder
from modelheir.runs.snapshots import trained_names
from modelheir.runs.tensors import load_weights

BUFFERS = re.compile(r"running_(mean|var)|num_batches_tracked")


def steps_and_rows(log):
    return sum(row["steps"] for row in log), len(log)


@pytest.fixture(params=METHODS)
def name(request):
    return request.param


@pytest.fixture
def world(world, name):
    if name == "self_distill":  # its bank of length 1 is full in the third epoch
        world.fit = dataclasses.replace(world.fit, epochs=3)
    return world


def test_terms_are_finite_and_add_up(world, rows, name):
    log = rows()
    world.run(name, "run", log=log, **world.small(name))
    for row in log:
        terms = [value for key, value in row.items() if key.startswith("loss/")]
        assert terms
        assert all(math.isfinite(value) for value in terms)
        assert row["loss"] == pytest.approx(sum(terms), rel=1e-5)


def test_same_seed_same_numbers_and_a_kill_changes_nothing(world, rows, name):
    small, log = world.small(name), rows()
    first = world.run(name, "first", log=log, **small)
    steps, _ = steps_and_rows(log)
    for stop_after in (3, steps // 2):
        with pytest.raises(KeyboardInterrupt):
            world.run(name, "second", stop_after=stop_after, **small)
    second = world.run(name, "second", **small)
    for stage, result in first.items():
        a, b = result.weights("model"), second[stage].weights("model")
        assert all(torch.equal(a[key], b[key]) for key in a), stage
        assert result.metrics == second[stage].metrics


def test_every_training_leaves_the_snapshots_that_are_asked_for(world, rows, name):
    """The start, the end, and which weights moved between them, of every stage that trains anything."""
    world.fit = dataclasses.replace(world.fit, snapshots=SnapshotConfig(every_epochs=1))
    log = rows()
    done = world.run(name, "run", log=log, **world.small(name))
    trained = {row["stage"].partition("/")[0] for row in log}
    assert trained
    if name == "subspace":  # what is made of snapshots keeps none
        trained = {"collect"}
    for stage in trained:
        first, *_, last = (one.path for one in done[stage].snapshots())
        assert first.name == "step_00000000.safetensors"
        before, after, kept = (load_weights(path) for path in (first, last, done[stage].folder / "weights.safetensors"))
        assert before.keys() == after.keys() == kept.keys()
        moving = trained_names(last)
        assert moving
        assert any(not torch.equal(before[key], after[key]) for key in moving)
        still = [key for key in after if key not in moving and not BUFFERS.search(key)]
        assert all(torch.equal(before[key], after[key]) for key in still)


def test_final_weights_are_those_of_a_classifier_that_can_be_built_again(world, name):
    from modelheir.models import from_spec

    done = world.run(name, "run", **world.small(name))
    last = list(done.values())[-1]
    model = from_spec(last.describe["model"])
    model.load_state_dict(last.weights("model"))
    stage = RunFolder(world.tmp_path / "run").stage(len(done) - 1, last.name)
    assert load_weights(stage.weights)
    stream = world.given().data.stream("test", train=False)
    batch = next(stream.epoch(0))
    assert model.eval()(batch.inputs).logits.shape == (len(batch), 3)


def test_config_survives_a_round_trip(name):
    config = METHODS[name].config()
    assert from_mapping(METHODS[name].config, to_mapping(config), where="method") == config


def test_every_setting_is_documented(name):
    assert not [setting.key for setting in settings(METHODS[name].config) if not setting.about]


def test_front_door_is_one_short_file(name):
    module = importlib.import_module(METHODS[name].plan.__module__)
    assert module.__name__.endswith(f".{name}")
    assert METHODS[name] is module.METHOD
    assert len(Path(typing.cast(str, module.__file__)).read_text().splitlines()) <= 200


def test_the_table_counts_its_methods():
    assert len(METHODS) == len(set(METHODS)) == 13
