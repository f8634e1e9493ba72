"""The code of ``docs/embeddings.md`` reads a view without this library."""

import json
import re
from pathlib import Path

import numpy as np

from modelheir.assemble import embed
from modelheir.embeddings import open_view

PAGE = Path(__file__).parents[3] / "docs" / "embeddings.md"


def test_the_page_reads_a_view(settings):
    (code,) = (one for one in re.findall(r"```python\n(.*?)```", PAGE.read_text(), re.S) if "def read_view" in one)
    found = {}
    exec(code, found)
    for made in embed(settings()):
        ids, vectors, told = found["read_view"](made.folder)
        view = open_view(made.folder)
        np.testing.assert_array_equal(ids, view.rows.ids)
        np.testing.assert_array_equal(vectors, view.vectors[view.places])
        assert told["count"] == len(ids)


def test_the_page_names_every_file_and_key(settings):
    text = PAGE.read_text()
    (made, _) = embed(settings())
    for path in made.folder.rglob("*"):
        assert re.sub(r"\d{5}", "00000", path.name) in text or path.suffix == ".lock", path
    told = json.loads((made.folder / "view.json").read_text())
    assert [key for key in told if f"`{key}`" not in text] == []
    note = json.loads((made.folder / "shards" / "00000.json").read_text())
    assert [key for key in note if f"`{key}`" not in text] == []
