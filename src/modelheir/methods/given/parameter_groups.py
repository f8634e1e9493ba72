r"""The groups of parameters that a run's settings make: how fast each stage learns, and what has no weight decay.

With ``fit.layer_decay`` :math:`\gamma`, the stage :math:`k` of :math:`K` (the stem is 0) learns at

.. math:: \gamma^{K - 1 - k}

times the run's rate, the head at ``fit.head_multiplier`` times it: 1, but for a new one (Howard and Ruder, "Universal
Language Model Fine-tuning", 2018, arXiv:1801.06146, section 3.2, where the factor is 1/2.6 a layer). Stages are those
of :func:`modelheir.models.stages`: of a transformer of one resolution a block is one, of other networks a resolution.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from modelheir import models

if TYPE_CHECKING:
    from torch import Tensor, nn

    from modelheir.config.fit import FitConfig

__all__ = ["parameter_groups"]


def parameter_groups(
    fit: FitConfig,
) -> Callable[[nn.Module], Sequence[tuple[Sequence[Tensor], float, float | None]]] | None:
    """Return what splits a module into groups of parameters, each with a multiplier of the rate and a weight decay.

    It is ``None`` where the settings ask for no groups, and so is a group's decay where it is the run's.
    Of a classifier, stages learn by ``lr_multipliers``, or ``layer_decay`` and ``head_multiplier``, and ``no_decay`` is
    looked up among its parameters; a module that is none, or stands beside one, is a group of its own at the run's
    rate.

    Raises:
        InputError: By the returned function, if ``lr_multipliers`` are not one a stage, or ``no_decay`` names nothing.
    """
    if fit.lr_multipliers or fit.layer_decay != 1 or _of_head(fit) != 1 or fit.no_decay:
        return functools.partial(_split, fit)
    return None


def _split(fit: FitConfig, module: nn.Module) -> list[tuple[list[Tensor], float, float | None]]:
    inner = getattr(module, "model", module)  # a transplanted old head stands beside the model
    if not isinstance(inner, models.Classifier):
        return [(list(module.parameters()), 1.0, None)]
    groups = models.parameter_groups(inner, rates) if (rates := _rates(fit, inner)) else []
    taken = {id(parameter) for parameters, _ in groups for parameter in parameters}
    groups.append(([parameter for parameter in module.parameters() if id(parameter) not in taken], 1.0))
    said = f"fit.no_decay = {list(fit.no_decay)}"
    named = {name for piece in fit.no_decay for name in models.find_parameters(inner, piece, said=said)}
    bare = {id(inner.get_parameter(name)) for name in named}
    found: list[tuple[list[Tensor], float, float | None]] = []
    for parameters, rate in groups:
        found.append(([one for one in parameters if id(one) not in bare], rate, None))
        found.append(([one for one in parameters if id(one) in bare], rate, 0.0))
    return [group for group in found if group[0]]


def _rates(fit: FitConfig, model: models.Classifier) -> Sequence[float]:
    """Return the multiplier of each stage, the stem's first; none where all are 1."""
    if fit.layer_decay == 1 and _of_head(fit) == 1:
        return fit.lr_multipliers
    last = len(models.stages(model)) - 1
    return [*(fit.layer_decay ** (last - number) for number in range(last)), _of_head(fit)]


def _of_head(fit: FitConfig) -> float:
    """Return the multiplier of the head's rate; 1 where it was left open and nobody chose it."""
    return fit.head_multiplier or 1.0
