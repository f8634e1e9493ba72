"""Loss and accuracy over a plane through the mean of snapshots: against models set by hand, one and by one."""

import json

import numpy as np
import pytest
import torch

from modelheir.checks import InputError
from modelheir.config.inputs import InputConfig
from modelheir.data import make_stream, open_splits
from modelheir.inference import Runtime, predict_model, summarise
from modelheir.inference.surface import surface
from modelheir.models import build
from modelheir.subspace import Layout, StackedRows, pca


@pytest.fixture
def held():
    splits = open_splits("synthetic:n=90,classes=3,size=8", InputConfig())
    model = build("convnet", classes=splits["train"].classes, image_size=8)
    stream = make_stream(
        splits["val"], config=InputConfig(image_size=8), batch_size=16, train=False, seed=0, device="cpu"
    )
    names = [name for name, _ in model.named_parameters()]
    own = dict(model.named_parameters())
    layout = Layout(tuple(names), tuple(tuple(own[name].shape) for name in names))
    start = layout.join({name: own[name].detach().numpy() for name in names})
    rng = np.random.default_rng(0)
    rows = start + np.cumsum(0.05 * rng.normal(size=(6, layout.width)), axis=0)
    return model, pca(StackedRows(rows.astype(np.float32), layout), 3), stream


@pytest.mark.parametrize("quantity", ["loss", "accuracy"])
def test_each_value_is_that_of_its_model(quantity, held):
    model, basis, stream = held
    before = {key: value.clone() for key, value in model.state_dict().items()}
    seen = []
    found = surface(model, basis, stream, Runtime("cpu"), x=[-1.0, 2.0], y=[0.0, 1.5, 3.0], quantity=quantity,
                    advance=seen.append)  # fmt: skip
    assert all(torch.equal(value, before[key]) for key, value in model.state_dict().items())
    assert json.loads(json.dumps(found)) == found
    assert seen == [len(stream.ids)] * 6
    for i, b in enumerate(found["y"]):
        for j, a in enumerate(found["x"]):
            row = basis.mean + a * basis.components[0] + b * basis.components[1]
            state = {key: torch.from_numpy(np.array(value)) for key, value in basis.layout.split(row).items()}
            model.load_state_dict(state, strict=False)
            expected = summarise(predict_model(model, stream, Runtime("cpu")))[quantity]
            assert found["value"][i][j] == pytest.approx(expected, rel=1e-5)


def test_one_direction_is_no_plane_and_labels_are_needed(held):
    model, basis, stream = held
    with pytest.raises(InputError, match="a plane needs two directions about a mean, and there is 1"):
        surface(model, basis.part(range(1)), stream, Runtime("cpu"), x=[0.0, 1.0], y=[0.0, 1.0])
    stream.labels[:] = -1
    with pytest.raises(InputError, match="needs labelled images"):
        surface(model, basis, stream, Runtime("cpu"), x=[0.0, 1.0], y=[0.0, 1.0])
