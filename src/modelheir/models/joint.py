r"""What several views say together: the product of their probabilities, or the mean.

.. math:: P(c) \propto \prod_v p_v(c) \quad\text{or}\quad P(c) \propto \pi_c^{1-V} \prod_v p_v(c)
          \quad\text{or}\quad P(c) = \tfrac1V \sum_v p_v(c)

The first is Bayes' rule for views that are independent given the class and classes that are equally frequent, the
second for classes of frequencies :math:`\pi`. A sum of logits is the first: the same probabilities.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from modelheir import checks

__all__ = ["RULES", "joint_logits"]

RULES = ("product", "prior_product", "mean")


def joint_logits(logits: Sequence[Tensor], rule: str = "product", prior: Tensor | None = None) -> Tensor:
    """Return the logarithms of the joint probabilities, ``(N, C)``, normalised.

    Args:
        logits: One ``(N, C)`` a view.
        rule: ``product``, ``prior_product`` or ``mean``.
        prior: ``(C,)`` frequencies of the classes above 0, which ``prior_product`` needs.

    Raises:
        ValueError: For no view, another rule, or a prior that is missing.
    """
    checks.one_of(RULES, rule=rule)
    checks.at_least(1, views=len(logits))
    said = torch.stack([one.log_softmax(1) for one in logits])
    if rule == "mean":
        return said.logsumexp(0) - math.log(len(logits))
    total = said.sum(0)
    if rule == "prior_product":
        if prior is None:
            raise ValueError("the rule prior_product needs the frequencies of the classes")
        total = total - (len(logits) - 1) * prior.log()
    return total.log_softmax(1)
