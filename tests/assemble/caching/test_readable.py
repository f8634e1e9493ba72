"""A cache is read by the code of its document alone, which knows NumPy, pyarrow and Pillow; crops are cut again."""

import re
from pathlib import Path

import numpy as np
import pytest
import torch

from modelheir.models import Ensemble

PAGE = Path(__file__).parents[3] / "docs" / "teacher_cache.md"


@pytest.fixture(scope="module")
def reader():
    """Return what the code of the document defines."""
    (code,) = re.findall(r"^```python\n(.*?)^```", PAGE.read_text(encoding="utf-8"), re.M | re.S)
    assert "modelheir" not in code
    found = {}
    exec(compile(code, str(PAGE), "exec"), found)
    return found


def replayed(caches, reader, folder, **views):
    """Yield what the document's code reads and cuts of a batch, and what training shows and the teacher says of it."""
    ids, logits, arrays, told = reader["read_cache"](folder)
    given = caches.given(folder, **views)
    images, stream = given.data.splits["train"], given.data.stream()
    rows = {name: row for row, name in enumerate(ids.tolist())}
    live = Ensemble(caches.world.given().old.models)
    for epoch in range(3):
        for batch in stream.epoch(epoch):
            mine = [rows[str(stream.ids[i])] for i in batch.index]
            cut = [
                reader["crop"](images.image(int(i)), row, batch.view, arrays, told["inputs"])
                for i, row in zip(batch.index, mine, strict=True)
            ]
            yield np.stack(cut), batch.inputs.permute(0, 2, 3, 1).numpy(), logits[batch.view, mine], live(batch).logits


@pytest.mark.parametrize("shards", [1, 3])
@pytest.mark.parametrize("augment", ["crop_flip", "random_resized_crop", "flip"])
def test_the_documents_code_cuts_what_training_shows_and_reads_what_the_teacher_said(caches, reader, augment, shards):
    views = {"augment": augment, "erase": 0.5, "loader": "streaming", "workers": 0, "mirror": True, "image_size": 6}
    for i in range(1, shards + 1):
        folder = caches.write(shard=f"{i}/{shards}", inputs=views)
    for cut, shown, read, said in replayed(caches, reader, folder, **views):
        np.testing.assert_allclose(cut, shown, atol=1e-6)
        np.testing.assert_allclose(read, said, rtol=1e-5, atol=1e-5)


def test_the_largest_classes_are_read_with_the_rest_spread_evenly(caches, reader):
    folder = caches.write(top_k=1)
    given = caches.given(folder)
    stored = given.old.teacher(given.data.stream())
    assert stored.get_buffer("top_classes").shape[2] == 1
    for (_, _, read, said), batch in zip(
        replayed(caches, reader, folder), (one for e in range(3) for one in given.data.stream().epoch(e)), strict=True
    ):
        np.testing.assert_allclose(read, stored(batch).logits, rtol=1e-5, atol=1e-6)
        best = said.softmax(1).amax(1)
        assert torch.equal(torch.from_numpy(read).argmax(1), said.argmax(1))
        np.testing.assert_allclose(np.exp(read).max(1), best, rtol=1e-5)
        np.testing.assert_allclose(np.exp(read).min(1), (1 - best) / 2, rtol=1e-4)


def test_every_file_is_described(caches):
    text = PAGE.read_text(encoding="utf-8")
    folder = caches.write(features=True, inputs={"augment": "randaugment", "erase": 0.2, "mirror": True})
    kept = caches.write("kept", top_k=2, inputs={"augment": "random_resized_crop", "mirror": True})
    names = {path.name.split("-")[0] for one in (folder, kept) for path in one.iterdir()}
    assert {"operations", "boxes", "offsets", "flipped", "erased", "top_classes", "features", "logits"} < names
    assert [name for name in names if f"  {name.split('.json')[0]}" not in text] == []
