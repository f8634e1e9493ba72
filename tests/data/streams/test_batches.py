"""What a batch costs on its way to the device; what is in it stands in the tests of the loaders."""

import dataclasses

import numpy as np
import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode

from modelheir.data.streams.images import make_stream
from modelheir.data.streams.vectors import vector_stream
from modelheir.data.vectors import VectorSet


class Copies(TorchDispatchMode):
    """Count what crosses between the host and the device: "meta", which holds no values, so that reading one fails."""

    def __init__(self):
        super().__init__()
        self.count = 0

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        out = function(*args, **(kwargs or {}))
        name = str(function)
        if "copy" in name and isinstance(out, torch.Tensor):
            places = {one.device.type for one in (*args, out) if isinstance(one, torch.Tensor)}
            self.count += len(places) > 1
        return out


@pytest.fixture
def copies(monkeypatch):
    counted, make = Copies(), torch.tensor

    def tensor(*args, **settings):  # a list that becomes a tensor of the device is a copy that is not dispatched
        counted.count += torch.device(settings.get("device") or "cpu").type != "cpu"
        return make(*args, **settings)

    monkeypatch.setattr(torch, "tensor", tensor)
    with counted:
        yield counted


@pytest.mark.parametrize("loader", ["resident", "streaming"])
@pytest.mark.parametrize("kind", ["none", "crop_flip", "random_resized_crop", "randaugment", "autoaugment"])
def test_what_a_batch_needs_travels_in_one_copy_beside_its_pixels(make_images, config, copies, loader, kind):
    settings = dataclasses.replace(config, augment=kind, erase=0.3, mixup=0.8, loader=loader, policy_magnitude=9)
    stream = make_stream(make_images(n=64), config=settings, batch_size=32, train=True, seed=0, device="meta")
    copies.count = 0
    batches = iter(stream.epoch(0))
    assert next(batches).inputs.device.type == "meta"
    assert (
        copies.count == 2
    )  # resident: the rows of the epoch and this batch's choices; streaming: the pixels and those
    next(batches)
    assert copies.count == (3 if loader == "resident" else 4)


def test_a_batch_of_several_views_of_vectors_is_one_copy(copies):
    views = tuple(np.ones((8, width), dtype=np.float16) for width in (2, 3))
    rows = np.stack([np.arange(8)] * 2, axis=1)
    vectors = VectorSet("v", ("x",), np.arange(8).astype(str), np.zeros(8, dtype=np.int64), views, rows)
    stream = vector_stream(vectors, batch_size=4, train=True, seed=0, device="meta")
    copies.count = 0
    batches = [batch.inputs for batch in stream.epoch(0)]
    assert [[part.shape for part in views] for views in batches] == [[(4, 2), (4, 3)]] * 2
    assert copies.count == 3  # the rows of the epoch, then each batch


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
@pytest.mark.parametrize("kind", ["crop_flip", "random_resized_crop", "randaugment", "autoaugment"])
def test_on_cuda_a_batch_is_made_without_a_look_at_the_device(make_images, config, kind):
    settings = dataclasses.replace(config, augment=kind, erase=0.5, mixup=0.5, loader="resident")
    stream = make_stream(make_images(n=64), config=settings, batch_size=16, train=True, seed=0, device="cuda")
    batches = stream.epoch(0)
    next(batches)
    torch.cuda.set_sync_debug_mode("error")
    try:
        assert next(batches).inputs.is_cuda
    finally:
        torch.cuda.set_sync_debug_mode("default")
