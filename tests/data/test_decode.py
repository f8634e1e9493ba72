import io
import warnings

import numpy as np
import pytest
from PIL import Image

from modelheir.checks import InputError
from modelheir.data.decode import DecodeError, decode, image_size


def read(image, kind="PNG", **settings):
    buffer = io.BytesIO()
    image.save(buffer, format=kind, **settings)
    return decode(buffer.getvalue(), name="x", max_megapixels=1)


def grey(values, dtype):
    return Image.fromarray(np.array(values, dtype=dtype))


def test_rgb_is_exact_and_the_size_comes_from_the_header(tmp_path):
    pixels = np.random.default_rng(0).integers(0, 256, (3, 5, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(tmp_path / "a.png")
    assert (decode(tmp_path / "a.png", name="a", max_megapixels=1) == pixels).all()
    assert image_size(tmp_path / "a.png", name="a", max_megapixels=1) == (3, 5)


def test_grey_becomes_three_equal_channels():
    assert (read(grey([[0, 7], [9, 255]], np.uint8)) == np.array([[0, 7], [9, 255]])[..., None]).all()


def test_black_and_white_is_0_and_255():
    assert read(Image.new("1", (2, 2), 1)).tolist() == [[[255] * 3] * 2] * 2


@pytest.mark.parametrize("kind", ["PNG", "TIFF"])
def test_16_bit_is_divided_by_257(kind):
    out = read(grey([[0, 257 * 100], [65535, 257 * 7 + 200]], np.uint16), kind)
    assert out[..., 0].tolist() == [[0, 100], [255, 8]]
    assert (out[..., 0] == out[..., 2]).all()


def test_32_bit_numbers_and_floats_are_refused():
    with pytest.raises(DecodeError, match="x: samples of kind 'I' are not"):
        read(grey([[0, 70000]], np.int32), "TIFF")
    with pytest.raises(DecodeError, match="samples of kind 'F'"):
        read(grey([[0.0, 0.5]], np.float32), "TIFF")


def test_alpha_is_laid_over_white():
    image = Image.fromarray(np.array([[[100, 0, 0, 0], [100, 0, 0, 255], [100, 0, 50, 51]]], dtype=np.uint8))
    assert read(image)[0].tolist() == [[255, 255, 255], [100, 0, 0], [224, 204, 214]]


def test_palettes_are_applied_with_and_without_a_transparent_entry():
    image = Image.frombytes("P", (2, 1), bytes([0, 1]))
    image.putpalette([10, 20, 30, 40, 50, 60])
    assert read(image).tolist() == [[[10, 20, 30], [40, 50, 60]]]
    assert read(image, transparency=1).tolist() == [[[10, 20, 30], [255, 255, 255]]]


def test_cmyk_becomes_rgb():
    assert read(Image.new("CMYK", (1, 1), (0, 0, 0, 0)), "TIFF").tolist() == [[[255, 255, 255]]]


def test_empty_truncated_missing_and_foreign_files_are_named(tmp_path, png):
    whole = png(np.random.default_rng(0).integers(0, 256, (32, 32, 3), dtype=np.uint8))
    with pytest.raises(DecodeError, match="a: empty file"):
        decode(b"", name="a", max_megapixels=1)
    with pytest.raises(DecodeError, match="b: "):
        decode(whole[: len(whole) // 2], name="b", max_megapixels=1)
    with pytest.raises(DecodeError, match="c: not an image"):
        decode(b"hello, world", name="c", max_megapixels=1)
    with pytest.raises(DecodeError, match="d: no such file"):
        decode(tmp_path / "d.png", name="d", max_megapixels=1)
    (tmp_path / "e.png").touch()
    with pytest.raises(DecodeError, match="e: empty file"):
        decode(tmp_path / "e.png", name="e", max_megapixels=1)


def test_a_truncated_jpeg_is_not_half_grey():
    buffer = io.BytesIO()
    Image.fromarray(np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8)).save(buffer, format="JPEG")
    with pytest.raises(DecodeError, match=r"j: .*truncated"):
        decode(buffer.getvalue()[:-500], name="j", max_megapixels=1)


def test_a_huge_image_is_refused_with_its_name(png):
    with pytest.raises(InputError, match=r"big: the image has 40 x 30 = 0.0 million pixels.*inputs.max_megapixels"):
        decode(png(np.zeros((30, 40, 3), np.uint8)), name="big", max_megapixels=0.001)


@pytest.mark.parametrize("action", ["error", "ignore"])
def test_a_decompression_bomb_is_refused_with_its_name(action):
    header = Image.new("1", (11000, 9000))
    buffer = io.BytesIO()
    header.save(buffer, format="PNG")
    with warnings.catch_warnings():
        warnings.simplefilter(action)
        with pytest.raises(InputError, match=r"bomb: the image has .* million pixels"):
            decode(buffer.getvalue(), name="bomb", max_megapixels=50)
