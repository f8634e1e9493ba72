"""Class lists: which classes of two lists are the same. The one rule of training, prediction and comparison.

Classes are the same where their names are equal; numbers written as names (``"0"``, ``"1"``) are names like any other.
Two lists are taken in order, as far as the shorter one goes, only where one of them has no names, or where the user
says ``by-order``. Two lists of names that share none are an error: whoever means the order has to say so.
"""

from __future__ import annotations

import collections
import dataclasses
import itertools
from collections.abc import Sequence

import numpy as np

from modelheir import checks
from modelheir.checks import InputError

__all__ = [
    "BY_NAME",
    "BY_ORDER",
    "BY_ORDER_ADVICE",
    "RULES",
    "ClassList",
    "ClassMatch",
    "match_classes",
    "renumber",
    "some_names",
]

BY_NAME, BY_ORDER = "by-name", "by-order"
RULES = (BY_NAME, BY_ORDER)  #: how two lists can be matched: the words of ``--classes``

#: what to end an error with where the user can say so
BY_ORDER_ADVICE = ", or match them in order with --classes by-order"

ClassList = Sequence[str] | int | None  #: names in the order of the logits; a number of classes; or nothing known


@dataclasses.dataclass(frozen=True, eq=False)
class ClassMatch:
    """Which classes of two lists, *ours* and *theirs*, are the same."""

    ours: tuple[str, ...]  #: names; where a list has none, its numbers as text
    theirs: tuple[str, ...]
    to_theirs: np.ndarray  #: int64 ``(len(ours),)``: their number of each of our classes, -1 where they lack it
    to_ours: np.ndarray  #: int64 ``(len(theirs),)``: our number of each of their classes, -1 where we lack it
    in_order: bool  #: taken in order, not by name
    together: tuple[str, ...] | None  #: every class once, ours first; ``None`` where neither list has names

    @property
    def identical(self) -> bool:
        """Whether every class has one number in both lists."""
        same = np.arange(len(self.ours))
        return len(self.ours) == len(self.theirs) and bool((self.to_theirs == same).all())

    @property
    def pairs(self) -> tuple[tuple[int, int], ...]:
        """``(our number, their number)`` of each shared class, in our order."""
        return tuple((int(i), int(self.to_theirs[i])) for i in np.flatnonzero(self.to_theirs >= 0))

    @property
    def lacking(self) -> tuple[str, ...]:
        """Names of our classes that they lack."""
        return tuple(self.ours[i] for i in np.flatnonzero(self.to_theirs < 0))

    @property
    def further(self) -> tuple[str, ...]:
        """Names of their classes that we lack."""
        return tuple(self.theirs[j] for j in np.flatnonzero(self.to_ours < 0))

    @property
    def numbers_together(self) -> np.ndarray:
        """The number of each of *their* classes in ``together``, ``(len(theirs),)``; ours keep their numbers."""
        further = self.to_ours < 0
        return np.where(further, len(self.ours) + np.cumsum(further) - 1, self.to_ours)

    @property
    def theirs_together(self) -> tuple[str, ...]:
        """What each of *their* classes is called in ``together``: by our name where they are taken in order."""
        if self.together is None:
            return self.theirs
        return tuple(self.together[number] for number in self.numbers_together)

    def in_words(self, most: int = 3) -> str:
        """Say which of their classes is which of ours, such as ``0 = cat, 1 = dog, ...``."""
        pairs = self.pairs
        said = [f"{self.theirs[j]} = {self.ours[i]}" for i, j in pairs[:most]]
        return ", ".join([*said, *(["..."] if len(pairs) > most else [])])


def match_classes(
    ours: ClassList,
    theirs: ClassList,
    *,
    rule: str = BY_NAME,
    names: tuple[str, str] = ("our list", "their list"),
    advice: str = "",
    may_differ: bool = False,
) -> ClassMatch:
    """Match two class lists: by name where both have names, else in order.

    Args:
        ours: Names in the order of the logits, or how many classes there are; ``None`` is as many as the other has.
        theirs: The same of the other side; not both are ``None``.
        rule: ``by-name``, or ``by-order`` where the user says that names do not count.
        names: What to call the two in errors, such as ``("the data", "the model")``.
        advice: What else than giving both the same names would help, to end the error with.
        may_differ: Lists that share nothing are no error.

    Raises:
        InputError: If a list names a class twice, or the two share no class.

    Example:
        >>> found = match_classes(["cat", "dog", "owl"], ["owl", "cat"])
        >>> found.to_theirs.tolist(), found.to_ours.tolist(), found.lacking
        ([1, -1, 0], [2, 0], ('dog',))
        >>> match_classes(["cat", "dog"], 3).in_words()
        '0 = cat, 1 = dog'
    """
    checks.one_of(RULES, classes=rule)
    lists = [_names(one, other, called) for one, other, called in ((ours, theirs, names[0]), (theirs, ours, names[1]))]
    named = [isinstance(one, Sequence) for one in (ours, theirs)]
    in_order = rule == BY_ORDER or not all(named)
    if in_order:
        shared = min(len(one) for one in lists)
        tables = [np.where(np.arange(len(one)) < shared, np.arange(len(one)), -1) for one in lists]
    else:
        places = [{name: number for number, name in enumerate(one)} for one in lists]
        tables = [
            np.array([place.get(name, -1) for name in one], np.int64)
            for one, place in zip(lists, reversed(places), strict=True)
        ]
    if not may_differ and not (tables[0] >= 0).any():
        raise InputError(
            f"{names[0]} and {names[1]} share no class name: {names[0]} has {some_names(lists[0])}, "
            f"{names[1]} has {some_names(lists[1])}; give both the same names{advice}."
        )
    return ClassMatch(lists[0], lists[1], tables[0], tables[1], in_order, _together(lists, tables[1], named))


def renumber(values: np.ndarray, table: np.ndarray) -> np.ndarray:
    """Translate class numbers ``(N,)`` by a table such as ``to_ours``; numbers below 0 (unlabelled) stay.

    >>> renumber(np.array([0, -1, 1]), np.array([5, -1])).tolist()
    [5, -1, -1]
    """
    return np.where(values >= 0, np.append(table, -1)[np.maximum(values, -1)], values)


def some_names(names: Sequence[str], most: int = 3) -> str:
    """Return the first few names as text, or "no classes".

    >>> some_names(["cat", "dog", "owl", "pig"])
    'cat, dog, owl, ...'
    """
    return ", ".join([*names[:most], *(["..."] if len(names) > most else [])]) or "no classes"


def _names(given: ClassList, other: ClassList, called: str) -> tuple[str, ...]:
    """Return names, or numbers as text, and require that none repeats."""
    if given is None:
        given = other if isinstance(other, int) else None if other is None else len(other)
    if given is None:
        raise ValueError("one of the two class lists must be known")
    if isinstance(given, int):
        return tuple(str(number) for number in range(given))
    if len(set(given)) < len(given):
        again = sorted(name for name, count in collections.Counter(given).items() if count > 1)
        raise InputError(f"class names of {called} repeat: {some_names(again, 5)}; name every class once.")
    return tuple(given)


def _together(lists: Sequence[tuple[str, ...]], to_ours: np.ndarray, named: Sequence[bool]) -> tuple[str, ...] | None:
    """Name every class of both lists once; numbers give way to names, and a name that is taken gets a number."""
    if not any(named):
        return None
    ours, theirs = lists
    first = ours if named[0] else (*theirs[: len(ours)], *ours[len(theirs) :])
    found: dict[str, None] = {}
    for name in (*first, *(theirs[number] for number in np.flatnonzero(to_ours < 0))):
        free = (f"{name} ({number})" for number in itertools.count(2))
        found[name if name not in found else next(one for one in free if one not in found)] = None
    return tuple(found)
