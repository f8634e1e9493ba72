"""``import``: old result and checkpoint files become Parquet and safetensors."""

import numpy as np
import pytest

from modelheir.checks import InputError
from modelheir.cli import import_results
from modelheir.models import files
from modelheir.runs.predictions import read_predictions


@pytest.fixture
def legacy(monkeypatch, predictions):
    """Readers that need no real old file; the readers themselves are tested with the models."""
    import torch

    monkeypatch.setattr(files, "read_result", lambda path: predictions)
    monkeypatch.setattr(files, "read_checkpoint", lambda path: {"fc.weight": torch.ones(2, 3)})


def test_result_to_parquet(legacy, tmp_path, capsys):
    old = tmp_path / "v1.result"
    old.write_bytes(b"")
    assert import_results.main([str(old)]) == 0
    assert read_predictions(tmp_path / "v1.parquet").prediction.tolist() == [0, 1, 2, 0, 1]
    assert "5 images" in capsys.readouterr().out


def test_ids_can_be_given(legacy, tmp_path):
    old, ids, out = tmp_path / "v1.result", tmp_path / "ids.txt", tmp_path / "new.parquet"
    old.write_bytes(b"")
    ids.write_text("p\nq\nr\ns\nt\n")
    assert import_results.main([str(old), "--ids", str(ids), "--out", str(out)]) == 0
    assert read_predictions(out).sample_id.tolist() == list("pqrst")
    ids.write_text("p\nq\nq\n")
    with pytest.raises(InputError, match=r"3 lines \(1 repeated\), and the file has 5 rows"):
        import_results.main([str(old), "--ids", str(ids)])


def test_checkpoint_to_safetensors(legacy, tmp_path, capsys):
    from safetensors.numpy import load_file

    old = tmp_path / "v1.pth.tar"
    old.write_bytes(b"")
    assert import_results.main([str(old)]) == 0
    assert np.array_equal(load_file(tmp_path / "v1.safetensors")["fc.weight"], np.ones((2, 3)))
    assert "1 tensors, 6 numbers" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["none.result"], "none.result is missing"),
        (["{here}/a.txt"], "expected a name ending with .result"),
        (["{here}/a.result", "--out", "x.csv"], "must end with .parquet"),
        (["{here}/a.pth", "--ids", "x"], "--ids belongs to .result files"),
    ],
)
def test_mistakes(words, said, legacy, tmp_path):
    for name in ("a.txt", "a.result", "a.pth"):
        (tmp_path / name).write_bytes(b"")
    with pytest.raises(InputError) as error:
        import_results.main([word.format(here=tmp_path) for word in words])
    assert said in str(error.value)
