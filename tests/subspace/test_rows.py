"""Rows in memory, and blocks of columns."""

import numpy as np
import pytest

from modelheir.checks import InputError
from modelheir.subspace import Layout, StackedRows, rows


def test_blocks_cover_the_columns_once_in_order():
    values = np.arange(21.0).reshape(3, 7)
    given = StackedRows(values)
    for size in (1, 3, 7, 50, None):
        found = list(rows.blocks(given, size=size))
        assert np.array_equal(np.concatenate([block for _, block in found], axis=1), values)
        assert [start for start, _ in found] == list(range(0, 7, size or 7))
    ((start, block),) = rows.blocks(given, range(2, 5), size=4)
    assert start == 2
    assert np.array_equal(block, values[:, 2:5])
    with pytest.raises(ValueError, match="size"):
        next(rows.blocks(given, size=0))


def test_a_usual_block_is_eight_megabytes():
    (first, block), (second, _) = rows.blocks(StackedRows(np.zeros((4, 2**19 + 1), np.float32)))
    assert (first, second, block.nbytes) == (0, 2**19, 2**23)


def test_types_and_digests():
    values = np.arange(6).reshape(2, 3)
    single, double = StackedRows(values.astype(np.int32)), StackedRows(values.astype(np.float64))
    assert (single.dtype, single.rounding) == (np.float32, 2.0**-24)
    assert (double.dtype, double.rounding) == (np.float64, 2.0**-53)
    assert len(set(single.digests)) == 2
    assert len(single) == 2
    block = double.block(0, 2)
    block[:] = 9
    assert double.block(0, 1)[1, 0] == 3


def test_what_is_not_finite_or_has_other_columns_is_refused():
    with pytest.raises(InputError, match=r"row 1 of 3 .* not finite"):
        StackedRows(np.array([[1.0], [np.inf], [np.nan]]))
    with pytest.raises(ValueError, match="4 columns"):
        StackedRows(np.zeros((2, 3)), Layout(("a",), ((4,),)))
    with pytest.raises(ValueError, match="must have rows"):
        StackedRows(np.zeros((0, 3)))
