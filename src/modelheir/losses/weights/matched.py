"""The differences of a model's parameters from values kept under the same names."""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor

from modelheir import checks
from modelheir.losses.precision import full_precision

__all__ = ["differences"]


def differences(new: Mapping[str, Tensor], old: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Subtract old values from the parameters of their names.

    Args:
        new: Name -> parameter of the model in training. Gradients flow here only.
        old: Name -> old value; every name is in ``new``, with the same shape. Other parameters are free.

    Returns:
        Name -> ``new - old``, in full precision, for the names of ``old``.

    Raises:
        ValueError: If ``old`` is empty, a name is missing in ``new``, or a shape differs.

    Example:
        >>> import torch
        >>> differences({"w": torch.tensor([3.0]), "b": torch.tensor([1.0])}, {"w": torch.tensor([1.0])})
        {'w': tensor([2.])}
    """
    found: dict[str, Tensor] = {}
    for name, start in old.items():
        if name not in new:
            raise ValueError(f"parameter {name} has an old value and no counterpart in the new model")
        checks.same_shape(**{f"new {name}": new[name], f"old {name}": start})
        found[name] = full_precision(new[name]) - full_precision(start.detach())
    if not found:
        raise ValueError("old must hold at least one parameter")
    return found
