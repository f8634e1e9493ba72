r"""Virtual adversarial training: how far a prediction moves by the small change of its input that moves it most.

.. math:: \ell_n = \mathrm{KL}\big(p(x_n) \,\Vert\, p(x_n + r_n)\big), \qquad r_n = \epsilon \, d_n, \quad
          d \leftarrow \frac{g}{\lVert g \rVert_2}, \quad g = \nabla_d \mathrm{KL}\big(p(x) \,\Vert\, p(x + \xi d)\big)

from a random ``d``, one or more times (power iteration). No label is read. Miyato et al., "Virtual Adversarial
Training", 2018, arXiv:1704.03976, eq. 5 to 7 and 12 to 15. The defaults are those of Meta Co-Training's public code
(arXiv:2311.18083). Ours differs: the search for ``d`` leaves no gradient on the model's weights.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn import functional

from modelheir import checks
from modelheir.losses.logits.kl_distillation import kl_distillation

__all__ = ["virtual_adversarial"]


def virtual_adversarial(
    model: Callable[[Tensor], Tensor],
    inputs: Tensor,
    logits: Tensor,
    *,
    generator: torch.Generator,
    xi: float = 0.1,
    epsilon: float = 0.1,
    iterations: int = 1,
) -> Tensor:
    """Measure each sample's sensitivity to the worst small change.

    Args:
        model: Inputs to logits ``(N, C)``; called ``iterations + 1`` times. What it draws by itself (dropout) adds to
            the distance, and batch norms see the changed inputs.
        inputs: Float ``(N, ...)``, images or vectors; ``N`` may be 0.
        logits: What the model says of them, ``(N, C)``; a constant.
        generator: Of the first direction, on the device of ``inputs``.
        xi: Length of the change by which the direction is searched, ``> 0``.
        epsilon: Length of the change that counts, in the unit of the inputs, ``>= 0``.
        iterations: Of the search, ``>= 1``.

    Returns:
        One value a sample in nats, ``>= 0``, shape ``(N,)``; not reduced; lower is smoother. Gradients flow into the
        model by way of the changed inputs.

    Raises:
        ValueError: If the lengths differ or a setting is out of range.

    Example:
        >>> weight = torch.tensor([[3.0, 4.0], [0.0, 0.0]])  # the change is along (3, 4), 0.5 of the logits' gap
        >>> model = lambda x: x @ weight.T
        >>> x = torch.zeros(1, 2)
        >>> virtual_adversarial(model, x, model(x), generator=torch.Generator().manual_seed(0))
        tensor([0.0309])
    """
    checks.two_dimensional(logits=logits)
    checks.same_length(inputs=inputs, logits=logits)
    checks.above(0, xi=xi)
    checks.at_least(0, epsilon=epsilon)
    checks.at_least(1, iterations=iterations)
    inputs, logits = inputs.detach(), logits.detach()
    change = torch.randn(inputs.shape, generator=generator, device=inputs.device, dtype=inputs.dtype)
    for _ in range(iterations):
        with torch.enable_grad():
            tried = (xi * _unit(change)).requires_grad_()
            moved = kl_distillation(model(inputs + tried), logits, temperature=1.0).sum()
            (change,) = torch.autograd.grad(moved, tried)
    return kl_distillation(model(inputs + epsilon * _unit(change)), logits, temperature=1.0)


def _unit(change: Tensor) -> Tensor:
    """Return each sample's change with length 1; one of zeros, where nothing moves the prediction, stays."""
    flat = change.flatten(1)
    flat = flat / flat.abs().amax(dim=1, keepdim=True).clamp_min(torch.finfo(flat.dtype).tiny)  # or squares vanish
    return functional.normalize(flat, dim=1).view_as(change)
