"""Distances: each one trains, and what it needs of the old model is missed in words."""

import dataclasses
import types

import pytest
import torch

from modelheir import losses
from modelheir.checks import InputError
from modelheir.config.inputs import InputConfig
from modelheir.losses import logit_difference, neighbourhood_alignment
from modelheir.objective.distances import DISTANCES, LOSSES, DistanceConfig, LossesConfig, make_distance, make_loss
from modelheir.objective.distances.update_settings import LogitDifference, RandomProjection, Renyi
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


#: other values than the defaults, of every setting of every distance
OTHER = {
    "kl_distillation": {"temperature": 2.0, "scale_by_square": False},
    "logit_matching": {"reduction": "half_sum"},
    "logit_difference": {
        **{"margin": 0.1, "power": 3.0, "top_k": 2, "rank_by": "old", "exclude_label": False, "one_sided": True},
        **{"label_weight": 0.7, "relative": True, "p_norm": True},
    },
    "neighbourhood_alignment": {"temperature": 0.5, "top_k": 2, "supervised": True, "order": "in"},
    "renyi": {"alpha": 3.0, "reorder": True},
    "retentive_cross_entropy": {"two_heads": True},
    "random_projection": {"width": 3, "new_projection": "frozen", "normalize": True, "bias": True},
    "contrastive_feature_alignment": {"margin": 0.7},
}


class Alone:
    """A step of one process."""

    gather = None


@pytest.mark.parametrize("name", DISTANCES)
def test_settings_reach_the_function_of_that_name(draw, name):
    """Each setting alone, and all together, give what the loss itself gives with them."""
    row, given = DISTANCES[name], OTHER.get(name, {})
    assert set(given) == ({field.name for field in dataclasses.fields(row.settings)} if row.settings else set())
    new, old = (Outputs(draw(8, 5), draw(8, 4)) for _ in range(2))
    labels = torch.tensor([0, 1, 2, 3, 4, 0, 1, 2])
    usual = {} if row.settings is None else vars(row.settings())
    for changed in ({}, *({key: value} for key, value in given.items()), given):
        settings = {**usual, **changed}
        config = DistanceConfig(loss=name, **({name: row.settings(**settings)} if row.settings else {}))
        distance, modules = make_distance(config, classes=5, new_features=4, old_features=4, seed=3)
        pair = (getattr(new, row.reads), getattr(old, row.reads))
        if row.module:
            module = getattr(losses, row.module)(4, 4, seed=3, **settings)
            expected = module.per_image(*pair)
            assert [key for key, _ in modules[name].named_parameters()] == [key for key, _ in module.named_parameters()]
        else:
            assert not modules
            expected = getattr(losses, name)(*pair, *((labels,) if row.labels else ()), **settings)
        torch.testing.assert_close(distance(new, old, labels, Alone()), expected)


def test_features_of_stored_outputs_are_missed_in_words(world):
    given = world.given(inputs=InputConfig(augment="none"))
    stored = given.old.predict(given.old.models[0], given.data.stream("train", train=False))
    write_predictions(world.tmp_path / "old.parquet", stored)
    stored_given = world.changed(given, old=(str(world.tmp_path / "old.parquet"),))
    with pytest.raises(InputError, match="compares features"):
        world.run("upgrade", "x", given=stored_given, distance__loss="neighbourhood_alignment")


def test_two_distances_mix():
    config = DistanceConfig(loss="logit_difference", mix_with="neighbourhood_alignment", mix_share=0.3)
    distance, modules = make_distance(config, classes=3, new_features=3, old_features=3, seed=0)
    new, old = (Outputs(*torch.randn(2, 5, 3, generator=torch.Generator().manual_seed(seed))) for seed in (0, 1))
    labels = torch.tensor([0, 1, 2, 0, 1])

    ldi = logit_difference(new.logits, old.logits, labels)
    near = neighbourhood_alignment(new.features, old.features, labels)
    torch.testing.assert_close(distance(new, old, labels, Alone()), 0.3 * ldi + 0.7 * near)
    assert modules == {}


def test_what_a_random_projection_learns_is_trained(world):
    done = world.run("upgrade", "x", distance__loss="random_projection", distance__random_projection__bias=True)
    trained = done["train"].weights("random_projection")
    width = world.given().model.build().feature_size
    begun = losses.RandomProjectionLoss(width, width, width=128, bias=True, seed=world.given().model.seed).state_dict()
    assert {key for key, value in begun.items() if not torch.equal(value, trained[key])} == {"new_weight", "new_bias"}


@pytest.mark.parametrize("name", [name for name, row in DISTANCES.items() if row.gathers])
def test_what_compares_images_with_those_of_all_processes_gathers_them(draw, name):
    class Two:
        @staticmethod
        def gather(values):
            return torch.cat([values, values.flip(0)])

    distance, _ = make_distance(DistanceConfig(loss=name), classes=5, new_features=4, old_features=4, seed=0)
    new, old = (Outputs(draw(8, 5), draw(8, 4)) for _ in range(2))
    alone, together = (distance(new, old, torch.arange(8), step()) for step in (Alone, Two))
    assert not torch.equal(alone, together)


@pytest.mark.parametrize(("name", "row"), DISTANCES.items())
def test_without_features_of_the_old_model_the_distances_of_features_are_refused(name, row):
    for width in (0, 1):
        if row.reads == "features" and width == 0:
            with pytest.raises(InputError, match=f"method.distance.loss = '{name}' compares features"):
                make_distance(DistanceConfig(loss=name), classes=4, new_features=4, old_features=width, seed=0)
        else:
            assert make_distance(DistanceConfig(loss=name), classes=4, new_features=4, old_features=width, seed=0)


NARROW = {"logits": 5, "features": 6, "maps": (6, 4, 4), "layers": [(3, 8, 8), (6, 4, 4)]}
WIDE = {"logits": 5, "features": 9, "maps": (9, 4, 4), "layers": [(4, 8, 8), (9, 4, 4)]}


def seen(shape):
    """What a model gives for eight images."""
    if isinstance(shape, list):
        return [seen(one) for one in shape]
    return torch.rand(8, *(shape if isinstance(shape, tuple) else (shape,)))


@pytest.mark.parametrize("name", LOSSES)
@pytest.mark.parametrize(("new", "old", "refuse"), [(NARROW, WIDE, "narrow"), (WIDE, NARROW, "wide"), (WIDE, WIDE, "")])
def test_networks_of_other_widths_are_compared_or_refused_before_any_image(name, new, old, refuse):
    """What was made takes batches of these shapes; what cannot be made names the loss, both widths and a way out."""
    reads, config = LOSSES[name].reads, LossesConfig(losses=(name,))
    refused = {"narrow": ["feature_alignment", "contrastive_feature_alignment", "feature_distance"]}
    if name in refused.get(refuse, ["feature_distance"] if refuse else []):
        with pytest.raises(
            InputError, match=rf"^method.losses = '{name}': .*\b{'6' if refuse == 'narrow' else '9'}\b.*take "
        ):
            make_loss(name, config, new[reads], old[reads], seed=0, setting="method.losses")
        return
    loss, module = make_loss(name, config, new[reads], old[reads], seed=0, setting="method.losses")
    assert module is None or module.training
    step = types.SimpleNamespace(gather=None, device_generator=torch.Generator())
    assert loss(seen(new[reads]), seen(old[reads]), torch.arange(8) % 5, step).shape == (8,)


@pytest.mark.parametrize(
    ("name", "group", "text"),
    [
        ("logit_difference", LogitDifference(top_k=6), "top_k must be from 1 to 5, got 6"),
        ("renyi", Renyi(alpha=1.0), "alpha must not be 1: use kl_distillation"),
        (
            "random_projection",
            RandomProjection(new_projection="shared"),
            "equal feature widths, got 6 and 9: take lear",
        ),
    ],
)
def test_a_setting_that_does_not_fit_these_networks_is_refused_when_the_loss_is_made(name, group, text):
    for key, other in (("loss", {"loss": name}), ("mix_with", {"mix_with": name})):
        config = DistanceConfig(**other, **{name: group})
        with pytest.raises(InputError, match=rf"^method.distance.{key} = '{name}': .*{text}"):
            make_distance(config, classes=5, new_features=6, old_features=9, seed=0)


@pytest.mark.parametrize("name", [name for name, row in LOSSES.items() if row.module])
def test_weights_and_statistics_of_a_loss_are_those_that_it_was_drawn_with(name):
    """The blank images leave nothing behind."""
    reads = LOSSES[name].reads
    config = LossesConfig(losses=(name,))
    given = dict(vars(getattr(config, name))) if LOSSES[name].settings else {}
    drawn = getattr(losses, LOSSES[name].module)(WIDE[reads], NARROW[reads], seed=1, **given).state_dict()
    _, module = make_loss(name, config, WIDE[reads], NARROW[reads], seed=1, setting="losses")
    torch.testing.assert_close(dict(module.state_dict()), dict(drawn), rtol=0, atol=0)
