import io
from xml.etree import ElementTree

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from modelheir.report.figures.examples import Example, example_rows, examples, png

SPACE = "{http://www.w3.org/2000/svg}"
IMAGE = np.arange(2 * 3 * 3, dtype=np.uint8).reshape(2, 3, 3)


@settings(deadline=None, max_examples=20)
@given(st.integers(1, 9), st.integers(1, 9), st.integers(0, 2**31))
def test_images_are_kept_pixel_by_pixel(height, width, seed):
    """Pillow reads what is written: an encoder of ours against a decoder that is not."""
    from PIL import Image

    image = np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)
    with Image.open(io.BytesIO(png(image))) as read:
        assert read.mode == "RGB"
        np.testing.assert_array_equal(np.asarray(read), image)


def test_rows_and_columns_stand_in_a_grid_and_gaps_stay_empty():
    grid = [("source", [Example(IMAGE), Example(IMAGE)]), ("<b> rotation", [None, Example(IMAGE, "cat", "id-7")])]
    root = ElementTree.fromstring(str(examples(grid, ["one", "two"])))
    places = [(float(n.get("x")), float(n.get("y"))) for n in root.iter(f"{SPACE}image")]
    assert places[0][1] == places[1][1] < places[2][1]
    assert places[1][0] == places[2][0] > places[0][0]
    text = " ".join(found for node in root.iter() for found in (node.text, node.tail) if found)
    assert "<b> rotation" in text
    assert "cat" in text
    assert {n.get("image-rendering") for n in root.iter(f"{SPACE}image")} == {"pixelated"}
    rows = example_rows(grid, ["one", "two"])
    assert rows[2] == {"row": "<b> rotation", "column": "two", "caption": "cat", "sample_id": "id-7"}
    assert len(rows) == 3
    assert example_rows(grid)[2]["column"] == 1


def test_captions_take_room_only_where_there_are_some():
    bare, told = (
        float(ElementTree.fromstring(str(examples([("a", [Example(IMAGE, caption)])]))).get("viewBox").split()[3])
        for caption in ("", "cat")
    )
    assert told > bare


@pytest.mark.parametrize(
    "image", [IMAGE.astype(float), IMAGE[..., :1], IMAGE[0], np.zeros((0, 3, 3), np.uint8)], ids=str
)
def test_other_arrays_are_refused(image):
    with pytest.raises(ValueError, match=r"uint8|pixels"):
        png(image)


def test_a_row_longer_than_its_names_is_refused():
    with pytest.raises(ValueError, match="2 images, and there are 1 names"):
        examples([("a", [Example(IMAGE), Example(IMAGE)])], ["one"])
