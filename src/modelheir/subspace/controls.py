"""Planes that know nothing of a training, to compare with one that does: random ones, and waves over the weights."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from modelheir import checks
from modelheir.subspace.basis import Basis
from modelheir.subspace.combine import combine, gather, outline
from modelheir.subspace.gram import Gram
from modelheir.subspace.layout import Layout
from modelheir.subspace.spans import triangular

__all__ = ["dct_basis", "random_basis"]

_TILE = 2**15  #: columns that are drawn together, so that no block size changes what is drawn


def random_basis(
    layout: Layout, components: int, *, seed: int, folder: Path | None = None, size: int | None = None
) -> Basis:
    """Draw an orthonormal basis of a uniformly random plane.

    Li et al., "Measuring the Intrinsic Dimension of Objective Landscapes", 2018, arXiv:1804.08838, eq. 2. Ours
    differs: directions are orthonormal, where the paper's columns are only of length one.

    Args:
        layout: Of the weights, such as a trajectory's.
        components: Directions, from 1 to ``M``.
        seed: Of the draw; the same for any block size.
        folder: Where the basis is written while it is made, to stay there; absent keeps it in memory.
        size: Columns of a block that is in memory, over all directions.

    Example:
        >>> random_basis(Layout(("weight",), ((7,),)), 2, seed=0).components.shape
        (2, 7)
    """
    checks.in_range(1, layout.width, components=components)
    drawn = _Drawn(layout, components, seed)
    inner = triangular(Gram.of(drawn, size=size).products, 0.0)
    if len(inner) < components:
        raise ValueError("directions drawn at random depend on each other: draw fewer")
    return combine(drawn, inner, outline(drawn, components, "random", mean=False), folder=folder, size=size)


def dct_basis(
    layout: Layout, components: int, *, seed: int, folder: Path | None = None, size: int | None = None
) -> Basis:
    r"""Take rows of the orthonormal cosine transform over all weights as directions, of frequencies drawn by chance.

    .. math:: P_{kj} = \sqrt{2 / M} \cos\left(\pi f_k (j + 1/2) / M\right), \qquad f_k \in \{1, \dots, M - 1\}

    Args:
        layout: Of the weights, such as a trajectory's.
        components: Directions, from 1 to ``M - 1``.
        seed: Of the frequencies, which are distinct and ascending.
        folder: Where the basis is written while it is made, to stay there; absent keeps it in memory.
        size: Columns of a block that is in memory, over all directions.

    Example:
        >>> dct_basis(Layout(("weight",), ((2,),)), 1, seed=0).components.round(4)
        array([[ 0.7071, -0.7071]], dtype=float32)
    """
    width = layout.width
    checks.in_range(1, width - 1, components=components)
    rng = np.random.default_rng(seed)
    frequencies = np.sort(rng.choice(width - 1, components, replace=False, shuffle=False)) + 1
    waves = _Drawn(layout, components, seed)
    step = size or max(2**21 // components, 1)

    def parts() -> Iterator[tuple[int, np.ndarray]]:
        for start in range(0, width, step):
            odd = 2 * np.arange(start, min(start + step, width)) + 1
            angle = np.multiply.outer(frequencies, odd) % (4 * width)  # exact, before it is an angle
            yield start, (np.sqrt(2 / width) * np.cos(angle * (np.pi / (2 * width)))).astype(np.float32)

    return gather(outline(waves, components, "dct", mean=False), parts(), folder)


@dataclasses.dataclass(frozen=True)
class _Drawn:
    """Rows of normal draws, made where they are read."""

    layout: Layout
    count: int
    seed: int

    dtype = np.dtype(np.float32)
    rounding = 2.0**-24

    @property
    def digests(self) -> tuple[str, ...]:
        return tuple(f"{self.seed}/{number}" for number in range(self.count))

    def __len__(self) -> int:
        return self.count

    def block(self, start: int, stop: int) -> np.ndarray:
        tiles = range(start // _TILE, (stop - 1) // _TILE + 1)
        drawn = [
            np.random.default_rng((self.seed, tile)).standard_normal((self.count, _TILE), np.float32) for tile in tiles
        ]
        first = tiles.start * _TILE
        return np.concatenate(drawn, axis=1)[:, start - first : stop - first]
