r"""Joint prediction: what several views of the same images say together.

With probabilities ``p_v = softmax(z_v)`` of ``V`` views and the frequencies ``pi`` of the classes:

.. math:: product:\ \frac{\prod_v p_v(c)}{\sum_k \prod_v p_v(k)}, \qquad
          prior\_product:\ \propto \frac{\prod_v p_v(c)}{\pi(c)^{V-1}}, \qquad
          mean:\ \frac1V \sum_v p_v(c)

The product with the prior divided out is Bayes' rule where views are independent given the class (Blum and Mitchell,
"Combining labeled and unlabeled data with co-training", 1998): each view's answer holds the prior once, and together it
must count once. Meta Co-Training (arXiv:2311.18083) leaves it out, which is harmless for balanced classes only.
``logit_sum`` is ``softmax(sum_v z_v)``, the sum of logits that its code takes: the same numbers as the product, since
``prod_v p_v`` is in proportion to ``exp(sum_v z_v)``. Products are too sure where views err together: fit a temperature
on the sum (:func:`~modelheir.metrics.calibration.fit_temperature`).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import numpy as np

from modelheir import checks
from modelheir.metrics.confidence import log_softmax, softmax
from modelheir.metrics.ensemble import aligned_scores
from modelheir.types import Predictions

__all__ = ["JOINT_RULES", "JointRule", "joint_logits", "joint_predictions", "joint_probabilities", "view_logits"]

JointRule = Literal["product", "prior_product", "mean", "logit_sum"]
JOINT_RULES: tuple[JointRule, ...] = ("product", "prior_product", "mean", "logit_sum")


def joint_logits(
    logits: Sequence[np.ndarray], *, rule: JointRule = "product", prior: np.ndarray | None = None
) -> np.ndarray:
    """Return logits whose softmax is the joint probability; what a temperature divides.

    Args:
        logits: One array ``(N, C)`` a view; log probabilities are logits too.
        rule: How the views are joined.
        prior: Class frequencies ``(C,)``, above 0, in any unit; read by ``prior_product`` alone.

    Returns:
        Shape ``(N, C)``, float64: the sum of the logits for ``logit_sum``, else log probabilities but for a term that
        is the same for all classes.

    Raises:
        InputError: If the rule is unknown.
        ValueError: If there is no view, shapes differ, a logit is not a number, or ``prior_product`` has no usable
            prior.
    """
    checks.one_of(JOINT_RULES, rule=rule)
    if not len(logits):
        raise ValueError("a joint prediction needs at least one view")
    checks.same_shape(**{f"view {number}": np.asarray(view) for number, view in enumerate(logits)})
    joined = np.zeros_like(logits[0], dtype=np.float64)
    for number, view in enumerate(logits):
        if np.isnan(view).any():
            raise ValueError(f"view {number} has logits that are not numbers")
        joined += view if rule == "logit_sum" else softmax(view) if rule == "mean" else log_softmax(view)
    if rule == "mean":
        return _log(joined / len(logits))
    return joined - (len(logits) - 1) * _log_prior(prior, joined.shape[1]) if rule == "prior_product" else joined


def joint_probabilities(
    logits: Sequence[np.ndarray], *, rule: JointRule = "product", prior: np.ndarray | None = None
) -> np.ndarray:
    """Return what the views say together as probabilities ``(N, C)``, float64; arguments as :func:`joint_logits`.

    Example:
        >>> views = [np.log([[0.8, 0.2]]), np.log([[0.6, 0.4]])]
        >>> joint_probabilities(views).round(3).tolist(), joint_probabilities(views, rule="mean").round(3).tolist()
        ([[0.857, 0.143]], [[0.7, 0.3]])
        >>> joint_probabilities(views, rule="prior_product", prior=np.array([0.9, 0.1])).round(3).tolist()
        [[0.4, 0.6]]
    """
    return softmax(joint_logits(logits, rule=rule, prior=prior))


def view_logits(views: Sequence[Predictions], *, names: Sequence[str] | None = None) -> list[np.ndarray]:
    """Return the logits ``(N, C)`` of each view, rows joined by sample id and columns by class name.

    Args:
        views: One a view; the first gives the order of rows and columns. Where one has no logits, the logarithms of
            the probabilities stand for them in all.
        names: What to call the views in errors.

    Raises:
        InputError: If ids, labels or classes differ, or a view has no scores.
    """
    if all(view.logits is not None for view in views):
        return aligned_scores(views, names=names)
    return [_log(found) for found in aligned_scores(views, by="probabilities", names=names)]


def joint_predictions(
    views: Sequence[Predictions],
    *,
    rule: JointRule = "product",
    prior: np.ndarray | None = None,
    names: Sequence[str] | None = None,
) -> Predictions:
    """Return what several views say together about the same images.

    Args:
        views: One a view; the first gives order, labels and columns. A class that one view does not know is named by
            no product.
        rule: How the views are joined.
        prior: As in :func:`joint_logits`, in the first view's order of classes.
        names: What to call the views in errors.

    Returns:
        Predictions whose ``logits`` are those of :func:`joint_logits`.

    Raises:
        InputError: If ids, labels or classes differ, a view has no scores, or the rule is unknown.
        ValueError: If there is no view or no usable prior.
    """
    joined = joint_logits(view_logits(views, names=names), rule=rule, prior=prior)
    return Predictions(
        sample_id=views[0].sample_id,
        label=views[0].label,
        prediction=joined.argmax(axis=1).astype(np.int64),
        logits=joined,
        classes=views[0].classes,
        columns=views[0].columns,
    )


def _log(probabilities: np.ndarray) -> np.ndarray:
    return np.log(np.maximum(probabilities, np.finfo(np.float64).tiny, dtype=np.float64))


def _log_prior(prior: np.ndarray | None, classes: int) -> np.ndarray:
    if prior is None:
        raise ValueError("prior_product needs the class frequencies as prior")
    prior = np.asarray(prior, np.float64)
    if prior.shape != (classes,) or not (np.isfinite(prior) & (prior > 0)).all():
        raise ValueError(f"prior must be {classes} numbers above 0, one a class, got {prior.tolist()}")
    return np.log(prior / prior.sum())
