"""A resume point is the whole state: the numbers go on to the same bits, and another run's is refused."""

import pytest
import torch
from torch.nn.functional import cross_entropy

from modelheir.checks import InputError
from modelheir.inference.runtime import Runtime
from modelheir.plans import Task
from modelheir.runs.tensors import load_state
from modelheir.types import LossTerms


@pytest.mark.parametrize("stop_after", [1, 4, 5, 8, 13])
def test_everything_at_once_resumes_to_the_same_bits(stop_after, toy, tmp_path):
    first, second = toy.rows(), toy.rows()
    straight = toy.run(toy.one(lambda: toy.two_streams()), tmp_path / "a", log=first, **toy.hard)
    with pytest.raises(toy.stopped):
        toy.run(toy.one(lambda: toy.two_streams()), tmp_path / "b", log=second, stop_after=stop_after, **toy.hard)
    resumed = toy.run(toy.one(lambda: toy.two_streams()), tmp_path / "b", log=second, **toy.hard)
    assert toy.equal(toy.weights(straight), toy.weights(resumed))
    assert straight["train"].metrics == resumed["train"].metrics
    assert toy.same_rows(first) == toy.same_rows(second)


def test_a_resume_point_of_something_else_changes_nothing(toy, tmp_path):
    def stop(path, task, **settings):
        with pytest.raises(toy.stopped):
            toy.run(toy.one(lambda: task), path, stop_after=6, **settings)

    def plain(width=8, n=100):
        model = toy.net(seed=1, width=width)
        loss = lambda b, _: LossTerms({"t": cross_entropy(model(b["train"].inputs).logits, b["train"].labels)})  # noqa: E731
        return Task({"model": model}, {"train": toy.make_stream(n)}, loss)

    stop(tmp_path, plain())
    wide = plain(width=9)
    before = {key: value.clone() for key, value in wide.modules["model"].state_dict().items()}
    with pytest.raises(InputError, match="another model or method"):
        toy.run(toy.one(lambda: wide), tmp_path)
    assert toy.equal(before, wide.modules["model"].state_dict())
    with pytest.raises(InputError, match="another model or method"):
        toy.run(toy.one(plain), tmp_path, ema_decay=0.9)
    with pytest.raises(InputError, match="with 5 steps an epoch, and this one has 3"):
        toy.run(toy.one(lambda: plain(n=70)), tmp_path)


def test_the_scale_is_resumed(toy, tmp_path, monkeypatch):
    def scaler(self, precision):
        return torch.amp.GradScaler("cpu", init_scale=2.0, growth_interval=4)

    monkeypatch.setattr(Runtime, "scaler", scaler)
    straight = toy.run(toy.one(lambda: toy.two_streams()), tmp_path / "a", **toy.hard)
    with pytest.raises(toy.stopped):
        toy.run(toy.one(lambda: toy.two_streams()), tmp_path / "b", stop_after=7, **toy.hard)
    state = load_state(tmp_path / "b" / "stages" / "00_train" / "resume.safetensors")
    assert state["scaler"]["scale"] > 2.0
    resumed = toy.run(toy.one(lambda: toy.two_streams()), tmp_path / "b", **toy.hard)
    assert toy.equal(toy.weights(straight), toy.weights(resumed))


def test_resume_points_inside_an_epoch(toy, tmp_path):
    straight = toy.weights(toy.run(toy.plain(), tmp_path / "a"))
    with pytest.raises(toy.stopped):
        toy.run(toy.plain(), tmp_path / "b", save_every_steps=2, stop_after=9)
    rows = toy.rows()
    resumed = toy.weights(toy.run(toy.plain(), tmp_path / "b", save_every_steps=2, log=rows))
    assert all(torch.equal(straight[key], resumed[key]) for key in straight)
    assert [row["steps"] for row in rows] == [2, 5]  # steps 8 and 9 of epoch 1 were left, then a whole epoch


def test_state_of_another_model_is_refused(toy, tmp_path):
    with pytest.raises(toy.stopped):
        toy.run(toy.plain(), tmp_path, stop_after=7)
    from modelheir.runs.tensors import load_state, save_state

    path = tmp_path / "stages" / "00_train" / "resume.safetensors"
    state = load_state(path)
    state["weights"]["model/extra"] = torch.zeros(1)
    save_state(path, state)
    with pytest.raises(InputError, match="another model or method"):
        toy.run(toy.plain(), tmp_path)
