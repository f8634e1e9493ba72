r"""Objective: supervised terms and distances to old models, joined by one of two conventions.

.. math:: L = L_{sup} + \sum_t k_t \overline{w_t \ell_t} \qquad\text{or}\qquad
          L = (1 - a) L_{sup} + a \sum_t k_t \overline{w_t \ell_t}

The first is the objective of Yan et al., "Positive-Congruent Training", 2021, arXiv:2011.09161, with one weight a
term. The second, with mixing share ``a``, is the convention of knowledge distillation; it equals the first at
``k a / (1 - a)``, times ``1 - a``. What a setting amounts to after filtering is observed as an effective lambda.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping

import torch
from torch import Tensor

from modelheir import checks
from modelheir.losses.gather import Gather
from modelheir.losses.means import masked_mean
from modelheir.objective.filters import all_pass, effective_lambda
from modelheir.types import LossTerms

__all__ = ["Term", "combine"]


@dataclasses.dataclass(frozen=True, eq=False)
class Term:
    """One distance to an old model, image by image, before it is weighted and reduced."""

    values: Tensor  #: ``(N,)``, from a per-image loss
    loss_weight: float = 1.0  #: ``k``, ``>= 0``; a term of weight 0 is left out
    weights: Tensor | None = None  #: ``(N,)``, from a filter; absent is 1 for every image
    mask: Tensor | None = None  #: bool ``(N,)``, images that count; absent is all


def combine(
    supervised: Mapping[str, Tensor],
    terms: Mapping[str, Term],
    *,
    mix_alpha: float | None = None,
    gather: Gather | None = None,
) -> LossTerms:
    """Weigh, reduce and join the parts of an objective.

    Args:
        supervised: Name -> scalar, already weighted among each other.
        terms: Name -> distance; names differ from those of ``supervised``.
        mix_alpha: ``a``, 0 to 1; ``None`` adds the terms to the supervised loss. Where no term is in use (none is
            given, or all have weight 0), nothing is mixed and the supervised loss counts in full.
        gather: As :func:`all_gather`: a mask counts over all processes.

    Returns:
        Terms that add up to the objective; observed: ``effective_lambda/<name>`` of every term in use.

    Raises:
        ValueError: If a name is used twice, a shape does not fit or a setting is out of range.

    Example:
        >>> distance = Term(torch.tensor([1.0, 3.0]), weights=torch.tensor([6.0, 1.0]))
        >>> loss = combine({"task": torch.tensor(2.0)}, {"old": distance}, mix_alpha=0.5)
        >>> loss.terms["old"], loss.total, loss.observed["effective_lambda/old"]
        (tensor(2.2500), tensor(3.2500), tensor(3.5000))
    """
    both = sorted(set(supervised) & set(terms))
    if both:
        raise ValueError(f"a term cannot have the name of a supervised one: {', '.join(both)}")
    share = 1.0
    if mix_alpha is not None:
        checks.in_range(0, 1, mix_alpha=mix_alpha)
        share = mix_alpha
    for term in terms.values():
        checks.at_least(0, loss_weight=term.loss_weight)
    used = {name: term for name, term in terms.items() if term.loss_weight > 0}
    kept = 1 - mix_alpha if used and mix_alpha is not None else 1.0
    weighted = {name: kept * value for name, value in supervised.items()}
    observed: dict[str, Tensor] = {}
    for name, term in used.items():
        weights = all_pass(term.values[:, None]) if term.weights is None else term.weights
        checks.same_shape(values=term.values, weights=weights)
        mask = torch.ones_like(weights, dtype=torch.bool) if term.mask is None else term.mask
        weighted[name] = share * term.loss_weight * masked_mean(weights * term.values, mask, gather=gather)
        observed[f"effective_lambda/{name}"] = effective_lambda(
            masked_mean(weights, mask, gather=gather)[None], loss_weight=term.loss_weight, mix_alpha=mix_alpha
        )
    return LossTerms(weighted, observed)
