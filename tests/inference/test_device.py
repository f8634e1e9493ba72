"""Settings of CUDA hold during a run and no longer. They are flags of torch's, there without a device, too."""

import pytest
import torch

from modelheir.inference.device import cuda_settings, settings_in_force

CUDA = torch.device("cuda")


def flags():
    backends = torch.backends
    return torch.get_float32_matmul_precision(), backends.cudnn.allow_tf32, backends.cudnn.benchmark


@pytest.mark.parametrize(("tf32", "matrices", "convolutions"), [(True, "high", True), (False, "highest", False)])
def test_they_hold_during_a_run_are_recorded_and_given_back(tf32, matrices, convolutions):
    before, wanted = flags(), {"tf32_matrix_products": tf32, "tf32_convolutions": tf32, "cudnn_benchmark": True}

    def stopped():
        with cuda_settings(CUDA, tf32=tf32, cudnn_benchmark=True):
            assert flags() == (matrices, convolutions, True)
            assert settings_in_force(CUDA) == wanted
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        stopped()
    assert flags() == before


def test_what_is_not_said_stays_as_torch_has_it():
    before = flags()
    torch.backends.cudnn.benchmark = True
    try:
        with cuda_settings(CUDA, tf32=None, cudnn_benchmark=False):
            assert flags() == (*before[:2], False)
        assert flags() == (*before[:2], True)
    finally:
        torch.backends.cudnn.benchmark = before[2]


def test_other_devices_are_left_alone():
    before = flags()
    with cuda_settings(torch.device("cpu"), tf32=not before[1], cudnn_benchmark=not before[2]):
        assert flags() == before
    assert settings_in_force(torch.device("cpu")) == {}


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_products_are_rounded_only_where_asked():
    x = torch.rand(256, 256, device="cuda", generator=torch.Generator("cuda").manual_seed(0))
    exact = x.double() @ x.double()
    errors = {}
    for tf32 in (True, False):
        with cuda_settings(CUDA, tf32=tf32, cudnn_benchmark=False):
            errors[tf32] = float((x @ x - exact).abs().max())
    assert errors[False] < 1e-3 < errors[True]
