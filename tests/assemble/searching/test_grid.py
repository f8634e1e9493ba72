"""The grid: every combination once, numbered from 0."""

import itertools

import pytest

from modelheir.assemble.searching.grid import combination, combinations
from modelheir.checks import InputError
from modelheir.config.search import Listed, Range

SPACE = {
    "method.views": Listed((("a", "b"), ("a", "c"), ("b", "c"))),
    "method.labels": Listed(("0.01", "0.1")),
    "method.label_rule": Listed(("stratified", "balanced")),
}


def test_every_combination_once_and_the_last_changes_fastest():
    """The oracle is three loops."""
    rows = [combination(SPACE, number) for number in range(combinations(SPACE))]
    wanted = [
        {"method.views": pair, "method.labels": share, "method.label_rule": rule}
        for pair in itertools.combinations("abc", 2)
        for share in ("0.01", "0.1")
        for rule in ("stratified", "balanced")
    ]
    assert rows == wanted
    assert combination(SPACE, len(rows)) is None


def test_a_range_is_refused():
    with pytest.raises(InputError, match=r"fit\.lr is given by a range, and the grid strategy goes through lists"):
        combinations({"fit.lr": Range(0.1, 0.2)})
