import pytest
import torch

from modelheir.losses import full_precision


@pytest.mark.parametrize(
    ("given", "wanted"),
    [
        (torch.float16, torch.float32),
        (torch.bfloat16, torch.float32),
        (torch.float32, torch.float32),
        (torch.float64, torch.float64),
    ],
)
def test_half_is_widened_and_the_rest_is_kept(given, wanted):
    assert full_precision(torch.ones(2, dtype=given)).dtype == wanted


def test_gradient_returns_in_the_given_type():
    values = torch.ones(2, dtype=torch.float16, requires_grad=True)
    full_precision(values).sum().backward()
    assert values.grad is not None
    assert values.grad.dtype == torch.float16
