r"""Averages of several models' weights: a soup of models of one task, or of those along a sequence in time.

.. math:: \theta = \sum_k w_k \theta_k \Big/ \sum_k w_k

Wortsman et al., "Model soups", 2022, arXiv:2203.05482, with equal weights. Along a sequence the weights say which way
it is (:mod:`modelheir.models.blends.sequence_weights`: SWA, EMA, LAWA), or rise towards the newest model, as
:func:`~modelheir.losses.rising_weights` do. Of two models it is WiSE-FT:
:func:`~modelheir.models.blends.interpolation.interpolate`.

The sum is kept in float64 and the models come one after another, so that memory holds one of them and the sum,
however many there are, and their order does not show in the result.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Mapping, Sequence

import torch
from torch import Tensor

from modelheir import checks
from modelheir.checks import InputError

__all__ = ["RunningAverage", "average_states", "soup"]


class RunningAverage:
    """The weighted mean of state dicts that come one after another; what it needs is one copy in float64.

    Example:
        >>> running = RunningAverage()
        >>> running.add({"w": torch.tensor([1.0])})
        >>> running.add({"w": torch.tensor([3.0])}, 3)
        >>> running.mean()["w"], running.with_one_more({"w": torch.tensor([0.0])})["w"]
        (tensor([2.5000]), tensor([2.]))
    """

    def __init__(self) -> None:
        self.total = 0.0  #: sum of the weights so far
        self._sums: dict[str, Tensor] = {}
        self._whole: dict[str, Tensor] = {}
        self._form: dict[str, Tensor] = {}  # names, types and shapes of the first state, without its memory

    def add(self, state: Mapping[str, Tensor], weight: float = 1.0) -> None:
        """Count ``state`` with ``weight``, ``>= 0``; one of weight 0 is checked and counts nothing.

        Raises:
            ValueError: If its names or shapes are not those of the states before it, or the weight is negative.
            InputError: If a tensor holds a number that is not finite.
        """
        self._check(state, weight)
        for name, value in state.items() if weight else ():
            if not value.is_floating_point():
                self._whole[name] = value.detach().clone()
                continue
            if name in self._sums:
                self._sums[name].add_(value.detach(), alpha=weight)
            else:
                self._sums[name] = value.detach().to(torch.float64, copy=True).mul_(weight)
        self.total += weight

    def mean(self) -> dict[str, Tensor]:
        """Return the mean, new tensors: in the first state's types, half precision as float32.

        Rounding an average of half-precision files back to half would undo a part of it. Whole numbers (step counters)
        are those of the last state that counted.

        Raises:
            ValueError: If nothing has been added, or everything with weight 0.
        """
        checks.above(0, sum_of_weights=self.total)
        return {
            name: self._typed(name, self._sums[name] / self.total) if name in self._sums else self._whole[name].clone()
            for name in self._form
        }

    def with_one_more(self, state: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Return what :meth:`mean` would be after ``add(state)``, which is not done; errors as for both."""
        self._check(state, 1.0)
        result: dict[str, Tensor] = {}
        for name in self._form:
            value = state[name].detach()
            if value.is_floating_point():
                whole = value.to(torch.float64)
                result[name] = self._typed(name, (whole + self._sums.get(name, 0.0)) / (self.total + 1))
            else:
                result[name] = value.clone()
        return result

    def _typed(self, name: str, value: Tensor) -> Tensor:
        return value.to(torch.promote_types(self._form[name].dtype, torch.float32))

    def _check(self, state: Mapping[str, Tensor], weight: float) -> None:
        checks.at_least(0, weight=weight)
        if not self._form:
            self._form = {name: torch.empty_like(value, device="meta") for name, value in state.items()}
        if set(state) != set(self._form):
            differing = sorted(set(state) ^ set(self._form))
            raise ValueError(
                f"the state dicts of an average must name the same tensors: {len(differing)} differ, such as "
                f"{differing[0]!r}"
            )
        for name, value in state.items():
            if self._form[name].shape != value.shape:
                raise ValueError(
                    f"shapes of {name!r} must be equal, got {tuple(self._form[name].shape)} and {tuple(value.shape)}"
                )
            if value.is_floating_point() and not bool(torch.isfinite(value).all()):
                raise InputError(f"{name!r} holds a number that is not finite: such weights cannot be averaged.")


def average_states(states: Iterable[Mapping[str, Tensor]], weights: Iterable[float] | None = None) -> dict[str, Tensor]:
    """Average state dicts of one architecture in one pass; a generator that reads them one by one saves the memory.

    Args:
        states: At least one, with the same names and shapes, running statistics among them.
        weights: One a state, ``>= 0``, not all 0; they are scaled to sum 1. ``None``: all count the same.

    Returns:
        The state dict, as :meth:`RunningAverage.mean` says.

    Raises:
        ValueError: If there is none, names or shapes differ, or the weights do not fit.
        InputError: If a tensor holds a number that is not finite.

    Example:
        >>> read = ({"w": torch.tensor([value])} for value in (1.0, 2.0, 6.0))
        >>> average_states(read)["w"]
        tensor([3.])
    """
    running, each = RunningAverage(), itertools.repeat(1.0) if weights is None else iter(weights)
    count = 0
    for count, state in enumerate(states, 1):
        weight = next(each, None)
        if weight is None:
            raise ValueError(f"an average needs one weight a state dict, and got {count - 1} weights and more states")
        running.add(state, weight)
    checks.at_least(1, state_dicts=count)
    if weights is not None and next(each, None) is not None:
        raise ValueError(f"an average needs one weight a state dict, and got {count} states and more weights")
    return running.mean()


def soup(states: Sequence[Mapping[str, Tensor]], *, weights: Sequence[float] = ()) -> dict[str, Tensor]:
    """Average state dicts that are in memory, to go on in the place of the first.

    Args:
        states: At least one, with the same names and shapes, running statistics among them.
        weights: One a state, ``>= 0``, not all 0; they are scaled to sum 1. Empty, all count the same.

    Returns:
        The state dict, new tensors in the first one's types; whole numbers (step counters) are the first one's.

    Raises:
        ValueError: If there is none, names or shapes differ, or the weights do not fit.
        InputError: If a tensor holds a number that is not finite.

    Example:
        >>> one, three = {"w": torch.tensor([1.0])}, {"w": torch.tensor([3.0])}
        >>> soup([one, three])["w"], soup([one, three], weights=(1, 3))["w"]
        (tensor([2.]), tensor([2.5000]))
    """
    checks.at_least(1, state_dicts=len(states))
    if len(states) == 1:
        return {name: value.detach().clone() for name, value in states[0].items()}
    found = average_states(states, weights or None)
    return {
        name: (found[name] if value.is_floating_point() else value.detach().clone()).to(value.dtype)
        for name, value in states[0].items()
    }
