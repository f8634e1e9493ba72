r"""Which images keep their label where only few may: a share of all, or a number a class.

Within a class the images stand in one order, a hash of sample id and seed; a smaller subset is the beginning of a
larger one, whatever the order of the rows, and no global generator is touched. With ``N_c`` of ``N`` images in class
``c`` and ``n = floor(q N)`` labels for the share ``q`` (so the standard lists of ImageNet have 12,811 and 128,116):

- ``stratified``: each class keeps ``floor`` or ``ceil`` of ``n N_c / N``, and all together ``n``.
- ``balanced``: places go round the classes, one a class, passing over classes that have no more; together ``n``.
- ``published_stratified`` and ``published_balanced``: the rules of :mod:`~modelheir.data.cascade`, with their faults.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Literal, NamedTuple

import numpy as np

from modelheir import checks
from modelheir.checks import InputError
from modelheir.data.carving import ranked
from modelheir.data.cascade import cascade_balanced, cascade_stratified
from modelheir.data.quotas import balanced_quotas, stratified_quotas

__all__ = ["RULES", "Amount", "Rule", "frequent_classes", "parse_amount", "require_every_class", "split_labels"]

Rule = Literal["stratified", "balanced", "published_stratified", "published_balanced"]
RULES: tuple[Rule, ...] = ("stratified", "balanced", "published_stratified", "published_balanced")


class Amount(NamedTuple):
    """How many labels are kept."""

    number: float  #: a share of all, above 0 to 1; or images a class, a whole number from 1
    per_class: bool


def parse_amount(amount: float | str) -> Amount:
    """Read ``0.01``, ``"1 %"`` or ``"5 per class"``.

    Raises:
        InputError: If it is none of these, or out of range.

    Example:
        >>> parse_amount("1 %"), parse_amount("5 per class")
        (Amount(number=0.01, per_class=False), Amount(number=5.0, per_class=True))
    """
    found = re.fullmatch(r"\s*([0-9.eE+-]+)\s*(%|[_-]?per[ _-]class)?\s*", str(amount))
    try:
        number, unit = float(found[1]), found[2]  # pyright: ignore[reportOptionalSubscript]
    except (TypeError, ValueError):
        raise InputError(
            f"labels = {amount!r}: must be a share such as 0.01 or 1 %, or such as '5 per class'."
        ) from None
    number = number / 100 if unit == "%" else number
    if unit and unit != "%":
        if number < 1 or number != int(number):
            raise InputError(f"labels = {amount!r}: a number per class must be a whole one, >= 1.")
    elif not 0 < number <= 1:
        raise InputError(
            f"labels = {amount!r}: a share must be above 0 and at most 1; write '5 per class' for a count."
        )
    return Amount(number, bool(unit) and unit != "%")


def split_labels(
    labels: np.ndarray,
    amount: float | str | Amount,
    *,
    rule: Rule = "stratified",
    seed: int,
    ids: Sequence[str] | np.ndarray | None = None,
    classes: Sequence[str] | None = None,
) -> np.ndarray:
    """Choose the rows whose label is kept.

    Args:
        labels: Class numbers ``(N,)``; -1 is none and never chosen.
        amount: As in :func:`parse_amount`; a share is one of the labelled rows.
        rule: How a share is divided among the classes; a number per class needs none.
        seed: Of the order within the classes.
        ids: Sample ids ``(N,)``, which the order hangs on; ``None``: the numbers of the rows stand for them.
        classes: Names by number, each of which must get a label; ``None``: the numbers that occur.

    Returns:
        Rows, int64, rising. The same ids, labels and seed give the same images in any order of rows; a larger amount
        of the same kind and rule (but for the published ones) holds a smaller one.

    Raises:
        InputError: If a class gets no label, or has fewer images than are asked for; it is named.
    """
    checks.one_of(RULES, rule=rule)
    labels = np.asarray(labels, np.int64)
    wanted = amount if isinstance(amount, Amount) else parse_amount(amount)
    numbers, place = np.unique(labels[labels >= 0], return_inverse=True)  # numbers may have gaps; places have none
    counts = np.bincount(place, minlength=len(numbers))
    require_every_class(labels, np.flatnonzero(labels >= 0), classes)
    quotas = _quotas(counts, wanted, rule)
    short = [(number, have) for number, have, quota in zip(numbers, counts, quotas, strict=True) if quota > have]
    if short:
        number, have = short[0]
        raise InputError(
            f"{wanted.number:g} labels per class are asked for, but {len(short)} of {len(numbers)} classes have fewer, "
            f"such as {_name(int(number), classes)} with {have}: ask for less."
        )
    places = np.full(len(labels), -1)
    places[labels >= 0] = place
    names = np.arange(len(labels)) if ids is None else np.asarray(ids)
    checks.same_length(labels=labels, ids=names)
    order = ranked(names, places, len(numbers), f"labels:{seed}")
    rows = np.sort(np.concatenate([members[:n] for members, n in zip(order, quotas, strict=True)]))
    require_every_class(labels, rows, classes)
    return rows


def require_every_class(labels: np.ndarray, rows: np.ndarray, classes: Sequence[str] | None = None) -> None:
    """Raise :class:`InputError` unless the rows hold a label of every class.

    Args:
        labels: Class numbers ``(N,)``, -1 is none.
        rows: Those whose label is kept.
        classes: Names by number; ``None``: every number that occurs in ``labels`` is asked for.
    """
    labels = np.asarray(labels, np.int64)
    wanted = np.unique(labels[labels >= 0]) if classes is None else np.arange(len(classes))
    missing = np.setdiff1d(wanted, labels[rows])
    if len(missing) or not len(wanted):
        named = ", ".join(_name(int(number), classes) for number in missing[:5]) or "any"
        raise InputError(
            f"{max(len(missing), 1)} of {max(len(wanted), 1)} classes would have no label ({named}"
            f"{', ...' if len(missing) > 5 else ''}): keep more labels, balance the classes, or drop those classes."
        )


def _quotas(counts: np.ndarray, wanted: Amount, rule: Rule) -> np.ndarray:
    if wanted.per_class:
        return np.full(len(counts), int(wanted.number))
    if rule == "published_stratified":
        return cascade_stratified(counts, wanted.number)
    if rule == "published_balanced":
        return cascade_balanced(counts, wanted.number)
    total = int(np.floor(round(wanted.number * int(counts.sum()), 6)))
    return stratified_quotas(counts, total) if rule == "stratified" else balanced_quotas(counts, total)


def frequent_classes(labels: np.ndarray, count: int) -> np.ndarray:
    """Return the class numbers with the most images, int64 ``(count,)``, rising; of equals the lower number.

    The published code means this for the 1,010 classes of iNaturalist, and keeps those with the highest numbers.

    Raises:
        ValueError: If there are not so many classes.

    Example:
        >>> frequent_classes(np.array([7, 7, 3, 9, 9, 9, -1, -1]), 2).tolist()
        [7, 9]
    """
    labels = np.asarray(labels, np.int64)
    numbers, counts = np.unique(labels[labels >= 0], return_counts=True)
    checks.in_range(1, len(numbers), count=count)
    return np.sort(numbers[np.argsort(-counts, kind="stable")[:count]])


def _name(number: int, classes: Sequence[str] | None) -> str:
    return f"class {number}" if classes is None else classes[number]
