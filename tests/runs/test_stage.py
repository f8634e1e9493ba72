"""The files of a stage: what a kill leaves between its result and its clean-up, and a result that is damaged."""

import pytest

from modelheir.checks import InputError
from modelheir.runs.folder import RunFolder


class Killed(BaseException):
    """What a kill looks like from inside: nothing runs after it."""


def die():
    raise Killed


def begun(folder):
    stage = folder.stage(0, "train")
    stage.path.mkdir(parents=True)
    for path in (stage.resume, stage.best, stage.weights):
        path.write_bytes(b"state")
    return stage


def test_what_a_kill_after_the_result_left_is_removed_by_the_next_start(tmp_path, monkeypatch):
    folder = RunFolder(tmp_path)
    stage = begun(folder)
    monkeypatch.setattr(stage, "tidy", die)
    with pytest.raises(Killed):
        stage.finish({}, {})
    assert stage.finished
    assert stage.resume.exists()
    with folder.locked():
        assert sorted(path.name for path in stage.path.iterdir()) == ["result.json", "weights.safetensors"]


def test_a_stage_that_is_to_go_on_keeps_its_state(tmp_path):
    stage = begun(RunFolder(tmp_path))
    with RunFolder(tmp_path).locked():
        assert stage.resume.exists()
        assert stage.best.exists()


@pytest.mark.parametrize("text", ["", "[]", "null", "{}", '{"metrics": 3}', '{"metrics": {}, "describe": []}'])
def test_a_damaged_result_is_named(text, tmp_path):
    stage = RunFolder(tmp_path).stage(0, "train")
    stage.finish({}, {})
    stage.summary.write_text(text)
    with pytest.raises(InputError, match=r"result\.json .* Delete it, and the same command trains this stage again"):
        stage.result()
