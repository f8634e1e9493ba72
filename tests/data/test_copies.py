"""Copies are found pixel for pixel, and nothing else is."""

import dataclasses

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from modelheir.config.inputs import InputConfig
from modelheir.data import open_source
from modelheir.data.copies import copies_in, picture_digests
from modelheir.data.images import ArrayPixels, ImageSet


def images(array, start=0):
    n = len(array)
    ids = np.array([f"{start + i}" for i in range(n)])
    return ImageSet("set", ("a", "b"), ids, np.full(n, -1), ArrayPixels(array), np.arange(n))


@given(seed=st.integers(0, 2**16), shared=st.integers(0, 4))
@settings(max_examples=20, deadline=None)
def test_equals_a_loop_over_all_pairs(seed, shared):
    rng = np.random.default_rng(seed)
    others = rng.integers(0, 2, (5, 2, 2, 3), dtype=np.uint8)
    pool = np.concatenate([rng.integers(0, 2, (6, 2, 2, 3), dtype=np.uint8), others[:shared]])
    wanted = [any((one == other).all() for other in others) for one in pool]
    assert copies_in(images(pool), [images(others[:2]), images(others[2:])]).tolist() == wanted


def test_one_pixel_or_another_shape_is_another_image():
    array = np.zeros((1, 2, 3, 3), dtype=np.uint8)
    near = array.copy()
    near[0, 1, 2, 0] = 1
    assert copies_in(images(near), [images(array)]).tolist() == [False]
    assert copies_in(images(array.reshape(1, 3, 2, 3)), [images(array)]).tolist() == [False]
    assert copies_in(images(array), []).tolist() == [False]


def test_rows_of_a_subset_are_its_own():
    whole = open_source("digits", InputConfig())["train"]
    some = whole.subset(np.array([7, 3]))
    assert picture_digests(some) == [picture_digests(whole)[row] for row in (7, 3)]
    mirrored = dataclasses.replace(some, ids=np.array(["x", "y"]))
    assert picture_digests(mirrored) == picture_digests(some)
