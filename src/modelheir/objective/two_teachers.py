r"""Double-source focal distillation: from the old model and from an independently trained new one.

.. math:: \ell_n = w^{old}_n\, d(z_n, z^{old}_n) + w^{ind}_n\, d(z_n, z^{ind}_n),
          \quad w_n = \alpha + \beta \cdot 1[\text{teacher right on } n]

``d`` is KL at a temperature, over the classes that teacher knows. Ricci et al., "Mitigating Negative Flips via Margin
Preserving Training", 2025, arXiv:2511.08322, where ``d`` has no factor ``T^2``; use together with
:func:`margin_calibration`.
"""

from torch import Tensor

from modelheir import checks
from modelheir.losses.logits.kl_distillation import kl_distillation
from modelheir.objective.filters import old_correct

__all__ = ["double_source_distillation"]


def double_source_distillation(
    new: Tensor,
    old: Tensor,
    independent: Tensor,
    labels: Tensor,
    old_classes: Tensor,
    *,
    base: float = 1.0,
    scale: float = 5.0,
    temperature: float = 5.0,
    scale_by_square: bool = False,
) -> Tensor:
    """Measure the focal distance of each image from both teachers.

    Args:
        new: Logits of the model in training, shape ``(N, C)``. Gradients flow here only.
        old: Logits of the frozen old model, shape ``(N, C')``, over its own classes.
        independent: Logits of the frozen new model trained without the old one, shape ``(N, C)``.
        labels: int64 ``(N,)``, in the new model's classes.
        old_classes: int64 ``(C',)``: the new model's index of each old class.
        base: ``alpha``, weight of every image, ``>= 0``.
        scale: ``beta``, further weight where that teacher is right, ``>= 0``.
        temperature: As in :func:`kl_distillation`, ``> 0``.
        scale_by_square: As in :func:`kl_distillation`.

    Returns:
        One value an image, ``>= 0``, shape ``(N,)``; not reduced. Images of classes that the old model does not
        know learn from the independent model alone.

    Raises:
        ValueError: If the shapes do not fit or a setting is out of range.

    Example:
        >>> import torch
        >>> new, old = torch.zeros(1, 3), torch.tensor([[1.0, 0.0]])
        >>> labels, known = torch.tensor([0]), torch.tensor([0, 1])
        >>> double_source_distillation(new, old, new, labels, known, base=1.0, scale=1.0, temperature=1.0)
        tensor([0.2219])
    """
    checks.same_shape(new=new, independent=independent)
    checks.logits_and_labels(new, labels)
    if tuple(old_classes.shape) != (old.shape[1],):
        raise ValueError(f"old_classes must have shape ({old.shape[1]},), got {tuple(old_classes.shape)}")
    place = labels[:, None] == old_classes
    known = place.any(dim=1)
    old_labels = place.int().argmax(dim=1).masked_fill(~known, -1)
    from_old, from_new = (
        kl_distillation(a, b, temperature=temperature, scale_by_square=scale_by_square)
        for a, b in ((new.index_select(1, old_classes), old), (new, independent))
    )
    weight_old = old_correct(old, old_labels, base=base, scale=scale) * (known | (labels < 0))
    return weight_old * from_old + old_correct(independent, labels, base=base, scale=scale) * from_new
