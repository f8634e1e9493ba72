r"""Teacher-preserving target: the old model does not pull down an answer it shares and is less certain of.

.. math:: \ell_n = T^2\, \mathrm{KL}(t_n \| q_n), \quad
          t_{nk} = \max(p_{nk}, \mathrm{stop}(q_{nk})), \quad
          t_{nc} = p_{nc} \frac{1 - t_{nk}}{1 - p_{nk}}\ (c \ne k), \quad k = \arg\max_c p_{nc}

where both models name the class ``k``; elsewhere ``t = p`` and this is :func:`kl_distillation`. ``p`` and ``q`` are the
probabilities at temperature ``T``. We found no published formula under this name (TPKD): this is our reading of "the
target preserves the teacher's class where the student is already more certain". There, the share of ``k`` stays as it
is, and the old model teaches only how the rest is divided.
"""

import torch
from torch import Tensor
from torch.nn import functional

from modelheir import checks
from modelheir.losses.logits.kl_distillation import kl_distillation
from modelheir.losses.precision import full_precision

__all__ = ["teacher_preserving"]


def teacher_preserving(new: Tensor, old: Tensor, *, temperature: float = 4.0) -> Tensor:
    """Measure each image's KL from its target, old probabilities that keep what the new model is surer of.

    Args:
        new: Logits of the model in training, finite, shape ``(N, C)``. Gradients flow here only, and not through
            the target.
        old: Logits of the frozen model, finite, shape ``(N, C)``.
        temperature: Divisor ``T`` of both logits, ``> 0``.

    Returns:
        One value an image in nats (times ``T**2``), ``>= 0``, shape ``(N,)``; not reduced; lower is closer.

    Raises:
        ValueError: If the shapes differ or the temperature is not positive.

    Example:
        >>> old = torch.tensor([[0.6, 0.3, 0.1]]).log()
        >>> surer, less_sure = torch.tensor([[0.8, 0.1, 0.1]]).log(), torch.tensor([[0.4, 0.3, 0.3]]).log()
        >>> teacher_preserving(surer, old, temperature=1.0)  # of (0.8, 0.15, 0.05): 0.15 log(1.5) - 0.05 log(2)
        tensor([0.0262])
        >>> teacher_preserving(less_sure, old, temperature=1.0)  # of old: 0.6 log(1.5) - 0.1 log(3)
        tensor([0.1334])
    """
    checks.two_dimensional(new=new, old=old)
    checks.same_shape(new=new, old=old)
    checks.above(0, temperature=temperature)
    log_p, log_q = (functional.log_softmax(full_precision(z.detach()) / temperature, dim=1) for z in (old, new))
    answer = log_p.argmax(dim=1, keepdim=True)
    own = log_q.gather(1, answer)
    surer = (log_q.argmax(dim=1, keepdim=True) == answer) & (own > log_p.gather(1, answer))
    is_answer = torch.zeros_like(log_p, dtype=torch.bool).scatter(1, answer, True)
    log_rest_p, log_rest_q = (
        torch.logsumexp(logs.masked_fill(is_answer, -torch.inf), dim=1, keepdim=True) for logs in (log_p, log_q)
    )
    kept = torch.where(is_answer, own, log_p - log_rest_p + log_rest_q)
    target = torch.where(surer, kept, log_p)
    return kl_distillation(full_precision(new), target * temperature, temperature=temperature)
