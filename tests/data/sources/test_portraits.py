import numpy as np
import pytest
from PIL import Image

from modelheir.checks import InputError
from modelheir.data.sources.portraits import SquarePixels, open_portraits, prepare_portraits


@pytest.fixture
def archive(tmp_path, save):
    years = {"M": (1905, 1929, 1930, 1939, 1940, 1999), "F": (1935, 1969, 2000, 2013, 2007)}
    for name, own in years.items():
        for year in own:
            save(tmp_path / "archive" / name / f"{year}_Ohio_{name}.png", height=18, width=17, seed=year)
    save(tmp_path / "archive" / "M" / "unknown_year.png")
    (tmp_path / "archive" / "F" / "notes.txt").write_text("1950")
    return tmp_path / "archive"


def test_the_archive_is_laid_out_by_decade(archive, tmp_path, config):
    out = tmp_path / "new" / "portraits"
    counts = prepare_portraits(archive, out)
    assert counts == {
        "1930s": 3, "1940s": 1, "1950s": 0, "1960s": 1, "1970s": 0, "1980s": 0, "1990s": 1, "2000 on": 3, "left out": 3,
    }  # fmt: skip
    assert sorted(path.relative_to(out).as_posix() for path in out.rglob("*.png")) == [
        "time0/0/1930_Ohio_M.png", "time0/0/1939_Ohio_M.png", "time0/1/1935_Ohio_F.png", "time1/0/1940_Ohio_M.png",
        "time3/1/1969_Ohio_F.png", "time6/0/1999_Ohio_M.png", "time7/1/2000_Ohio_F.png", "time7/1/2007_Ohio_F.png",
        "time7/1/2013_Ohio_F.png",
    ]  # fmt: skip
    assert len(list(archive.rglob("*.png"))) == 12, "the archive stays"
    assert [path.name for path in out.parent.iterdir()] == ["portraits"]
    images = open_portraits(str(out), {}, config)["train"]
    assert images.classes == ("M", "F")
    assert images.labels.tolist() == [0, 0, 1, 0, 1, 0, 1, 1, 1]
    assert images.columns["time"].tolist() == [0, 0, 0, 1, 3, 6, 7, 7, 7]
    assert images.columns["decade"].tolist()[-4:] == ["1990s", "2000 on", "2000 on", "2000 on"]
    assert images.ids[0] == "time0/0/1930_Ohio_M.png"
    assert images.size(0) == (32, 32)


def test_images_are_brought_to_a_square_whole(archive, tmp_path, config):
    prepare_portraits(archive, tmp_path / "out")
    images = open_portraits(str(tmp_path / "out"), {"size": "9"}, config)["train"]
    with Image.open(tmp_path / "out" / images.ids[3]) as original:
        expected = np.array(original.resize((9, 9), Image.Resampling.BILINEAR))
    assert (images.image(3) == expected).all()
    assert isinstance(images.pixels, SquarePixels)


def test_what_is_there_is_not_touched(archive, tmp_path):
    (tmp_path / "out").mkdir()
    with pytest.raises(InputError, match="out is there already"):
        prepare_portraits(archive, tmp_path / "out")
    assert list((tmp_path / "out").iterdir()) == []


def test_a_failure_leaves_nothing_behind(archive, tmp_path, monkeypatch):
    def full(source, place):
        raise OSError("disk full")

    monkeypatch.setattr("shutil.copyfile", full)
    with pytest.raises(OSError, match="disk full"):
        prepare_portraits(archive, tmp_path / "new" / "out")
    assert list((tmp_path / "new").iterdir()) == []


def test_an_archive_without_m_f_or_years_is_refused(tmp_path, save):
    with pytest.raises(InputError, match="there is no folder M"):
        prepare_portraits(tmp_path, tmp_path / "out")
    for name in ("M", "F"):
        save(tmp_path / name / "1929_a.png")
    with pytest.raises(InputError, match="begins with a year from 1930 on"):
        prepare_portraits(tmp_path, tmp_path / "out")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["F", "M"]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({}, "lay the archive out"),
        ({"size": "big"}, "size = 'big': must be a whole number >= 1"),
        ({"size": "0"}, "must be a whole number >= 1"),
        ({"sizes": "3"}, "unknown option of portraits 'sizes'. Did you mean 'size'"),
    ],
)
def test_mistakes_are_said(tmp_path, config, options, message):
    with pytest.raises(InputError, match=message):
        open_portraits(str(tmp_path), options, config)
