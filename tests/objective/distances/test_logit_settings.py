"""Groups of settings are rows of the table, under the same names, and each setting reaches the loss."""

import dataclasses
import inspect

import pytest
import torch

from modelheir import losses
from modelheir.objective.distances import LossesConfig, make_loss
from modelheir.objective.distances.logit_settings import LogitSettings
from modelheir.objective.distances.table import LOSSES

GROUPS = dataclasses.fields(LogitSettings)
LABELS = torch.tensor([0, 1, 2, 3, 4, 0, -1, 2])

#: other values than the defaults, of every setting
OTHER = {
    "jeffreys": {"act": "sigmoid", "sum_over_classes": True},
    "teacher_cross_entropy": {"temperature": 3.0},
    "decoupled": {"alpha": 2.0, "beta": 8.0, "temperature": 4.0, "target": "teacher"},
    "dist": {"beta": 2.0, "gamma": 3.0, "temperature": 4.0},
    "weighted_soft_labels": {"temperature": 3.0},
    "spherical": {"alpha": 0.5, "multiplier": 3.0, "temperature": 4.0},
    "logit_distance": {"distance": "l1", "act": "softmax"},
}


class Alone:
    """A step of one process."""

    gather = None


def test_every_group_is_that_of_its_row():
    assert len(GROUPS) == 7
    for group in GROUPS:
        assert type(group.default_factory()) is LOSSES[group.name].settings


@pytest.mark.parametrize("group", GROUPS, ids=lambda one: one.name)
def test_settings_and_defaults_are_those_of_the_function(group):
    taken = inspect.signature(getattr(losses, group.name)).parameters.values()
    further = {"gather", "both", "weights"}
    usual = {one.name: one.default for one in taken if one.kind is one.KEYWORD_ONLY and one.name not in further}
    assert dataclasses.asdict(group.default_factory()) == usual


@pytest.mark.parametrize("group", GROUPS, ids=lambda one: one.name)
def test_settings_reach_the_function_of_that_name(draw, group):
    new, old, given = draw(8, 5, scale=2.0), draw(8, 5), OTHER[group.name]
    settings = type(group.default_factory())
    assert set(given) == {field.name for field in dataclasses.fields(settings)}
    labels = (LABELS,) if LOSSES[group.name].labels else ()
    usual = getattr(losses, group.name)(new, old, *labels)
    for changed in (*({key: value} for key, value in given.items()), given):
        config = LossesConfig(losses=(group.name,), **{group.name: settings(**changed)})
        loss, module = make_loss(group.name, config, 5, 5, seed=0, setting="losses")
        value = loss(new, old, LABELS, Alone())
        torch.testing.assert_close(value, getattr(losses, group.name)(new, old, *labels, **changed))
        assert not torch.allclose(value, usual)
        assert module is None


def test_classes_are_correlated_over_all_processes(draw):
    class Two:
        @staticmethod
        def gather(values):
            return torch.cat([values, values.flip(1)])

    loss, _ = make_loss("dist", LossesConfig(), 5, 5, seed=0, setting="losses")
    new, old = draw(8, 5), draw(8, 5)
    assert not torch.allclose(loss(new, old, LABELS, Two()), loss(new, old, LABELS, Alone()))


@pytest.mark.parametrize("name", [name for name, row in LOSSES.items() if row.both and row.reads == "logits"])
def test_both_models_learn_where_that_is_asked(draw, name):
    new, old = (draw(8, 5).requires_grad_() for _ in range(2))
    make_loss(name, LossesConfig(), 5, 5, seed=0, setting="losses", both=True)[0](
        new, old, LABELS, Alone()
    ).sum().backward()
    assert old.grad is not None
    assert old.grad.ne(0).any()


def test_which_losses_of_logits_teach_both_models():
    assert {name for name, row in LOSSES.items() if row.both and row.reads == "logits"} == {
        "kl_distillation",
        "jeffreys",
    }
