"""Averages at work: which images estimate statistics, and which weights are asked."""

import dataclasses

import numpy as np
import pytest
import torch

from modelheir.address import parse_address
from modelheir.assemble.averaging.judging import Judge
from modelheir.assemble.averaging.members import open_snapshots
from modelheir.config.inputs import InputConfig
from modelheir.data import open_splits
from modelheir.inference import Runtime
from modelheir.methods.given import Data
from modelheir.models.blends import average_states, ema_weights, parse_way
from modelheir.runs.folder import RunFolder

from .conftest import DATA


@pytest.fixture(scope="module")
def judge(kept):
    splits = open_splits(DATA, InputConfig())
    train = splits["train"]
    sorted_by_class = train.subset(np.argsort(train.labels, kind="stable"))
    data = Data({**splits, "train": sorted_by_class}, InputConfig(), 32, 0, Runtime("cpu"))
    return Judge(open_snapshots(kept.start, data_classes=train.classes), data, recalibrate=True, images=64)


def test_statistics_come_from_mixed_training_images_varied_as_in_training(judge):
    batches = list(judge._training.epoch(0))
    assert sum(map(len, batches)) == 64
    assert all(len(batch.labels.unique()) == 3 for batch in batches)
    again = list(judge._training.epoch(0))
    assert all(torch.equal(one.inputs, two.inputs) for one, two in zip(batches, again, strict=True))
    calm = {id: image for batch in judge.data.stream("train", train=False).epoch(0)
            for id, image in zip(judge.data.splits["train"].ids[batch.index], batch.inputs, strict=True)}  # fmt: skip
    varied = [torch.equal(image, calm[judge._training.ids[row]])
              for batch in batches for row, image in zip(batch.index.tolist(), batch.inputs, strict=True)]  # fmt: skip
    assert sum(varied) < len(varied) / 2  # most are cropped or mirrored
    assert judge._training.ids.tolist() == [one for one in judge._training.ids if one in judge.data.splits["train"].ids]
    every = dataclasses.replace(judge, images=0)
    count = len(judge.data.splits["train"])
    assert sum(map(len, every._training.epoch(0))) == count - count % 32  # whole batches, as in training


def test_what_is_made_has_the_weights_of_the_mean(judge):
    alone = tuple(judge.alone(number) for number in range(len(judge.members)))
    tried = judge.average(parse_way("ema:0.5"), alone)
    wanted = average_states(map(judge.members.read, range(5)), ema_weights(5, 0.5))
    made = judge.final(tried).state_dict()
    for name, value in wanted.items():
        if "running" not in name and "num_batches" not in name:
            torch.testing.assert_close(made[name], value, rtol=1e-6, atol=1e-7)
    assert any("running_mean" in name and not torch.equal(made[name], value) for name, value in wanted.items())
    assert tried.kept == (0, 1, 2, 3, 4)
    assert tried.as_averaged == pytest.approx(plain(judge, wanted))


def plain(judge, state):
    said = judge.ask(judge.make(state, recalibrate=False)[0])
    return (said.prediction == said.label).mean()


def test_a_model_alone_is_as_it_was_trained(judge, kept):
    last = len(judge.members) - 1
    model = judge.final(judge.alone(last))
    snapshot = RunFolder(parse_address(kept.start).place).stage(0, "train").snapshots()[last][1]
    from safetensors.torch import load_file

    for name, value in load_file(snapshot).items():
        assert torch.equal(model.state_dict()[name.removeprefix("model/")], value), name


def test_a_greedy_soup_of_all_is_the_uniform_one_bit_for_bit(judge, monkeypatch):
    alone = tuple(judge.alone(number) for number in range(len(judge.members)))
    monkeypatch.setattr(Judge, "_score", lambda self, state: 1.0)
    greedy, uniform = (judge.average(parse_way(way), alone) for way in ("greedy", "uniform"))
    assert (greedy.kept, greedy.weights, greedy.loss) == (uniform.kept, uniform.weights, uniform.loss)
