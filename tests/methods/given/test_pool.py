"""The pool: joined with the labelled images, without what the data holds, and without labels."""

import dataclasses

import numpy as np
import pytest

from modelheir.checks import InputError
from modelheir.config.inputs import InputConfig
from modelheir.data.images import ArrayPixels, ImageSet
from modelheir.methods.given.pool import with_pool, without_labels


@pytest.fixture
def known(world):
    return world.given().data


def pool_of(known, array, ids, labels=None):
    labels = np.full(len(ids), -1) if labels is None else labels
    images = ImageSet("pool", known.classes, np.array(ids), labels, ArrayPixels(array), np.arange(len(ids)))
    return dataclasses.replace(known, splits={"unlabelled": images})


def drawn(n, size=8, seed=3):
    return np.random.default_rng(seed).integers(0, 256, (n, size, size, 3), dtype=np.uint8)


def test_holds_both_and_shows_no_label_of_the_pool(known):
    pool = pool_of(known, drawn(4), ["a", "b", "c", "d"], labels=np.array([0, 1, 2, 0]))
    train = known.splits["train"]
    found = with_pool(known, pool, flag="--unlabelled").splits
    assert found["train"].ids.tolist() == [*train.ids, "a", "b", "c", "d"]
    assert found["train"].labels.tolist() == [*train.labels, -1, -1, -1, -1]
    np.testing.assert_array_equal(found["train"].image(len(train) + 2), pool.splits["unlabelled"].image(2))
    assert found["val"] is known.splits["val"]


def test_what_the_model_is_evaluated_on_is_left_out_and_told(known, caplog):
    """The pool may be the file that the labelled images were taken from."""
    copies = np.stack([known.splits[split].image(0) for split in ("val", "test", "train")])
    pool = pool_of(known, np.concatenate([copies, drawn(2)]), ["v", "t", "l", "x", "y"])
    found = with_pool(known, pool, flag="--unlabelled")
    assert found.splits["train"].ids.tolist()[-2:] == ["x", "y"]
    assert len(found.splits["train"]) == len(known.splits["train"]) + 2
    assert "3 of 5 images are also in the data (1 of train, 1 of val, 1 of test; such as v, t, l)" in caplog.text


def test_images_of_another_source_with_a_taken_id_stay(known):
    taken = str(known.splits["test"].ids[0])
    found = with_pool(known, pool_of(known, drawn(1), [taken]), flag="--unlabelled")
    assert found.splits["train"].ids[-1] == f"unlabelled/{taken}"


def test_a_pool_of_nothing_else_is_refused(known):
    copies = np.stack([known.splits["val"].image(row) for row in range(3)])
    with pytest.raises(InputError, match=r"^--unlabelled pool: every image of it is also in the data"):
        with_pool(known, pool_of(known, copies, ["a", "b", "c"]), flag="--unlabelled")


def test_what_is_too_large_to_compare_is_told(known, caplog):
    small = dataclasses.replace(known, inputs=dataclasses.replace(InputConfig(), resident_gib=1e-9))
    with_pool(small, pool_of(known, drawn(2), ["p", "q"]), flag="--unlabelled")
    assert "too large to look for copies of the evaluation images; `modelheir select` finds them" in caplog.text


def test_pictures_of_another_size_are_joined_too(known):
    found = with_pool(known, pool_of(known, drawn(2, size=5), ["p", "q"]), flag="--unlabelled")
    assert found.splits["train"].image(len(found.splits["train"]) - 1).shape == (5, 5, 3)


def test_without_labels_nothing_else_changes(known):
    found = without_labels(known)
    assert set(found.splits["train"].labels.tolist()) == {-1}
    assert found.splits["train"].ids is known.splits["train"].ids
    assert found.splits["val"] is known.splits["val"]
    assert (known.splits["train"].labels >= 0).all()
