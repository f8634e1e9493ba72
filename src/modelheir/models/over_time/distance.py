r"""How far the copies of a layer are from each other, between a step and the next.

.. math:: D_{t\ell} = \sum_j |\Delta_j|, \qquad \sum_j \Delta_j^2 \qquad\text{or}\qquad \sum_j F_j \Delta_j^2, \qquad
          \Delta = \theta_{t+1,\ell} - \theta_{t,\ell}

over all parameters of the layer, batch normalisation included; Ji et al., "Seq-to-Final", 2024, arXiv:2407.09642.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from typing import Literal

import torch
from torch import Tensor

from modelheir import checks
from modelheir.losses.precision import full_precision
from modelheir.models.over_time.copies import OverTime

__all__ = ["distances", "tied_layers"]


def distances(
    model: OverTime, kind: Literal["l1", "l2", "l2_fisher"] = "l2", *, fisher: Mapping[str, Tensor] | None = None
) -> dict[tuple[int, str], Tensor]:
    """Measure each change of a layer that is copied whole; side modules and adapters have no distance.

    Args:
        model: Gradients flow into both copies, as far as they train.
        kind: Sum of absolute, squared, or Fisher-weighted squared differences; not halved, and not a root.
        fisher: For ``l2_fisher``: parameter name in ``model`` -> importance ``>= 0``, of the earlier copies' at least.

    Returns:
        (Step ``>= 1``, layer) -> a scalar ``>= 0``, for layers of which the step has a copy of its own; empty where
        there are none.

    Raises:
        ValueError: If a parameter has no Fisher information, or it is given for another kind.
    """
    checks.one_of(("l1", "l2", "l2_fisher"), kind=kind)
    if (fisher is None) == (kind == "l2_fisher"):
        raise ValueError(f"fisher belongs to kind 'l2_fisher' and to no other, got kind {kind!r}")
    found: dict[tuple[int, str], Tensor] = {}
    for step, (before, after) in enumerate(itertools.pairwise(model.routes), 1):
        for name, one, two in zip(model.names, before, after, strict=True):
            if one == two or model.kinds[name] != "separate":
                continue
            old = dict(model.held(name)[one].named_parameters(prefix=f"copies.{name}.{one}"))
            new = model.held(name)[two].parameters()
            terms: list[Tensor] = []
            for (key, start), value in zip(old.items(), new, strict=True):
                change = full_precision(value) - full_precision(start)
                if fisher is not None:
                    if key not in fisher:
                        raise ValueError(f"parameter {key} has no Fisher information")
                    terms.append((fisher[key].detach() * change.square()).sum())
                else:
                    terms.append((change.abs() if kind == "l1" else change.square()).sum())
            found[step, name] = torch.stack(terms).sum()
    return found


def tied_layers(model: OverTime) -> tuple[str, ...]:
    """Return the layers of which a later step has a whole copy, between which there are distances."""
    return tuple(
        name
        for name, last in zip(model.names, model.routes[-1], strict=True)
        if last and model.kinds[name] == "separate"
    )
