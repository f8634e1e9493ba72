from itertools import chain

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from modelheir.checks import InputError
from modelheir.data.streams.order import Order


def rows_of(order, epoch=0, start=0):
    return [rows.tolist() for _, rows in order.batches(epoch, start)]


def test_training_is_the_philox_permutation_without_its_tail():
    key = np.array([5, 2], dtype=np.uint64)
    expected = np.random.Generator(np.random.Philox(key=key)).permutation(10)
    assert rows_of(Order(n=10, batch_size=4, shuffle=True, seed=5), 2) == [
        expected[:4].tolist(),
        expected[4:8].tolist(),
    ]


@settings(deadline=None, max_examples=25)
@given(st.integers(1, 40), st.integers(1, 6), st.sampled_from([1, 2, 3]), st.booleans())
def test_processes_together_read_what_one_reads(n, half, world, train):
    batch = half * world
    if train and n < world:
        return
    alone = rows_of(Order(n=n, batch_size=batch, shuffle=train, seed=1))
    shares = [rows_of(Order(n=n, batch_size=batch, shuffle=train, seed=1, rank=r, world=world)) for r in range(world)]
    if train:
        whole = n // world * world if n < batch else batch
        together = [list(chain(*parts)) for parts in zip(*shares, strict=True)]
        assert together == [rows[:whole] for rows in alone]
        assert {len(rows) for share in shares for rows in share} == {whole // world}  # what all-gather needs
    else:
        assert sorted(chain(*chain(*shares))) == list(range(n)) == list(chain(*alone))


@pytest.mark.parametrize("train", [True, False])
def test_start_is_a_slice_and_length_is_true(train):
    order = Order(n=11, batch_size=3, shuffle=train, seed=-4)
    assert rows_of(order, 1, 2) == rows_of(order, 1)[2:]
    assert len(order) == len(rows_of(order)) == (3 if train else 4)
    assert rows_of(order, 1, 99) == []


@pytest.mark.parametrize("n", [11, 10, 9, 2])
@pytest.mark.parametrize("world", [1, 2])
def test_the_last_incomplete_batch_is_kept_on_request(n, world):
    """It has what can be shared equally; with nothing to share there is none."""
    orders = [
        Order(n=n, batch_size=4 if world == 2 else 3, shuffle=True, drop_last=False, seed=0, rank=r, world=world)
        for r in range(world)
    ]
    size, together = orders[0].batch_size, [rows_of(order) for order in orders]
    assert {len(order) for order in orders} == {len(rows) for rows in together}
    assert len({tuple(map(len, rows)) for rows in together}) == 1
    read = sorted(chain(*chain(*together)))
    assert len(set(read)) == len(read) == n - n % size % world
    assert [len(rows) * world for rows in together[0]][:-1] == [size] * (len(together[0]) - 1)


def test_fewer_rows_than_a_batch_are_one_batch_of_all():
    order = Order(n=3, batch_size=8, shuffle=True, seed=0)
    assert len(order) == 1
    assert sorted(rows_of(order)[0]) == [0, 1, 2]
    assert rows_of(order, 0, 1) == []


def test_epochs_and_seeds_differ():
    assert rows_of(Order(n=50, batch_size=50, shuffle=True, seed=0)) != rows_of(
        Order(n=50, batch_size=50, shuffle=True, seed=1)
    )
    order = Order(n=50, batch_size=50, shuffle=True, seed=0)
    assert rows_of(order, 0) != rows_of(order, 1)


def test_errors_say_the_rule():
    with pytest.raises(InputError, match="must divide evenly over 2 processes"):
        Order(n=9, batch_size=3, shuffle=True, seed=0, world=2)
    with pytest.raises(InputError, match="3 training images cannot be shared by 4 processes"):
        Order(n=3, batch_size=4, shuffle=True, seed=0, world=4)
    with pytest.raises(ValueError, match="rank must be from 0 to 1"):
        Order(n=9, batch_size=2, shuffle=False, seed=0, rank=2, world=2)
