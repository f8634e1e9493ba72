r"""Losses of adversarial training, each a function from a network, a batch and the step to named terms.

.. math:: \begin{aligned}
          L_{adversarial} &= \ell(f(x'), y) \\
          L_{trades} &= \ell(f(x), y) + \beta\, \mathrm{KL}\big(p(x) \,\Vert\, p(x')\big) \\
          L_{gat} &= \ell(f(x), y) + \lambda\, \lVert p(x') - p(x) \rVert_2^2
          \end{aligned}

with :math:`p` probabilities and :math:`x'` what an attack finds: of the cross-entropy from a uniform start; of the
divergence itself, from a normal start of deviation 0.001; of the cross-entropy and :math:`\lambda` times the squared
distance, from a start of :math:`\pm \epsilon / 2`. Madry et al., 2018, arXiv:1706.06083; Zhang et al., "Theoretically
Principled Trade-off between Robustness and Accuracy", 2019, arXiv:1901.08573, eq. 5; Sriramanan et al., "Guided
Adversarial Attack for Evaluating and Enhancing Adversarial Defenses", 2020, arXiv:2011.14969, Algorithm 2. In a
subspace: Li et al., "Subspace Adversarial Training", 2022, arXiv:2111.12229. Ours differs: of TRADES, the attack sees
the network in the mode it is in; of GAT, :math:`\lambda` is the same throughout, where the authors raise it late and
leave it out of every second attack.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from torch import Tensor, nn

from modelheir import losses
from modelheir.checks import InputError
from modelheir.losses.precision import full_precision
from modelheir.objective.adversarial.attack import (
    ascend,
    bernoulli_start,
    normal_start,
    undisturbed,
    uniform_start,
)
from modelheir.objective.adversarial.settings import AdversarialConfig
from modelheir.objective.adversarial.steepness import gradient_alignment
from modelheir.types import Batch, Outputs, Step

__all__ = ["images_of", "label_loss", "make_adversarial"]

_NEAR = 0.001  #: deviation of the start of TRADES

Supervised = Callable[[Outputs, Batch, Step], dict[str, Tensor]]


def make_adversarial(
    config: AdversarialConfig, supervised: Supervised
) -> Callable[[nn.Module, Batch, Step], dict[str, Tensor]]:
    """Return a function from a network in training, a batch of images and the step to named, weighted, scalar terms.

    They are those of ``supervised`` (``task`` and its like), on attacked images or as they are, and with them
    ``robust`` (how far predictions move) and ``grad_align``, each where it is in use. Means are over the images of the
    batch; an unlabelled image (-1) counts where no label is read. Draws are from ``step.device_generator``.

    Args:
        config: Which loss and attack.
        supervised: The loss against labels (:func:`~modelheir.objective.make_supervised`).
    """

    def attacked(model: nn.Module, images: Tensor, batch: Batch, step: Step, clean: Tensor | None) -> Tensor:
        """Return what the attack finds; ``clean`` are logits of the images as they are, a constant."""

        def loss(tried: Tensor) -> Tensor:
            logits = model(tried).logits
            if config.loss == "trades":
                assert clean is not None
                return losses.kl_distillation(logits, clean, temperature=1.0)
            value = label_loss(logits, batch)
            if clean is None:
                return value
            return value + config.pull * _distance(logits, clean)

        draw = {"generator": step.device_generator}
        if config.loss == "trades":
            start = normal_start(images, _NEAR, **draw)
        elif config.loss == "gat":
            start = bernoulli_start(images, config.epsilon / 2, **draw)
        else:
            start = uniform_start(images, config.epsilon, **draw)
        with undisturbed(model):
            return ascend(loss, images, start, epsilon=config.epsilon, step_size=config.length, steps=config.taken)

    def aligned(model: nn.Module, images: Tensor, batch: Batch, step: Step) -> dict[str, Tensor]:
        if config.grad_align == 0:
            return {}
        beside = uniform_start(images, config.epsilon, generator=step.device_generator)
        with undisturbed(model):
            values = gradient_alignment(lambda tried: label_loss(model(tried).logits, batch), images, beside)
        return {"grad_align": config.grad_align * values.mean()}

    def terms(model: nn.Module, batch: Batch, step: Step) -> dict[str, Tensor]:
        if config.loss == "none":
            return supervised(model(batch.inputs), batch, step)
        images = images_of(batch)
        if config.loss == "adversarial":
            found = attacked(model, images, batch, step, None)
            return {**supervised(model(found), batch, step), **aligned(model, images, batch, step)}
        outputs = model(images)
        known = supervised(outputs, batch, step)
        if config.pull > 0:
            moved = model(attacked(model, images, batch, step, outputs.logits.detach())).logits
            if config.loss == "trades":
                values = losses.kl_distillation(moved, outputs.logits, temperature=1.0, both=True)
            else:
                values = _distance(moved, outputs.logits)
            known["robust"] = config.pull * values.mean()
        return {**known, **aligned(model, images, batch, step)}

    return terms


def images_of(batch: Batch) -> Tensor:
    """Return the images of a batch, one view each.

    Raises:
        InputError: If they are vectors, or several views.
    """
    found: Any = batch.inputs
    if not isinstance(found, Tensor) or found.ndim != 4:
        raise InputError("adversarial training changes images, one view each: not stored vectors, nor several crops.")
    return found


def label_loss(logits: Tensor, batch: Batch) -> Tensor:
    """Return the cross-entropy of each image, ``(N,)``; an unlabelled image has 0."""
    if batch.targets is not None:
        return losses.soft_cross_entropy(logits, batch.targets)
    return losses.cross_entropy(logits, batch.labels)


def _distance(a: Tensor, b: Tensor) -> Tensor:
    """Return the squared distance of probabilities, ``(N,)``."""
    return (full_precision(a).softmax(1) - full_precision(b).softmax(1)).square().sum(1)
