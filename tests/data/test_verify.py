import dataclasses
import logging

import numpy as np
import pytest

from modelheir.checks import InputError
from modelheir.data.images import ArrayPixels, FilePixels
from modelheir.data.sources.files import open_folder
from modelheir.data.verify import decoded_bytes, verified


@pytest.fixture
def photos(tmp_path, save):
    for name in ("cat", "dog"):
        for i in range(10):
            save(tmp_path / name / f"{i}.png", seed=i)
    return tmp_path


def open_it(folder, config):
    return open_folder(str(folder), {}, config)["train"]


def truncate(file):
    file.write_bytes(file.read_bytes()[:-60])


def test_images_of_one_size_are_decoded_once(photos, config):
    images = open_it(photos, config)
    decoded = verified(images, config)
    assert isinstance(decoded.pixels, ArrayPixels)
    assert all((decoded.image(i) == images.image(i)).all() for i in range(20))
    assert verified(decoded, config) is decoded
    assert decoded_bytes(images) == 20 * 8 * 8 * 3


def test_images_of_many_sizes_stay_files(photos, save, config):
    save(photos / "cat" / "0.png", height=9)
    assert isinstance(verified(open_it(photos, config), config).pixels, FilePixels)


@pytest.mark.parametrize("place", ["cat/0.png", "cat/5.png", "dog/9.png"])
def test_a_bad_file_is_named_counted_and_skipped(photos, config, caplog, place):
    truncate(photos / place)
    config = dataclasses.replace(config, max_bad_share=0.05)
    images = open_it(photos, config)
    with caplog.at_level(logging.WARNING):
        kept = verified(images, config)
    assert "1 of 20 images cannot be decoded" in caplog.text
    assert place in caplog.text
    assert kept.skipped == (place,)
    assert len(kept) == 19
    assert place not in kept.ids
    where = {name: i for i, name in enumerate(images.ids)}
    assert all((kept.image(i) == images.image(where[name])).all() for i, name in enumerate(kept.ids))


def test_too_many_bad_files_fail(photos, config):
    truncate(photos / "cat" / "0.png")
    (photos / "dog" / "1.png").write_text("no image")
    with pytest.raises(
        InputError, match=r"2 of 20 .*cat/0.png: .*dog/1.png: not an image.*inputs.max_bad_share = 0.01"
    ):
        verified(open_it(photos, config), config)


def test_a_large_set_has_its_headers_read(photos, config):
    (photos / "dog" / "1.png").write_text("no image")
    lazy = dataclasses.replace(config, resident_gib=0.0, max_bad_share=0.1)
    kept = verified(open_it(photos, lazy), lazy)
    assert isinstance(kept.pixels, FilePixels)
    assert kept.skipped == ("dog/1.png",)
    blind = dataclasses.replace(lazy, verify="none")
    assert len(verified(open_it(photos, blind), blind)) == 20


def test_a_huge_image_stops_with_its_name(photos, save, config):
    save(photos / "cat" / "3.png", height=40, width=40)
    with pytest.raises(InputError, match=r"cat/3.png: the image has 40 x 40"):
        verified(open_it(photos, dataclasses.replace(config, max_megapixels=0.001)), dataclasses.replace(config))


def test_nothing_readable_fails(tmp_path, config):
    for name in "ab":
        (tmp_path / name).mkdir()
        (tmp_path / name / "x.png").touch()
    with pytest.raises(InputError, match=r"2 of 2 images cannot be decoded \(a/x.png: empty file"):
        verified(open_it(tmp_path, config), config)
    assert decoded_bytes(open_it(tmp_path, config)) == 0
    assert np.array_equal(open_it(tmp_path, config).labels, [0, 1])
