"""Whether a teacher says anything: its predictions against a guess."""

from __future__ import annotations

import numpy as np

from modelheir.types import Predictions

__all__ = ["is_informative"]


def is_informative(predictions: Predictions, *, significance: float = 0.05) -> tuple[bool, float]:
    """Tell whether predictions know more about the labels than a guess.

    The best guess without looking names the largest class always, and is right as often as that class is. The answer
    is a one-sided exact binomial test against that share: an accuracy that is only a little higher, or only on a few
    images, does not count as knowledge. Where not even a model without an error could pass (few images, nearly all of
    one class), the guess names each class as often as the predictions do.

    Args:
        predictions: Rows with label -1 do not count.
        significance: Probability of taking a guesser for informed, 0 to 1.

    Returns:
        The answer, and the accuracy, a fraction. Without any label the answer is yes and the accuracy NaN: nothing
        speaks against it.
    """
    from scipy.stats import binom

    known = predictions.label >= 0
    label, prediction = predictions.label[known], predictions.prediction[known]
    count = len(label)
    if count == 0:
        return True, float("nan")
    right = int((label == prediction).sum())
    classes = int(max(label.max(), prediction.max())) + 1
    share, habit = (np.bincount(said[said >= 0], minlength=classes) / count for said in (label, prediction))
    largest = float(share.max())
    guess = largest if largest**count < significance else float(share @ habit)
    return bool(right / count > largest and binom.sf(right - 1, count, guess) < significance), right / count
