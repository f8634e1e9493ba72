"""Which column belongs to which parameter."""

import numpy as np
import pytest

from modelheir.subspace import Layout

LAYOUT = Layout(("a", "b", "c"), ((2, 3), (), (4,)))


def test_rows_split_into_parameters_and_join_again():
    rows = np.arange(22).reshape(2, 11)
    parts = LAYOUT.split(rows)
    assert {name: part.shape for name, part in parts.items()} == {"a": (2, 2, 3), "b": (2,), "c": (2, 4)}
    assert parts["a"][1].tolist() == [[11, 12, 13], [14, 15, 16]]
    assert parts["b"].tolist() == [6, 17]
    assert LAYOUT.join({**{name: part[1] for name, part in parts.items()}, "more": np.ones(3)}).tolist() == (
        list(range(11, 22))
    )
    assert np.shares_memory(parts["c"], rows)
    assert (LAYOUT.sizes, LAYOUT.starts, LAYOUT.width) == ((6, 1, 4), (0, 6, 7, 11), 11)
    assert LAYOUT.columns("b") == slice(6, 7)


def test_what_is_no_layout_or_no_row_of_it_is_refused():
    with pytest.raises(ValueError, match="unique"):
        Layout(("a", "a"), ((1,), (1,)))
    with pytest.raises(ValueError, match="as many as shapes"):
        Layout(("a",), ((1,), (1,)))
    with pytest.raises(ValueError, match="11 columns"):
        LAYOUT.split(np.zeros((2, 10)))
    with pytest.raises(ValueError, match="b must be there"):
        LAYOUT.join({"a": np.zeros((2, 3)), "c": np.zeros(4)})
    with pytest.raises(ValueError, match="c must be there, of shape"):
        LAYOUT.join({"a": np.zeros((2, 3)), "b": np.zeros(()), "c": np.zeros(5)})


def test_the_digest_tells_names_shapes_and_rows_apart():
    others = [Layout(("a", "b", "d"), LAYOUT.shapes), Layout(LAYOUT.names, ((3, 2), (), (4,)))]
    found = {one.digest(rows) for one in [LAYOUT, *others] for rows in (["x", "y"], ["y", "x"])}
    assert len(found) == 6
    assert LAYOUT.digest(["x", "y"]) == Layout(("a", "b", "c"), ((2, 3), (), (4,))).digest(("x", "y"))
