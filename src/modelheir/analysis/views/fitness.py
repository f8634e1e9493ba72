"""Whether several views are fit for co-training: how good each is, what they know apart, and where the gain comes from.

From what each view said about the same labelled images, which had no part in training. Where a concatenation of the
views, or the views after co-training, are given too, the gain is divided: joint prediction alone, and teaching.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping

import numpy as np

from modelheir.analysis.record import Rate
from modelheir.analysis.views.found import Gain, ViewFitness, ViewPair, ViewRow
from modelheir.checks import InputError
from modelheir.metrics.agreement import agreement
from modelheir.metrics.calibration import calibration_error
from modelheir.metrics.confidence import softmax
from modelheir.metrics.joint import JointRule, joint_logits, view_logits
from modelheir.metrics.outcomes import count_outcomes, outcomes
from modelheir.metrics.statistics.intervals import exact
from modelheir.metrics.statistics.mcnemar import mcnemar
from modelheir.metrics.statistics.paired import paired_difference
from modelheir.metrics.views.conditional_dependence import conditional_dependence
from modelheir.metrics.views.shared_errors import expected_double_fault, shared_errors
from modelheir.types import Predictions

__all__ = ["view_fitness"]


def view_fitness(
    views: Mapping[str, Predictions],
    *,
    rule: JointRule = "product",
    prior: np.ndarray | None = None,
    concatenated: Predictions | None = None,
    taught: Mapping[str, Predictions] | None = None,
    confidence: float = 0.95,
    draws: int = 200,
    seed: int = 0,
) -> ViewFitness:
    """Judge views by what they said about the same images; those without a label are left out.

    Args:
        views: Name -> what a view said, two or more, trained on the labels alone; rows in any order.
        rule: How views are joined.
        prior: Class frequencies ``(C,)``, read by ``prior_product``.
        concatenated: What one model on all views side by side said.
        taught: Name -> what a view said after co-training; adds the gain by teaching.
        confidence: Two-sided, of the intervals.
        draws: Of the permutation test of dependence.
        seed: Of these draws.

    Returns:
        The table; the best view is the best on these very images, so gains over it are rather too small.

    Raises:
        InputError: If there are fewer than two views, none of the images has a label, or the files do not describe
            the same images and classes or lack scores.

    Example:
        >>> ids, label = np.array(list("abcd")), np.array([0, 1, 0, 1])
        >>> logits = [np.log([[0.9, 0.1], [0.2, 0.8], [0.4, 0.6], [0.1, 0.9]]),
        ...           np.log([[0.9, 0.1], [0.6, 0.4], [0.9, 0.1], [0.1, 0.9]])]
        >>> left, right = (Predictions(ids, label, z.argmax(1), logits=z) for z in logits)
        >>> found = view_fitness({"left": left, "right": right})
        >>> found.together[0].accuracy.value, found.gains[0].gain.value, found.pairs[0].agreement
        (1.0, 0.25, 0.5)
    """
    if len(views) < 2:
        raise InputError(f"{len(views)} view was given ({', '.join(views) or 'none'}): two or more are compared.")
    later = {f"{name} after teaching": found for name, found in (taught or {}).items()}
    whole = {} if concatenated is None else {"the concatenation": concatenated}
    members = {**views, **whole, **later}
    first = next(iter(views.values()))
    known = np.asarray(first.label) >= 0
    if not known.any():
        raise InputError(f"none of the {len(known):,} images has a label, so no view can be judged.")
    label = np.asarray(first.label)[known]
    scores = {
        name: found[known]
        for name, found in zip(members, view_logits(list(members.values()), names=list(members)), strict=True)
    }
    joined = {"the joint prediction": joint_logits([scores[name] for name in views], rule=rule, prior=prior)}
    joined |= {name: scores[name] for name in whole}
    if later:
        joined["the joint prediction after teaching"] = joint_logits(
            [scores[name] for name in later], rule=rule, prior=prior
        )
    said = {name: found.argmax(axis=1) for name, found in (scores | joined).items()}
    right = {name: found == label for name, found in said.items()}
    best = max(views, key=lambda name: right[name].mean())
    against = [("the joint prediction", best), *(("the joint prediction", name) for name in whole)]
    if later:
        against += [("the joint prediction after teaching", over) for over in ("the joint prediction", best, *whole)]
    generator = np.random.default_rng(seed)
    return ViewFitness(
        n=len(label),
        rule=rule,
        views=tuple(_row(name, scores[name], right[name], confidence) for name in views),
        pairs=tuple(
            _pair((one, two), said, label, confidence, draws, generator)
            for one, two in itertools.combinations(views, 2)
        ),
        together=tuple(_row(name, found, right[name], confidence) for name, found in joined.items()),
        any_right=_rate(np.any([right[name] for name in views], axis=0), confidence),
        gains=tuple(_gain(of, over, said, label, confidence) for of, over in against),
    )


def _row(name: str, logits: np.ndarray, right: np.ndarray, confidence: float) -> ViewRow:
    return ViewRow(name, _rate(right, confidence), calibration_error(softmax(logits).max(axis=1), right))


def _rate(hits: np.ndarray, confidence: float) -> Rate:
    return Rate(float(hits.mean()), exact(int(hits.sum()), len(hits), confidence=confidence))


def _pair(
    names: tuple[str, str],
    said: Mapping[str, np.ndarray],
    label: np.ndarray,
    confidence: float,
    draws: int,
    generator: np.random.Generator,
) -> ViewPair:
    first, second = (said[name] for name in names)
    right = first == label, second == label
    errors = shared_errors(*right)
    depends = conditional_dependence(first, second, label, draws=draws, generator=generator)
    return ViewPair(
        *names,
        agreement=agreement(first, second),
        first_alone=_rate(right[0] & ~right[1], confidence),
        second_alone=_rate(right[1] & ~right[0], confidence),
        first_saves=_known(errors.first_saves),
        second_saves=_known(errors.second_saves),
        both_wrong=errors.double_fault,
        both_wrong_expected=expected_double_fault(*right, label),
        q=_known(errors.q),
        phi=_known(errors.phi),
        dependence=_known(depends.share),
        dependence_p=depends.p,
    )


def _gain(of: str, over: str, said: Mapping[str, np.ndarray], label: np.ndarray, confidence: float) -> Gain:
    counts = count_outcomes(outcomes(said[over], said[of], label))[0]
    lost, won = int(counts[1]), int(counts[2])
    ends = paired_difference(counts, confidence=confidence)
    return Gain(of, over, Rate((won - lost) / len(label), ends), mcnemar(lost, won))


def _known(value: float) -> float | None:
    return None if math.isnan(value) else value
