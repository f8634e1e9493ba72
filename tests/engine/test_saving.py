"""What a stage writes, and that a kill between any two files loses nothing."""

import pytest

from modelheir.engine import saving
from modelheir.runs import folder


@pytest.mark.parametrize("kill_at", [("resume", 1), ("resume", 2), ("best", 1), ("weights", 1), ("result", 1)])
def test_kill_between_two_files(kill_at, toy, tmp_path, monkeypatch):
    """Each file of a stage is the last that a killed process writes, once."""
    settings = {**toy.hard, "save_every_steps": 0}
    straight = toy.run(toy.one(lambda: toy.two_streams()), tmp_path / "a", **settings)
    left = {kill_at[0]: kill_at[1]}

    def killing(write):
        def attempt(path, *rest):
            name = path.name.split(".")[0]
            left[name] = left.get(name, 0) - 1
            if left[name] == 0:
                raise toy.stopped
            return write(path, *rest)

        return attempt

    with monkeypatch.context() as patch:
        patch.setattr(saving, "save_state", killing(saving.save_state))
        patch.setattr(saving, "save_weights", killing(saving.save_weights))
        patch.setattr(folder, "write_json", killing(folder.write_json))
        with pytest.raises(toy.stopped):
            toy.run(toy.one(lambda: toy.two_streams()), tmp_path / "b", **settings)
    resumed = toy.run(toy.one(lambda: toy.two_streams()), tmp_path / "b", **settings)
    assert toy.equal(toy.weights(straight), toy.weights(resumed))
    assert straight["train"].metrics == resumed["train"].metrics
    left_over = {path.name for path in (tmp_path / "b" / "stages" / "00_train").iterdir()}
    assert left_over == {"weights.safetensors", "result.json", "predictions"}


def test_checkpoints_are_kept_from_the_start(toy, tmp_path):
    toy.run(toy.plain(), tmp_path, checkpoint_every_epochs=1)
    places = sorted(path.name for path in (tmp_path / "stages" / "00_train" / "checkpoints").iterdir())
    assert places == ["epoch_0000", "epoch_0001", "epoch_0002", "epoch_0003"]
    assert (tmp_path / "stages" / "00_train" / "checkpoints" / "epoch_0003" / "val.parquet").is_file()
