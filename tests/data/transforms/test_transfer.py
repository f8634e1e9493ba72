import numpy as np
import pytest
import torch

from modelheir.data.transforms.transfer import to_device

ARRAYS = {
    "whole": np.arange(7),
    "yes": np.array([True, False, True]),
    "half": np.arange(6, dtype=np.float16).reshape(3, 2),
    "none": np.zeros((0, 3, 2), dtype=np.float32),
    "turned": np.arange(12, dtype=np.float32).reshape(3, 4).T,
    "bytes": np.arange(5, dtype=np.uint8),
    "spread": np.broadcast_to(np.array([1.5, 2.5]), (4, 2)),
}


def check(found):
    assert list(found) == list(ARRAYS)
    for name, array in ARRAYS.items():
        assert found[name].shape == array.shape
        assert found[name].dtype == torch.from_numpy(array.copy()).dtype
        assert np.array_equal(found[name].cpu().numpy(), array)


def test_arrays_of_any_type_and_shape_arrive_as_they_are():
    check(to_device(ARRAYS, torch.device("cpu")))
    assert to_device({}, torch.device("cpu")) == {}


def test_the_tensors_are_one_piece_of_memory_apart_from_the_arrays():
    found = to_device(ARRAYS, torch.device("cpu"))
    assert len({tensor.untyped_storage().data_ptr() for tensor in found.values()}) == 1
    found["whole"].add_(1)
    assert ARRAYS["whole"][0] == 0
    check(to_device(ARRAYS, torch.device("cpu")))


@pytest.mark.gpu
def test_on_cuda_the_host_does_not_wait():
    if not torch.cuda.is_available():
        pytest.skip("no CUDA device")
    torch.cuda.set_sync_debug_mode("error")
    try:
        found = to_device(ARRAYS, torch.device("cuda"))
    finally:
        torch.cuda.set_sync_debug_mode("default")
    check(found)
