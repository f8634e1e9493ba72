"""Distances between the copies of consecutive steps."""

import numpy as np
import pytest
import torch

from modelheir.models.over_time import distances, tied_layers


def by_hand(model, before, after, name, power, fisher=None):
    old, new = (model.held(name)[number] for number in (before, after))
    return sum(
        float((abs(b.detach().numpy() - a.detach().numpy()) ** power * (1 if fisher is None else fisher(key))).sum())
        for (key, a), b in zip(old.named_parameters(), new.parameters(), strict=True)
    )


@pytest.mark.parametrize(("kind", "power"), [("l1", 1), ("l2", 2)])
def test_sums_over_all_parameters_of_layers_that_change(kind, power, over_time):
    model = over_time(separate="layer1:fc,layer1")
    found = distances(model, kind)
    assert list(found) == [(1, "layer1"), (2, "layer1"), (2, "fc")]
    for (step, name), value in found.items():
        before, after = (model.routes[one][model.names.index(name)] for one in (step - 1, step))
        assert after == before + 1
        assert value.item() == pytest.approx(by_hand(model, before, after, name, power), rel=1e-4)
    norms = sum(p.numel() for p in model.held("layer1")[0][1].parameters())
    assert norms == 2 * 512  # batch normalisation is among them


def test_fisher_weights(over_time):
    model = over_time(steps=2)
    names = [key for key, _ in model.named_parameters()]
    fisher = {key: torch.full_like(model.get_parameter(key), float(len(key))) for key in names if ".0." in key}
    found = distances(model, "l2_fisher", fisher=fisher)
    for (_, name), value in found.items():
        weigh = lambda key, name=name: float(len(f"copies.{name}.0.{key}"))  # noqa: E731
        assert value.item() == pytest.approx(by_hand(model, 0, 1, name, 2, weigh), rel=1e-4)
    ones = {key: torch.ones_like(value) for key, value in fisher.items()}
    plain = distances(model)
    for key, value in distances(model, "l2_fisher", fisher=ones).items():
        assert value.item() == pytest.approx(plain[key].item(), rel=1e-6)
    fisher.pop("copies.fc.0.head.bias")
    with pytest.raises(ValueError, match=r"parameter copies.fc.0.head.bias has no Fisher information"):
        distances(model, "l2_fisher", fisher=fisher)


def test_gradients_pull_both_copies_and_not_a_frozen_one(over_time):
    model = over_time(steps=2)
    sum(distances(model).values()).backward()
    for name in model.names:
        for one, two in zip(*(model.held(name)[number].parameters() for number in (0, 1)), strict=True):
            torch.testing.assert_close(two.grad, 2 * (two - one).detach())
            torch.testing.assert_close(one.grad, -two.grad)
    model = over_time(steps=2)
    model.freeze_before(1)
    sum(distances(model).values()).backward()
    assert all(p.grad is None for name in model.names for p in model.held(name)[0].parameters())
    assert all(p.grad is not None for name in model.names for p in model.held(name)[1].parameters())


@pytest.mark.parametrize("mode", [{"mode": "side_tune"}, {"mode": "low_rank_adapt", "adapter_rank": 2}])
def test_side_modules_and_adapters_have_none(mode, over_time):
    assert list(distances(over_time(steps=2, **mode))) == [(1, "conv1"), (1, "fc")]
    assert distances(over_time(steps=2, all_layers_efficient=True, **mode)) == {}


def test_equal_copies_and_half_precision(over_time):
    model = over_time(steps=2)
    model.start_from_previous(1)
    assert [value.item() for value in distances(model).values()] == [0.0] * 3
    with torch.no_grad():
        model.held("fc")[1].head.weight.add_(300)
    value = distances(model.half(), "l2")[1, "fc"]
    assert value.dtype == torch.float32
    assert np.isfinite(value.item())


def test_mistakes(over_time):
    model = over_time(steps=2)
    with pytest.raises(ValueError, match="Did you mean 'l2'"):
        distances(model, "l22")
    for kind, fisher in (("l2_fisher", None), ("l2", {})):
        with pytest.raises(ValueError, match="fisher belongs to kind 'l2_fisher' and to no other"):
            distances(model, kind, fisher=fisher)


def test_layers_between_whose_copies_there_are_distances(over_time):
    for config in ({"separate": "layer1:fc,layer1"}, {"mode": "side_tune"}, {"separate": "none"}):
        model = over_time(**config)
        assert set(tied_layers(model)) == {name for _, name in distances(model)}
    assert tied_layers(over_time(mode="side_tune")) == ("conv1", "fc")
