import dataclasses
import io

import numpy as np
import pytest
from PIL import Image

from modelheir.checks import InputError
from modelheir.data.images import ArrayPixels, encode_png, join_sets


def test_subsets_keep_rows_columns_and_pixels_together(make_images):
    images = make_images(n=6)
    part = images.subset(np.array([4, 1])).subset(np.array([False, True]))
    assert part.ids.tolist() == ["toy/001"]
    assert part.columns["domain"].tolist() == ["night"]
    assert (part.image(0) == images.image(1)).all()
    assert (part.array[0] == images.array[1]).all()
    assert part.size(0) == (8, 8)


def test_png_files_hold_the_pixels(make_images):
    images = make_images()
    files = encode_png(images, ["toy/003", "toy/001"])
    assert list(files) == ["toy/003", "toy/001"]
    assert (np.asarray(Image.open(io.BytesIO(files["toy/003"]))) == images.image(3)).all()
    with pytest.raises(InputError, match=r"toy has no sample 'toy/01'. Did you mean 'toy/0"):
        encode_png(images, ["toy/01"])


def test_inconsistent_sets_are_refused(make_images):
    with pytest.raises(InputError, match=r"label 3 of 'toy/001' is outside the class list \(0 to 2"):
        make_images(n=2, labels=np.array([0, 3]))
    with pytest.raises(InputError, match="label -2"):
        make_images(n=2, labels=np.array([0, -2]))
    with pytest.raises(InputError, match="1 sample ids occur more than once, the first is 'a'"):
        make_images(n=2, ids=np.array(["a", "a"]))
    with pytest.raises(ValueError, match="lengths must be equal: ids has 1"):
        make_images(n=2, ids=np.array(["a"]))


@pytest.mark.parametrize("shape", [(2, 0, 4, 3), (2, 4, 4, 1), (2, 4, 4)])
def test_zero_size_and_other_shapes_are_refused(shape):
    with pytest.raises(InputError, match="images must be uint8 of shape"):
        ArrayPixels(np.zeros(shape, np.uint8))


def test_sets_are_joined_one_after_another(make_images):
    one, two = make_images(n=4), make_images(n=3, seed=1)
    two = dataclasses.replace(two, ids=np.array([f"pool/{i}" for i in range(3)]), labels=np.full(3, -1), mirror=False)
    both = join_sets([one, two.subset(np.array([2, 0]))], name="both")
    assert both.ids.tolist() == [*one.ids, "pool/2", "pool/0"]
    assert both.labels.tolist() == [0, 1, 2, 0, -1, -1]
    assert not both.mirror
    np.testing.assert_array_equal(both.image(1), one.image(1))
    np.testing.assert_array_equal(both.subset(np.array([4])).image(0), two.image(2))
    assert both.size(5) == two.size(0)
    with pytest.raises(InputError, match="occur more than once"):
        join_sets([one, one], name="x")
    with pytest.raises(InputError, match="other classes"):
        join_sets([one, make_images(classes=2)], name="x")
