"""Groups of settings are rows of the table, begin as their losses do, and each setting reaches its loss."""

import dataclasses
import inspect

import pytest
import torch

from modelheir import losses
from modelheir.checks import InputError, validate
from modelheir.config.mapping import from_mapping
from modelheir.objective.distances import LOSSES, LossesConfig, make_loss
from modelheir.objective.distances.feature_settings import FeatureSettings, Relational

#: rows of losses that read features, maps or layers, and are not distances of updates -> settings and other values
OTHER = {
    "relational": {"distance_weight": 2.0, "angle_weight": 3.0},
    "probabilistic_transfer": {},
    "similarity_preserving": {},
    "correlation_congruence": {"gamma": 0.7, "order": 3},
    "contrastive_representation": {"width": 5, "temperature": 0.5},
    "feature_distance": {"distance": "l1"},
    "hint": {},
    "masked_generative": {"mask_share": 0.6, "scale": 2.0},
    "projector_ensemble": {"projectors": 2, "pooling": "flatten"},
    "attention_transfer": {"power": 3.0},
    "neuron_selectivity": {},
    "variational_information": {"first_variance": 2.0},
    "attention_feature": {"width": 6},
    "review": {"width": 6},
}

#: stated once more by hand: a changed default would change every run without a word
USUAL = {
    "feature_distance": {"distance": "l2"},
    "relational": {"distance_weight": 1.0, "angle_weight": 1.0},
    "correlation_congruence": {"gamma": 0.4, "order": 2},
    "contrastive_representation": {"width": 128, "temperature": 0.07},
    "masked_generative": {"mask_share": 0.15, "scale": 1.756},
    "projector_ensemble": {"projectors": 3, "pooling": "gap"},
    "attention_transfer": {"power": 2.0},
    "variational_information": {"first_variance": 5.0},
    "attention_feature": {"width": 128},
    "review": {"width": 64},
}

WIDTHS = {"features": 4, "maps": (3, 4, 4), "layers": [(3, 4, 4), (3, 2, 2)]}


class Alone:
    """A step of one process that draws the same in every test."""

    gather = None

    def __init__(self):
        self.device_generator = torch.Generator().manual_seed(5)


def drawn(draw, reads):
    shapes = WIDTHS[reads] if reads == "layers" else [(4,) if reads == "features" else WIDTHS[reads]]
    tensors = [draw(8, *shape) for shape in shapes]
    return tensors if reads == "layers" else tensors[0]


def test_every_group_is_that_of_its_row():
    for group in dataclasses.fields(FeatureSettings):
        assert type(group.default_factory()) is LOSSES[group.name].settings


def test_the_usual_settings_are_stated_once_more():
    assert dataclasses.asdict(FeatureSettings()) == USUAL


def test_every_row_of_features_is_tried_here():
    from modelheir.objective.distances import DISTANCES

    rows = {name for name, row in LOSSES.items() if row.reads != "logits" and name not in DISTANCES}
    assert rows == set(OTHER)
    assert {name for name in rows if LOSSES[name].settings} == set(USUAL)


@pytest.mark.parametrize("name", USUAL)
def test_a_group_begins_as_its_loss_does(name):
    known = inspect.signature(getattr(losses, LOSSES[name].module or name)).parameters
    assert {key: known[key].default for key in USUAL[name]} == USUAL[name]


@pytest.mark.parametrize("name", OTHER)
def test_each_setting_reaches_its_loss_and_changes_it(draw, name):
    row, given = LOSSES[name], OTHER[name]
    assert set(given) == ({field.name for field in dataclasses.fields(row.settings)} if row.settings else set())
    new, old = drawn(draw, row.reads), drawn(draw, row.reads)
    labels, usual = torch.arange(8), USUAL.get(name, {})
    values = []
    for changed in ({}, *({key: value} for key, value in given.items()), given):
        settings = {**usual, **changed}
        config = LossesConfig(losses=(name,), **({name: row.settings(**settings)} if row.settings else {}))
        loss, module = make_loss(name, config, WIDTHS[row.reads], WIDTHS[row.reads], seed=3, setting="losses")
        draws = {"generator": Alone().device_generator} if row.draws else {}
        if row.module:
            same = getattr(losses, row.module)(WIDTHS[row.reads], WIDTHS[row.reads], seed=3, **settings)
            assert module.state_dict().keys() == same.state_dict().keys()
            expected = same.per_image(new, old, **draws)
        else:
            assert module is None
            expected = getattr(losses, name)(new, old, **settings, **draws)
        torch.testing.assert_close(loss(new, old, labels, Alone()), expected)
        values.append(expected.detach())
    assert not any(torch.allclose(values[0], other) for other in values[1 : len(given) + 1])


@pytest.mark.parametrize("name", [name for name in OTHER if LOSSES[name].gathers])
def test_what_compares_images_with_those_of_all_processes_gathers_them(draw, name):
    class Two:
        @staticmethod
        def gather(values):
            return torch.cat([values, 2 * values.flip(0) + 1])

    loss, _ = make_loss(name, LossesConfig(losses=(name,)), 4, 4, seed=0, setting="losses")
    new, old = draw(8, 4), draw(8, 4)
    alone, together = (loss(new, old, torch.arange(8), step) for step in (Alone(), Two()))
    assert alone.shape == together.shape == (8,)
    assert not torch.allclose(alone, together)


def test_the_steps_generator_draws_the_masks(draw):
    loss, _ = make_loss("masked_generative", LossesConfig(), (3, 4, 4), (3, 4, 4), seed=0, setting="losses")
    new, old = draw(8, 3, 4, 4), draw(8, 3, 4, 4)
    torch.manual_seed(0)
    first = loss(new, old, torch.arange(8), Alone())
    torch.manual_seed(1)
    assert torch.equal(first, loss(new, old, torch.arange(8), Alone()))


def test_both_models_learn_from_a_feature_distance(draw):
    new, old = draw(8, 3, 4, 4).requires_grad_(), draw(8, 3, 4, 4).requires_grad_()
    loss, _ = make_loss("feature_distance", LossesConfig(), 4, 4, seed=0, setting="losses", both=True)
    loss(new, old, torch.arange(8), Alone()).sum().backward()
    assert new.grad is not None
    assert old.grad is not None


def test_values_out_of_range_are_missed_with_their_key():
    with pytest.raises(InputError, match=r"masked_generative\.mask_share = 1\.5: must be from 0 to 1"):
        validate(from_mapping(LossesConfig, {"masked_generative": {"mask_share": 1.5}}))
    with pytest.raises(InputError, match="are both 0: give one of them more"):
        Relational(distance_weight=0.0, angle_weight=0.0)
