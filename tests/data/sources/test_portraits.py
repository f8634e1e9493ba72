import numpy as np
import pytest
from PIL import Image

from modelheir.checks import InputError
from modelheir.data.sources.portraits import SquarePixels, open_portraits


@pytest.fixture
def archive(tmp_path, save):
    years = {"M": (1905, 1929, 1930, 1939, 1940, 1999), "F": (1935, 1969, 2000, 2013, 2007)}
    for name, own in years.items():
        for year in own:
            save(tmp_path / "archive" / name / f"{year}_Ohio_{name}.png", height=18, width=17, seed=year)
    save(tmp_path / "archive" / "M" / "unknown_year.png")
    (tmp_path / "archive" / "F" / "notes.txt").write_text("1950")
    return tmp_path / "archive"


def test_the_archive_is_laid_out_by_decade(archive, config, caplog):
    """As it is unpacked: older ones, and those without a year, are left out and counted."""
    images = open_portraits(str(archive), {}, config)["train"]
    assert images.ids.tolist() == [
        "M/1930_Ohio_M.png", "M/1939_Ohio_M.png", "F/1935_Ohio_F.png", "M/1940_Ohio_M.png", "F/1969_Ohio_F.png",
        "M/1999_Ohio_M.png", "F/2000_Ohio_F.png", "F/2007_Ohio_F.png", "F/2013_Ohio_F.png",
    ]  # fmt: skip
    assert images.classes == ("M", "F")
    assert images.labels.tolist() == [0, 0, 1, 0, 1, 0, 1, 1, 1]
    assert images.columns["time"].tolist() == [0, 0, 0, 1, 3, 6, 7, 7, 7]
    assert images.columns["decade"].tolist()[-4:] == ["1990s", "2000 on", "2000 on", "2000 on"]
    assert images.size(0) == (32, 32)
    assert "3 images of before 1930, or whose name begins with no year, are left out" in caplog.text


def test_a_folder_that_is_laid_out_already_has_the_same_images(archive, tmp_path, config):
    whole = open_portraits(str(archive), {}, config)["train"]
    for label, time, one in zip(whole.labels, whole.columns["time"], whole.ids, strict=True):
        place = tmp_path / "out" / f"time{time}" / str(label) / one.split("/")[1]
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes((archive / one).read_bytes())
    found = open_portraits(str(tmp_path / "out"), {}, config)["train"]
    assert found.ids[0] == "time0/0/1930_Ohio_M.png"
    assert found.labels.tolist() == whole.labels.tolist()
    assert found.columns["time"].tolist() == whole.columns["time"].tolist()
    assert all((found.image(k) == whole.image(k)).all() for k in range(len(whole)))


def test_images_are_brought_to_a_square_whole(archive, config):
    images = open_portraits(str(archive), {"size": "9"}, config)["train"]
    with Image.open(archive / images.ids[3]) as original:
        expected = np.array(original.resize((9, 9), Image.Resampling.BILINEAR))
    assert (images.image(3) == expected).all()
    assert isinstance(images.pixels, SquarePixels)


def test_an_archive_without_m_f_or_years_is_refused(tmp_path, save, config):
    save(tmp_path / "M" / "1950_a.png")
    with pytest.raises(InputError, match="no image in M and F whose name begins with a year from 1930 on"):
        open_portraits(str(tmp_path), {}, config)
    (tmp_path / "M" / "1950_a.png").rename(tmp_path / "M" / "1929_a.png")
    (tmp_path / "F").mkdir()
    with pytest.raises(InputError, match="begins with a year from 1930 on"):
        open_portraits(str(tmp_path), {}, config)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({}, "give the archive of Portraits, unpacked"),
        ({"size": "big"}, "size = 'big': must be a whole number >= 1"),
        ({"size": "0"}, "must be a whole number >= 1"),
        ({"sizes": "3"}, "unknown option of portraits 'sizes'. Did you mean 'size'"),
    ],
)
def test_mistakes_are_said(tmp_path, config, options, message):
    with pytest.raises(InputError, match=message):
        open_portraits(str(tmp_path), options, config)
