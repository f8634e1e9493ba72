"""Distances: each one trains, and what it needs of the old model is missed in words."""

import dataclasses

import pytest
import torch

from modelheir.checks import InputError
from modelheir.config.inputs import InputConfig
from modelheir.losses import logit_difference, neighbourhood_alignment
from modelheir.objective.distances import DISTANCES, DistanceConfig, make_distance
from modelheir.runs.predictions import write_predictions
from modelheir.types import Outputs


@pytest.mark.parametrize("loss", DISTANCES)
def test_every_distance_trains_and_logs_its_terms(world, rows, loss):
    log = rows()
    done = world.run("upgrade", loss, log=log, distance__loss=loss)
    assert 0 <= done["train"].metrics["test/accuracy"] <= 1
    for row in log:
        assert row["loss"] == pytest.approx(row["loss/task"] + row[f"loss/{loss}"], rel=1e-5)
        assert row[f"effective_lambda/{loss}"] == pytest.approx(1.0)  # weights of mean 1, lambda 1
    plain = world.run("finetune", "plain")
    before, after = (run["train"].weights("model") for run in (plain, done))
    assert any(not torch.equal(before[key], value) for key, value in after.items())


def test_features_of_stored_outputs_are_missed_in_words(world):
    parts = world.parts(inputs=InputConfig(augment="none"))
    stored = parts.predict(parts.old_models()[0], parts.stream("train", train=False))
    write_predictions(world.tmp_path / "old.parquet", stored)
    stored_parts = dataclasses.replace(parts, old=(str(world.tmp_path / "old.parquet"),))
    with pytest.raises(InputError, match="compares features"):
        world.run("upgrade", "x", parts=stored_parts, distance__loss="neighbourhood_alignment")


def test_two_distances_mix():
    config = DistanceConfig(loss="logit_difference", mix_with="neighbourhood_alignment", mix_share=0.3)
    distance, modules = make_distance(config, new_features=3, old_features=3, seed=0)
    new, old = (Outputs(*torch.randn(2, 5, 3, generator=torch.Generator().manual_seed(seed))) for seed in (0, 1))
    labels = torch.tensor([0, 1, 2, 0, 1])

    class Alone:
        gather = None

    ldi = logit_difference(new.logits, old.logits, labels)
    near = neighbourhood_alignment(new.features, old.features, labels)
    torch.testing.assert_close(distance(new, old, labels, Alone()), 0.3 * ldi + 0.7 * near)
    assert modules == {}
