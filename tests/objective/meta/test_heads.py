import pytest
import torch
from torch import nn

from modelheir.objective.meta import reward_table
from modelheir.objective.meta.heads import added, evaluating, logits_at, logits_of, own, trainable
from modelheir.types import Outputs


def test_a_head_may_return_logits_or_outputs_of_any_precision(draw):
    logits = draw(2, 3)
    assert logits_of(logits) is logits
    assert logits_of(Outputs(logits, logits)) is logits
    assert logits_of(logits.half()).dtype == torch.float32
    assert logits_of(logits.double()).dtype == torch.float64


def test_logits_at_other_weights_are_those_of_a_head_that_has_them(draw):
    torch.manual_seed(0)
    one, other = nn.Linear(3, 2), nn.Linear(3, 2)
    x = draw(4, 3)
    assert torch.equal(logits_at(one, other.state_dict(), x), other(x))
    assert torch.equal(logits_at(one, {"bias": other.bias}, x), x @ one.weight.T + other.bias)


def test_new_leaves_and_dual_numbers_do_not_reach_compiled_code(draw):
    def refuse(graph, inputs):
        raise AssertionError("compiled")

    head = nn.Linear(3, 2)
    head.compile(backend=refuse)
    assert logits_at(head, {}, draw(4, 3)).shape == (4, 2)
    direction = {head.weight: torch.ones(2, 3), head.bias: torch.ones(2)}
    torch.testing.assert_close(reward_table(head, draw(4, 3), direction), torch.zeros(4, 2))  # all logits rise alike
    with pytest.raises(Exception, match="compiled"):
        head(draw(4, 3))
    torch.compiler.reset()


@pytest.mark.parametrize("on", [True, False])
def test_each_part_has_its_mode_again(on):
    net = nn.Sequential(nn.Dropout(), nn.BatchNorm1d(2))
    net[1].eval()

    def failing():
        with evaluating([net], on=on):
            assert [part.training for part in net.modules()] == ([False] * 3 if on else [True, True, False])
            raise KeyError

    with pytest.raises(KeyError):
        failing()
    assert [part.training for part in net.modules()] == [True, True, False]


def test_frozen_parameters_do_not_train():
    net = nn.Linear(2, 2)
    net.bias.requires_grad_(False)
    assert list(trainable(net)) == ["weight"]


def test_gradients_are_added_by_parameter_and_told_apart_by_module():
    a, b = nn.Linear(1, 1, bias=False), nn.Linear(1, 1, bias=False)
    one = torch.ones(1, 1)
    both = added({a.weight: one}, {a.weight: 2 * one, b.weight: 5 * one}, {})
    assert [float(both[p]) for p in (a.weight, b.weight)] == [3, 5]
    assert list(own(both, b)) == [b.weight]
