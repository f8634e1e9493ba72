"""What a stage writes, and that a kill between any two files loses nothing."""

import pytest

from modelheir.engine import saving
from modelheir.runs import stage as folder
from modelheir.runs.tensors import load_state


@pytest.mark.parametrize("kill_at", [("resume", 1), ("resume", 2), ("resume", 4), ("weights", 1), ("result", 1)])
def test_kill_between_two_files(kill_at, toy, tmp_path, monkeypatch):
    """Each file of a stage is the last that a killed process writes, once."""
    settings = {**toy.hard, "save_every_steps": 0, "save_every_epochs": 1}
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


class Clock:
    """Stands for ``time``: every look at it takes ``tick`` seconds."""

    def __init__(self, tick=0.0):
        self.now, self.tick = 100.0, tick

    def monotonic(self):
        self.now += self.tick
        return self.now


def test_resume_points_by_the_clock_wait_longer_where_saving_is_slow(monkeypatch):
    clock = Clock()
    monkeypatch.setattr(saving, "time", clock)
    cadence = saving.Cadence(10.0)
    clock.now = 109.9
    assert not cadence.due()
    clock.now = 110.0
    assert cadence.due()
    cadence.save(lambda: setattr(clock, "now", clock.now + 0.1))  # took 0.1 s: ten more seconds
    assert cadence.next == pytest.approx(120.1)
    cadence.save(lambda: setattr(clock, "now", clock.now + 3.0))  # took 3 s: 150 seconds, a fiftieth of the time
    assert cadence.next == pytest.approx(113.1 + 150)
    assert not saving.Cadence(0.0).due()


def test_where_resume_points_come_changes_no_number(toy, tmp_path, monkeypatch):
    settings = {**toy.hard, "save_every_steps": 0, "save_every_epochs": 0}
    straight = toy.run(toy.one(toy.two_streams), tmp_path / "a", **settings, save_every_seconds=0)
    assert not list((tmp_path / "a").rglob("resume*"))
    monkeypatch.setattr(saving, "time", Clock(tick=1.0))
    with pytest.raises(toy.stopped):
        toy.run(toy.one(toy.two_streams), tmp_path / "b", stop_after=13, **settings, save_every_seconds=3)
    number = load_state(tmp_path / "b" / "stages" / "00_train" / "resume.safetensors")["number"]
    assert 0 < number < 13
    assert number % 5  # inside an epoch
    resumed = toy.run(toy.one(toy.two_streams), tmp_path / "b", **settings, save_every_seconds=3)
    assert toy.equal(toy.weights(straight), toy.weights(resumed))
    assert straight["train"].metrics == resumed["train"].metrics


def test_the_best_weights_are_found_where_an_earlier_version_kept_them(toy, tmp_path):
    from modelheir.runs.tensors import save_state, save_weights

    settings = {"epochs": 4, "keep": "best", "lr": 2.0}
    straight = toy.run(toy.one(toy.two_streams), tmp_path / "a", **settings)
    with pytest.raises(toy.stopped):
        toy.run(toy.one(toy.two_streams), tmp_path / "b", stop_after=16, **settings)
    place = tmp_path / "b" / "stages" / "00_train"
    state = load_state(place / "resume.safetensors")
    save_weights(place / "best.safetensors", state.pop("chosen"))
    save_state(place / "resume.safetensors", state)
    resumed = toy.run(toy.one(toy.two_streams), tmp_path / "b", **settings)
    assert toy.equal(toy.weights(straight), toy.weights(resumed))
    assert not (place / "best.safetensors").exists()
