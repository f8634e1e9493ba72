r"""DIST: the new probabilities shall correlate with the old ones, along each image and along each class.

.. math:: \ell_n = \beta \big(1 - \rho(q_{n\cdot}, p_{n\cdot})\big)
          + \gamma \big(1 - \tfrac{1}{C} \sum_c \rho(q_{\cdot c}, p_{\cdot c})\big), \quad
          \rho(a, b) = \frac{\langle a - \bar a,\, b - \bar b \rangle}{|a - \bar a|\,|b - \bar b| + 10^{-8}}

with ``p = softmax(old / T)`` and ``q = softmax(new / T)``. Huang et al., "Knowledge Distillation from A Stronger
Teacher", 2022, arXiv:2205.10536. SSLD's toolbox has it at ``T = 1``; no factor ``T**2`` is put before it.

The second part has one value for the batch, which every image carries, so that the mean over images is the loss.
Over two images every class correlates by 1 or -1; over one image, and for a row or column that does not vary beyond
rounding, there is no correlation: it counts as 0 and has no gradient, where the formula's would be of size ``1e8``.
"""

import torch
from torch import Tensor
from torch.nn import functional

from modelheir import checks
from modelheir.losses.gather import Gather
from modelheir.losses.precision import full_precision

__all__ = ["dist", "pearson"]


def dist(
    new: Tensor,
    old: Tensor,
    *,
    beta: float = 1.0,
    gamma: float = 1.0,
    temperature: float = 1.0,
    gather: Gather | None = None,
) -> Tensor:
    """Measure what is missing from full correlation.

    Args:
        new: Logits of the model in training, shape ``(N, C)``. Gradients flow here only.
        old: Logits of the frozen model, shape ``(N, C)``.
        beta: Weight, ``>= 0``, of the correlation over each image's classes.
        gamma: Weight, ``>= 0``, of the correlation over the batch, the mean of all classes.
        temperature: Divisor ``T`` of both logits, ``> 0``.
        gather: Concatenates a tensor over all processes with gradient, as :func:`all_gather`, where classes shall be
            correlated over the whole batch; ``None`` correlates over this process's images.

    Returns:
        One value an image of this process, 0 to ``2 * (beta + gamma)``, shape ``(N,)``; not reduced; lower is closer.

    Raises:
        ValueError: If the shapes differ or a setting is out of range.

    Example:
        >>> new, old = torch.tensor([[0.3, 0.7], [0.6, 0.4]]).log(), torch.tensor([[0.1, 0.9], [0.2, 0.8]]).log()
        >>> dist(new, old).round(decimals=3)  # the second image's order is wrong, each class's over the images right
        tensor([0., 2.])
    """
    checks.two_dimensional(new=new, old=old)
    checks.same_shape(new=new, old=old)
    checks.at_least(0, beta=beta, gamma=gamma)
    checks.above(0, temperature=temperature)
    q = functional.softmax(full_precision(new) / temperature, dim=1)
    p = functional.softmax(full_precision(old.detach()) / temperature, dim=1)
    whole_q, whole_p = (part if gather is None else gather(part) for part in (q, p))
    over_batch = 1 - pearson(whole_q.T, whole_p.T).mean()
    return beta * (1 - pearson(q, p)) + gamma * over_batch


def pearson(first: Tensor, second: Tensor) -> Tensor:
    """Correlate the rows of two matrices.

    Args:
        first: Shape ``(R, K)``.
        second: Shape ``(R, K)``.

    Returns:
        One value a row, -1 to 1, shape ``(R,)``; 0, without gradient, where a row does not vary.

    Raises:
        ValueError: If the shapes differ.

    Example:
        >>> rows = torch.tensor([[5.0, 7.0, 9.0], [4.0, 4.0, 4.0]])
        >>> pearson(torch.tensor([[1.0, 2.0, 3.0]]).expand(2, 3), rows).round(decimals=3)
        tensor([1., 0.])
    """
    checks.same_shape(first=first, second=second)
    first, second = (values - values.mean(dim=1, keepdim=True) for values in (first, second))
    first_size, second_size = (torch.linalg.vector_norm(values, dim=1) for values in (first, second))
    least = torch.finfo(first.dtype).eps
    varies = (first_size > least) & (second_size > least)
    correlation = (first * second).sum(dim=1) / (first_size * second_size + 1e-8)
    return correlation.masked_fill(~varies, 0)
