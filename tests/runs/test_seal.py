"""A finished run whose files are not what it left is named as damaged."""

import pytest

from modelheir.checks import InputError
from modelheir.runs.folder import RunFolder
from modelheir.runs.seal import check_seal, seal

EXACT = ("model.json", "weights.safetensors", "result.json", "predictions/test.parquet")
TOLD = ("config.yaml", "environment.json", "metrics.jsonl", "metrics.csv")


@pytest.fixture
def folder(tmp_path):
    for name in (*EXACT, *TOLD):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(name.encode())
    made = RunFolder(tmp_path)
    made.set_status("finished", files=seal(made))
    return made


def empty(path):
    path.write_bytes(b"")


def flip(path):
    path.write_bytes(bytes([path.read_bytes()[0] ^ 1]) + path.read_bytes()[1:])


def cut(path):
    path.write_bytes(path.read_bytes()[:-1])


def test_a_whole_run_passes(folder):
    assert set(seal(folder)) == {*EXACT, *TOLD}
    check_seal(folder)


@pytest.mark.parametrize("name", EXACT)
@pytest.mark.parametrize(
    ("harm", "words"),
    [(lambda path: path.unlink(), "is missing"), (empty, "is empty"), (flip, "is not what"), (cut, "is not what")],
)
def test_a_result_that_was_lost_or_changed_is_named(folder, name, harm, words):
    harm(folder.path / name)
    with pytest.raises(InputError, match=rf"{name} {words}.*finished run in .* is damaged: restore the file"):
        check_seal(folder)


@pytest.mark.parametrize("name", TOLD)
def test_settings_and_logs_may_change_but_not_vanish(folder, name):
    flip(folder.path / name)
    check_seal(folder)
    empty(folder.path / name)
    with pytest.raises(InputError, match=rf"{name} is empty.* is damaged"):
        check_seal(folder)


def test_a_run_of_an_older_version_needs_its_model_and_result(folder):
    folder.set_status("finished")
    (folder.path / "metrics.csv").unlink()
    flip(folder.weights)
    check_seal(folder)
    empty(folder.weights)
    with pytest.raises(InputError, match=r"weights\.safetensors is empty"):
        check_seal(folder)


def test_a_run_that_is_not_finished_has_no_seal(folder):
    folder.set_status("failed")
    folder.weights.unlink()
    check_seal(folder)
