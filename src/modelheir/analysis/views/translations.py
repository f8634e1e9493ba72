"""Every view translated into every other: the independence test of the paper, and what is left within the classes."""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping

import numpy as np

from modelheir.analysis.views.found import TranslationRow
from modelheir.checks import InputError
from modelheir.metrics.views.translation import translation

__all__ = ["view_translations"]


def view_translations(
    vectors: Mapping[str, np.ndarray], label: np.ndarray, held_out: np.ndarray
) -> tuple[TranslationRow, ...]:
    """Hold every pair of views against each other in both directions.

    Args:
        vectors: Name -> ``(N, D)`` of one view, of the same images in the same order.
        label: True classes, ``(N,)``; -1 is none.
        held_out: Which images are judged on, ``(N,)`` bool, all labelled; the others are fitted on.

    Raises:
        InputError: If there are fewer than two views, or one holds values that are not finite.
        ValueError: If shapes do not fit or labels are missing, see :func:`modelheir.metrics.views.translation`.
    """
    if len(vectors) < 2:
        raise InputError(f"{len(vectors)} view was given ({', '.join(vectors) or 'none'}): two or more are compared.")
    for name, found in vectors.items():
        broken = int((~np.isfinite(found)).any(axis=1).sum())
        if broken:
            raise InputError(f"view {name}: the vectors of {broken:,} images hold values that are not finite.")
    rows = []
    for source, target in itertools.permutations(vectors, 2):
        found = translation(vectors[source], vectors[target], label, held_out)
        values = {key: None if math.isnan(value) else value for key, value in found._asdict().items()}
        rows.append(TranslationRow(source, target, **values))  # pyright: ignore[reportArgumentType]
    return tuple(rows)
