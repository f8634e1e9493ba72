import pytest

from modelheir.runs.lock import locked


def test_a_lock_has_one_holder_and_is_free_afterwards(tmp_path):
    with locked(tmp_path / "lock"):
        with pytest.raises(BlockingIOError), locked(tmp_path / "lock"):
            pass
        with locked(tmp_path / "other"):
            pass
    with locked(tmp_path / "lock"):
        pass
    with pytest.raises(FileNotFoundError), locked(tmp_path / "none" / "lock"):
        pass
