"""Exact searches against a full sort, whatever the blocks."""

import numpy as np
import pytest

from modelheir.selection import nearest
from modelheir.selection.nearest import by_bits, by_cosine, unit


@pytest.mark.parametrize("cells", [7, 50, 2**20])
def test_the_nearest_are_those_of_a_full_sort(monkeypatch, cells):
    monkeypatch.setattr(nearest, "_CELLS", cells)
    rng = np.random.default_rng(0)
    queries, known = unit(rng.normal(size=(6, 5))), unit(rng.normal(size=(23, 4, 5)))
    pairs, close = by_cosine(queries, lambda part: known[part], 23, k=3, least=0.2)
    every = np.einsum("qd,rvd->qrv", queries, known).max(axis=2)
    wanted = [(q, r) for q in range(6) for r in np.argsort(-every[q], kind="stable")[:3] if every[q, r] >= 0.2]
    assert list(map(tuple, pairs.tolist())) == wanted
    assert np.allclose(close, [every[pair] for pair in wanted])


@pytest.mark.parametrize("cells", [5, 2**20])
def test_bits_likewise(monkeypatch, cells):
    monkeypatch.setattr(nearest, "_CELLS", cells)
    rng = np.random.default_rng(1)
    queries, known = (rng.integers(0, 64, n).astype(np.uint64) for n in (4, 11))
    pairs, bits = by_bits(queries, known, k=4, most=2)
    every = np.array([[(int(a) ^ int(b)).bit_count() for b in known] for a in queries])
    wanted = [(q, r) for q in range(4) for r in np.argsort(every[q], kind="stable")[:4] if every[q, r] <= 2]
    assert list(map(tuple, pairs.tolist())) == wanted
    assert bits.tolist() == [every[pair] for pair in wanted]


def test_nothing_is_near_to_nothing():
    assert by_cosine(np.zeros((2, 3)), lambda part: np.eye(3)[part], 3, k=2, least=0.1)[0].shape == (0, 2)
    assert by_bits(np.zeros(2, np.uint64), np.zeros(0, np.uint64), k=2, most=3)[0].shape == (0, 2)
    assert np.array_equal(unit(np.zeros((1, 3))), np.zeros((1, 3)))
