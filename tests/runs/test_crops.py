import numpy as np
import pytest

from modelheir.checks import InputError
from modelheir.runs.crops import read_crops, write_crops


def test_round_trip(tmp_path):
    logits = np.random.default_rng(0).normal(size=(3, 10, 2))
    write_crops(tmp_path / "new" / "c.npz", np.array(["a", "bb", "c"]), logits, classes=("x", "y"))
    ids, found, classes = read_crops(tmp_path / "new" / "c.npz")
    assert (ids.tolist(), classes, found.dtype) == (["a", "bb", "c"], ("x", "y"), np.float32)
    np.testing.assert_array_equal(found, logits.astype(np.float32))


def test_mistakes(tmp_path):
    with pytest.raises(ValueError, match=r"\(N, V, 2\)"):
        write_crops(tmp_path / "c.npz", np.array(["a"]), np.zeros((1, 10, 3)), classes=("x", "y"))
    with pytest.raises(InputError, match="does not exist"):
        read_crops(tmp_path / "gone.npz")
    (tmp_path / "bad.npz").write_bytes(b"not an archive")
    with pytest.raises(InputError, match="is not an archive of crop logits"):
        read_crops(tmp_path / "bad.npz")
