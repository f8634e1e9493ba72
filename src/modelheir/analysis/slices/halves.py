"""The labelled images of a search: their features in few axes, and the half that finds groups or tests them."""

from __future__ import annotations

import dataclasses
import hashlib
from collections.abc import Sequence

import numpy as np

from modelheir.analysis.pairing import Pair
from modelheir.analysis.slices.clusters import project
from modelheir.checks import InputError
from modelheir.metrics.join import name_ids
from modelheir.metrics.outcomes import outcomes

__all__ = ["Images", "drawn", "in_finding_half", "labelled_images"]

_FIT = 10_000  #: images of the finding half from which axes and centres are taken
_HELD = 1 << 24  #: numbers of features held in memory for the axes
_FEWEST = 20  #: images from which axes are taken, however wide they are
_BLOCK = 8192  #: rows of features at a time


@dataclasses.dataclass(frozen=True, eq=False)
class Images:
    """The labelled images, by sample id, so that the order of rows in a file changes nothing."""

    order: np.ndarray  #: ``(N,)`` places in the pair
    flipped: np.ndarray  #: ``(N,)`` bool, newly wrong
    finding: np.ndarray  #: ``(N,)`` bool, else testing
    label: np.ndarray  #: ``(N,)`` place of the class among the pair's
    points: np.ndarray  #: ``(N, d)`` main coordinates of the features


def in_finding_half(ids: Sequence[str]) -> np.ndarray:
    """Tell of each image, ``(N,)`` bool, whether groups are found on it or tested: one bit of its id's SHA-256.

    >>> in_finding_half(["a", "b", "e"]).tolist()
    [False, False, True]
    """
    bits = (hashlib.sha256(str(one).encode("utf-8", "surrogatepass")).digest()[0] & 1 for one in ids)
    return np.fromiter(bits, bool, len(ids))


def labelled_images(pair: Pair, features: tuple[np.ndarray, np.ndarray] | None) -> Images:
    """Collect what a search needs to know of each image.

    Args:
        pair: The two models' predictions.
        features: Sample ids ``(M,)`` and features ``(M, D)``; ``None`` takes those of the new model, else of the old.

    Raises:
        InputError: If there are no features, an image has none, or one is not finite.
    """
    values, rows = _features(pair, features)
    for start in range(0, len(rows), _BLOCK):
        bad = ~np.isfinite(values[rows[start : start + _BLOCK]]).all(axis=1)
        if bad.any():
            named = name_ids(pair.sample_id[start : start + _BLOCK][bad][:6])
            raise InputError(f"features are not finite numbers for some images, such as {named}: compute them again.")
    order = np.argsort(pair.sample_id, kind="stable")
    finding = in_finding_half(pair.sample_id[order].tolist())
    if not 0 < finding.sum() < len(finding):
        raise InputError("all sample ids fall into one half: use other ids.")
    flips = outcomes(pair.old.prediction, pair.new.prediction, pair.label) == 1
    return Images(
        order=order,
        flipped=flips[order],
        finding=finding,
        label=np.searchsorted(pair.numbers, pair.label[order]),
        points=project(values, rows[order], drawn(finding, most=max(_FEWEST, _HELD // values.shape[1]))),
    )


def drawn(finding: np.ndarray, most: int = _FIT) -> np.ndarray:
    """Return places of images of the finding half, evenly over them, for axes and centres."""
    places = np.flatnonzero(finding)
    return places[:: -(-len(places) // min(most, _FIT))]


def _features(pair: Pair, given: tuple[np.ndarray, np.ndarray] | None) -> tuple[np.ndarray, np.ndarray]:
    """Return features, and the row of each image in them."""
    for side in (pair.new, pair.old):
        if given is None and side.predictions.features is not None:
            values = side.predictions.features
            return values, np.arange(len(values)) if side.rows is None else side.rows
    if given is None:
        raise InputError(
            "finding slices needs features of the images, and neither file has a column 'features': predict with "
            "--features true (or train with --fit.save_features true), or give --features FILE."
        )
    ids, values = given
    order = np.argsort(ids, kind="stable")
    place = np.searchsorted(ids, pair.sample_id, sorter=order).clip(max=max(len(ids) - 1, 0))
    missing = pair.sample_id[ids[order[place]] != pair.sample_id] if len(ids) else pair.sample_id
    if len(missing):
        raise InputError(
            f"the features lack {len(missing):,} of {len(pair.sample_id):,} images ({name_ids(missing[:6])}): "
            "give a file with the features of all."
        )
    return values, order[place]
