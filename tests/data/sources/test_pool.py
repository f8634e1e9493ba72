"""A source read for its images alone."""

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from modelheir.checks import InputError
from modelheir.config.inputs import InputConfig
from modelheir.data import open_pool


def save(path, value=0):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", (4, 4), (value, 0, 0)).save(path)


def test_a_folder_is_every_image_below_it(tmp_path):
    for name in ("top.png", "a/x.png", "a/deep/y.JPG", "b/z.png", ".hidden/no.png", "train/t.png", "empty/note.txt"):
        if name.endswith("txt"):
            (tmp_path / "empty").mkdir()
            (tmp_path / name).write_text("x")
        else:
            save(tmp_path / name)
    found = open_pool(f"folder:{tmp_path}", InputConfig())
    assert found.ids.tolist() == ["a/deep/y.JPG", "a/x.png", "b/z.png", "top.png", "train/t.png"]
    assert found.classes == ()
    assert (found.labels == -1).all()
    assert found.image(0).shape == (4, 4, 3)


def test_labels_of_other_sources_are_dropped_and_splits_joined(tmp_path):
    for split, count in (("train", 3), ("test", 2)):
        for i in range(count):
            save(tmp_path / "images" / split / f"{i}.png", i)
        cells = [
            {"bytes": (tmp_path / "images" / split / f"{i}.png").read_bytes(), "path": f"{split}/{i}"}
            for i in range(count)
        ]
        (tmp_path / "p").mkdir(exist_ok=True)
        pq.write_table(pa.table({"img": cells, "label": list(range(count))}), tmp_path / "p" / f"{split}.parquet")
    found = open_pool(f"parquet:{tmp_path / 'p'}", InputConfig())
    assert sorted(found.ids.tolist()) == ["test/0", "test/1", "train/0", "train/1", "train/2"]
    assert (found.labels == -1).all()
    assert {str(name): int(np.unique(found.image(i)[..., 0])[0]) for i, name in enumerate(found.ids)}["train/2"] == 2


def test_parquet_needs_no_label(tmp_path):
    save(tmp_path / "a.png", 9)
    content = (tmp_path / "a.png").read_bytes()
    pq.write_table(pa.table({"image": [content, content]}), tmp_path / "pool.parquet")
    found = open_pool(f"parquet:{tmp_path / 'pool.parquet'}", InputConfig())
    assert found.ids.tolist() == ["train/0", "train/1"]
    assert (found.labels == -1).all()
    with pytest.raises(InputError, match="no column img"):
        open_pool(f"parquet:{tmp_path / 'pool.parquet'},image=img", InputConfig())


def test_what_is_not_there_is_said(tmp_path):
    with pytest.raises(InputError, match="there is no image in it"):
        open_pool(f"folder:{tmp_path}", InputConfig())
    with pytest.raises(InputError, match="there is no such folder"):
        open_pool(f"folder:{tmp_path / 'no'}", InputConfig())
    with pytest.raises(InputError, match="Did you mean 'folder'"):
        open_pool(f"foldr:{tmp_path}", InputConfig())
