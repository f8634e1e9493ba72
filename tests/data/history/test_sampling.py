import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from modelheir.checks import InputError
from modelheir.data.history.sampling import allot, draw, quotas, step_seeds, train_part

THIRD = 1 / 3
WINDOWS = {
    0: [0.5, 0.5, 0, 0, 0], 1: [THIRD, THIRD, THIRD, 0, 0], 2: [0, THIRD, THIRD, THIRD, 0],
    3: [0, 0, THIRD, THIRD, THIRD],
}  # fmt: skip


def test_seeds_of_steps_are_numpy_s_old_ones():
    assert step_seeds(1007, 3) == [1007, 6906, 8583, 6709]
    assert step_seeds(1007, 7)[1:] == [6906, 8583, 6709, 343, 3609, 2375, 8750]


@pytest.mark.parametrize(
    ("n", "window", "fixed", "compat"),
    [
        (300, 0, [150, 150, 0, 0, 0], [150] * 5),
        (200, 1, [66, 66, 68, 0, 0], [66, 66, 68, 68, 68]),
        (300, 2, [0, 100, 100, 100, 0], [0, 100, 100, 100, 100]),
        (200, 3, [0, 0, 66, 66, 68], [0, 0, 66, 66, 68]),
    ],
)
def test_quotas_of_finer_classes(n, window, fixed, compat):
    shares = np.tile(WINDOWS[window], (20, 1)) / 20
    assert quotas(20 * n, shares).tolist() == [fixed] * 20
    assert quotas(20 * n, shares, compat=True).tolist() == [compat] * 20


def test_the_last_class_takes_the_remainder():
    assert quotas(103, np.full((10, 1), 0.1)).ravel().tolist() == [10] * 9 + [13]
    shifted = np.where(np.arange(10) % 2, 1.3, 0.7)[:, None] / 10
    assert quotas(4000, shifted).ravel().tolist() == [280, 520] * 5


@settings(deadline=None)
@given(n=st.integers(0, 500), classes=st.integers(1, 7), finer=st.integers(1, 5), seed=st.integers(0, 99))
def test_quotas_add_up_and_are_near_their_shares(n, classes, finer, seed):
    shares = np.random.default_rng(seed).random((classes, finer)) + 0.01
    shares /= shares.sum()
    found = quotas(n, shares)
    assert found.sum() == n
    assert (found >= 0).all()
    assert (found - n * shares <= classes + finer).all()
    assert (found[:-1, :-1] <= n * shares[:-1, :-1] + 1e-6).all()


@pytest.mark.parametrize(("count", "train"), [(2, 1), (5, 4), (66, 52), (68, 54), (150, 120), (600, 480)])
def test_four_fifths_train(count, train):
    assert train_part(count) == train == int(np.floor(0.8 * count))


UNIT = np.random.default_rng(0).permutation(np.repeat(np.arange(-1, 4), 50))
NAMES = ("a", "b", "c", "d")


def test_no_image_is_allotted_twice():
    wanted = [np.array(row) for row in ([10, 0, 20, 50], [20, 10, 30, 0], [20, 40, 0, 0])]
    found = allot(UNIT, wanted, seed=0, names=NAMES, what="base")
    assert [[len(rows) for rows in step] for step in found] == [row.tolist() for row in wanted]
    assert all((UNIT[rows] == unit).all() for step in found for unit, rows in enumerate(step))
    every = np.concatenate([rows for step in found for rows in step])
    assert len(set(every.tolist())) == 200


def test_the_newest_step_s_images_do_not_depend_on_history_and_fewer_are_a_part_of_more():
    def newest(last, older, seed=0):
        counts = [np.full(4, size) for size in (*older, last)]
        return [set(rows.tolist()) for rows in allot(UNIT, counts, seed=seed, names=NAMES, what="base")[-1]]

    assert newest(10, (5,)) == newest(10, (20, 20))
    assert all(few < many for few, many in zip(newest(10, (20,)), newest(30, (20,)), strict=True))
    assert newest(10, (5,)) != newest(10, (5,), seed=1)
    ordered = allot(UNIT, [np.full(4, 5), np.full(4, 30)], seed=0, names=NAMES, what="base")[-1]
    start = allot(UNIT, [np.full(4, 5), np.full(4, 10)], seed=0, names=NAMES, what="base")[-1]
    assert all((many[:10] == few).all() for many, few in zip(ordered, start, strict=True))


def test_draws_of_steps_share_images_and_fewer_are_a_part_of_more():
    one, again, more, other = (
        draw(UNIT, np.full(4, n), np.random.RandomState(seed), names=NAMES, what="base")
        for n, seed in ((20, 1), (20, 1), (40, 1), (20, 2))
    )
    assert all((a == b).all() for a, b in zip(one, again, strict=True))
    assert all((a == b[:20]).all() for a, b in zip(one, more, strict=True))
    assert all(len(set(a)) == 20 and (UNIT[a] == unit).all() for unit, a in enumerate(one))
    assert any(set(a) & set(b) for a, b in zip(one, other, strict=True))


def test_more_than_there_are_names_the_class():
    with pytest.raises(InputError, match=r"in two steps, asks for 60 images of 'b', and there are 50:"):
        allot(UNIT, [np.array([1, 30, 0, 0])] * 2, seed=0, names=NAMES, what="base")
    with pytest.raises(InputError, match=r"asks for 70 images of 'c', and there are 50 \(and more than .* 1 others\)"):
        draw(UNIT, np.array([60, 0, 70, 50]), np.random.RandomState(0), names=NAMES, what="base")
