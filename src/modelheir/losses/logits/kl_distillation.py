r"""KL distillation: how much the new model's softened probabilities miss of the old model's.

.. math:: \ell_n = T^2 \sum_c p_{nc} \log \frac{p_{nc}}{q_{nc}},
          \quad p = \mathrm{softmax}(z^{old}/T),\ q = \mathrm{softmax}(z/T)

The distance of focal distillation (FD-KL) in Yan et al., "Positive-Congruent Training", 2021, arXiv:2011.09161,
eq. 7; the factor ``T^2`` is from Hinton et al., 2015, arXiv:1503.02531, whose distillation this is: the toolboxes take
``T = 4``. Ours takes KL(old || new) where the former writes the arguments the other way round. For large ``T`` the
value tends to ``variance of (new - old) / 2``.

At ``T = 100`` the two distributions agree in three digits and the textbook sum loses the rest in float32. So small
gaps ``d`` (their mean under ``p`` removed) go through ``log(1 + sum p (exp(d) - 1 - d))``: its terms are positive.
"""

import torch
from torch import Tensor
from torch.nn import functional

from modelheir import checks
from modelheir.losses.precision import full_precision

__all__ = ["kl_distillation"]

_NEAR = 0.5  # largest |d| of a row that the series serves
_SERIES = (1 / 40320, 1 / 5040, 1 / 720, 1 / 120, 1 / 24, 1 / 6, 1 / 2)  # (exp(d) - 1 - d) / d**2, highest power first


def kl_distillation(
    new: Tensor,
    old: Tensor,
    *,
    temperature: float = 100.0,
    scale_by_square: bool = True,
    both: bool = False,
) -> Tensor:
    """Measure KL(old || new) of each image at one temperature.

    Args:
        new: Logits of the model in training, finite, shape ``(N, C)``.
        old: Logits of the frozen model, finite, shape ``(N, C)``. Gradients flow here only with ``both``.
        temperature: Divisor ``T`` of both logits, ``> 0``; about 100 imitates logit matching.
        scale_by_square: Multiply by ``T**2``, so that the size of the gradient does not depend on ``T``.
        both: Let gradients flow into ``old`` too, for mutual learning.

    Returns:
        One value an image in nats (times ``T**2``), ``>= 0``, shape ``(N,)``; not reduced; lower is closer.

    Raises:
        ValueError: If the shapes differ or the temperature is not positive.

    Example:
        >>> kl_distillation(torch.zeros(1, 3), torch.tensor([[1.0, 0.0, 0.0]]), temperature=1.0)
        tensor([0.1233])
    """
    checks.two_dimensional(new=new, old=old)
    checks.same_shape(new=new, old=old)
    checks.above(0, temperature=temperature)
    new, old = full_precision(new), full_precision(old if both else old.detach())
    log_p = functional.log_softmax(old / temperature, dim=1)
    p = log_p.exp()
    gap = (new - old) / temperature
    gap = gap - (p * gap).sum(dim=1, keepdim=True)

    near = gap.clamp(-_NEAR, _NEAR)
    series = torch.zeros_like(near)
    for coefficient in _SERIES:
        series = series * near + coefficient
    small = torch.log1p((p * near.square() * series).sum(dim=1))
    large = torch.logsumexp(log_p + gap, dim=1).clamp_min(0)
    divergence = torch.where(gap.detach().abs().amax(dim=1) < _NEAR, small, large)
    return divergence * temperature**2 if scale_by_square else divergence
