"""Scores over a plane: against weights set by hand, with statistics anew, and the model left as it was."""

import copy

import numpy as np
import pytest
import torch
from torch import nn

from modelheir.models.blends import recalibrate, score_plane
from modelheir.types import Batch


def net():
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4), nn.Linear(4, 2))


def directions(model, names):
    torch.manual_seed(1)
    held = dict(model.named_parameters())
    return {name: torch.randn(2, *held[name].shape) for name in names}, {name: held[name].detach() for name in names}


IMAGES = torch.randn(20, 3, generator=torch.Generator().manual_seed(2))


def score(model):
    assert not model.training
    with torch.no_grad():
        return float(model(IMAGES).square().mean())


@pytest.mark.parametrize("anew", [False, True])
def test_each_place_is_the_model_of_its_weights(anew):
    model = net()
    rows, origin = directions(model, ["0.weight", "2.bias"])
    x, y = [-1.0, 0.5], [0.0, 1.0, 2.0]
    batches = (lambda: [Batch(IMAGES, torch.zeros(20).long(), torch.arange(20))]) if anew else None
    before = {key: value.clone() for key, value in model.state_dict().items()}
    found = score_plane(model, rows, origin, score, x=x, y=y, batches=batches)
    assert found.shape == (3, 2)
    for i, b in enumerate(y):
        for j, a in enumerate(x):
            own = copy.deepcopy(model).eval()
            with torch.no_grad():
                for name in rows:
                    own.get_parameter(name).copy_(origin[name] + a * rows[name][0] + b * rows[name][1])
                if anew:
                    recalibrate(own, batches())
            assert found[i, j] == pytest.approx(score(own), rel=1e-6)
    assert all(torch.equal(value, before[key]) for key, value in model.state_dict().items())
    assert model.training


def test_what_is_not_finite_becomes_nan():
    model = net()
    rows, origin = directions(model, ["2.bias"])
    scores = iter([1.0, float("inf"), float("nan"), 2.0])
    found = score_plane(model, rows, origin, lambda _: next(scores), x=[0.0, 1.0], y=[0.0, 1.0])
    np.testing.assert_array_equal(np.isnan(found), [[False, True], [True, False]])


def test_directions_of_another_network_are_refused():
    model = net()
    rows, origin = directions(model, ["2.bias"])
    with pytest.raises(ValueError, match=r"directions of '9\.bias' do not fit"):
        score_plane(model, {"9.bias": rows["2.bias"]}, origin, score, x=[0.0], y=[0.0])
    with pytest.raises(ValueError, match=r"directions of '2\.bias' do not fit"):
        score_plane(model, {"2.bias": rows["2.bias"][:1]}, origin, score, x=[0.0], y=[0.0])
