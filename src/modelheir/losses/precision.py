"""Half precision is widened before a loss is computed; wider types are left alone."""

import torch
from torch import Tensor

__all__ = ["full_precision"]


def full_precision(values: Tensor) -> Tensor:
    """Return half-precision ``values`` as float32 and all other floating types as they are.

    A squared logit gap above 256 overflows float16, and bfloat16 keeps two decimal digits.

    Args:
        values: A tensor of any shape and floating type.

    Returns:
        The same values in float32 or wider; gradients flow through the change of type.

    Example:
        >>> full_precision(torch.tensor([300.0], dtype=torch.float16)) ** 2
        tensor([90000.])
    """
    return values.float() if values.dtype in (torch.float16, torch.bfloat16) else values
