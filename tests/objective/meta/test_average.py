import copy

import pytest
import torch
from torch import nn

from modelheir.objective.meta import AverageWeights


@pytest.fixture
def modules(draw):
    torch.manual_seed(0)
    return {"a": nn.Sequential(nn.Linear(2, 3), nn.BatchNorm1d(3)), "a/b": nn.Linear(2, 2)}


def move(modules, draw):
    with torch.no_grad():
        for module in modules.values():
            for parameter in module.parameters():
                parameter += draw(*parameter.shape)
    modules["a"](draw(5, 2))


def test_it_follows_weights_and_statistics_and_copies_counts(modules, draw):
    average, expected = AverageWeights(modules, decay=0.8), None
    for number in range(4):
        now = {k: v.clone() for k, v in modules["a"].state_dict().items()}
        if expected is None:
            expected = now
        else:
            expected = {k: 0.8 * v + 0.2 * now[k] if v.is_floating_point() else now[k] for k, v in expected.items()}
        average.follow()
        for key, value in average.of("a").items():
            torch.testing.assert_close(value, expected[key])
        move(modules, draw)
        assert average.of("a")["1.num_batches_tracked"] == number


def test_the_modules_are_never_changed_and_names_do_not_mix(modules, draw):
    before = copy.deepcopy(modules["a"].state_dict())
    average = AverageWeights(modules, decay=0.5)
    average.follow()
    average.follow()
    assert set(average.of("a/b")) == {"weight", "bias"}
    assert all(torch.equal(value, before[key]) for key, value in modules["a"].state_dict().items())
    assert not any(value.requires_grad for value in average.of("a").values())


def test_it_begins_at_its_first_call_and_not_when_it_is_made(modules, draw):
    average = AverageWeights(modules, decay=0.5)
    assert average.state_dict() == {}
    move(modules, draw)
    assert torch.equal(average.of("a")["0.weight"], modules["a"][0].weight)


def test_state_round_trip_goes_on_the_same(modules, draw):
    a, b = (AverageWeights(modules, decay=0.5) for _ in range(2))
    a.follow()
    move(modules, draw)
    b.load_state_dict({k: v.clone() for k, v in a.state_dict().items()})
    for one in (a, b):
        one.follow()
    assert all(torch.equal(value, b.of("a")[key]) for key, value in a.of("a").items())
    assert not torch.equal(a.of("a")["0.weight"], modules["a"][0].weight)


def test_says_what_is_wrong(modules):
    with pytest.raises(ValueError, match="decay must be from 0 to 1"):
        AverageWeights(modules, decay=2)
