"""The data that a plan is handed: what is asked of a stream reaches it, and splits are decoded once."""

import dataclasses
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from modelheir.config.inputs import InputConfig
from modelheir.data import open_splits


@pytest.mark.parametrize(
    ("inputs", "fixed"),
    [
        ({"augment": "none"}, True),
        ({"augment": "none", "resize": 10}, True),
        ({"augment": "crop"}, False),
        ({"augment": "none", "erase": 0.5}, False),
        ({"augment": "none", "mixup": 0.5}, False),
        ({"augment": "none", "cutmix": 0.5}, False),
    ],
)
def test_a_view_is_fixed_where_two_epochs_show_the_same_pictures(world, inputs, fixed):
    data = world.given(inputs=InputConfig(**inputs)).data
    assert data.fixed_view is fixed
    stream, shown = data.stream(), []
    for epoch in range(2):
        batches = list(stream.epoch(epoch))
        pictures = torch.cat([batch.inputs for batch in batches])
        shown.append(dict(zip(torch.cat([batch.index for batch in batches]).tolist(), pictures, strict=True)))
    same = [torch.equal(picture, shown[1][row]) for row, picture in shown[0].items() if row in shown[1]]
    assert all(same) is fixed


def test_training_is_shuffled_in_whole_batches_and_evaluation_in_order(world):
    data = world.given().data
    train, evaluation = data.stream(), data.evaluation()
    count = len(train.ids)
    assert [len(batch) for batch in train.epoch(0)] == [16] * (count // 16)
    orders = [torch.cat([batch.index for batch in train.epoch(epoch)]).tolist() for epoch in range(2)]
    assert orders[0] != orders[1]
    assert orders[0] != sorted(orders[0])
    assert set(evaluation) == {"val", "test"}
    for split, stream in {**evaluation, "train": data.stream(train=False)}.items():
        images = data.splits[split]
        assert stream.split == split
        assert stream.ids.tolist() == images.ids.tolist()
        batches = list(stream.epoch(0))
        assert torch.cat([batch.index for batch in batches]).tolist() == list(range(len(images)))
        pixels = torch.stack([torch.from_numpy(images.image(row)).permute(2, 0, 1) / 255 for row in range(len(images))])
        torch.testing.assert_close(torch.cat([batch.inputs for batch in batches]), pixels)
    without = world.changed(world.given(), splits={"train": data.splits["train"], "val": data.splits["val"]})
    assert set(without.data.evaluation()) == {"val"}


def test_stored_values_travel_with_their_images(world):
    data = world.given().data
    values = torch.arange(len(data.splits["train"])) * 2.0
    for batch in data.stream(extra={"value": values}).epoch(0):
        assert batch.extra["value"].tolist() == (batch.index * 2.0).tolist()


def test_processes_share_the_images_and_seeds_change_their_order(world):
    given = world.given()
    rows = []
    for rank in range(2):
        runtime = SimpleNamespace(rank=rank, world=2, device=torch.device("cpu"))
        stream = world.changed(given, runtime=runtime).data.stream()
        rows.append(torch.cat([batch.index for batch in stream.epoch(0)]).tolist())
    whole = torch.cat([batch.index for batch in given.data.stream().epoch(0)]).tolist()
    assert sorted(rows[0] + rows[1]) == sorted(whole)
    own = [torch.cat([b.index for b in given.data.stream(rank=0, world=1, seed=seed).epoch(0)]) for seed in (1, 2)]
    assert own[0].tolist() == whole
    assert own[1].tolist() != whole


def test_streams_over_one_split_decode_it_once_and_live_on_the_device(world, tmp_path, monkeypatch):
    given = world.given(inputs=InputConfig(resize=10))
    read = []
    images = type(given.data.splits["train"])
    original = images.image
    monkeypatch.setattr(images, "image", lambda self, row: read.append(row) or original(self, row))
    for _ in range(2):
        given.data.stream(train=False)
    assert sorted(read) == list(range(len(given.data.splits["train"])))
    elsewhere = SimpleNamespace(rank=0, world=1, device=torch.device("meta"))
    stream = world.changed(world.given(), runtime=elsewhere).data.stream()
    assert next(stream.epoch(0)).labels.device.type == "meta"


def test_data_without_a_training_split_is_read_by_what_it_has(world):
    splits = open_splits("synthetic:n=96,classes=3,size=8", InputConfig())
    pool = splits["val"].subset(np.arange(5))
    data = world.changed(world.given(), splits={"unlabelled": pool}).data
    assert (data.classes, data.image_size) == (tuple(pool.classes), 8)
    assert len(data.stream("unlabelled", train=False).ids) == 5
    assert data.evaluation() == {}


def test_training_shows_the_views_of_a_cycle_and_evaluation_the_one(world):
    data = dataclasses.replace(world.given().data, view_cycle=2)
    views = {train: [next(data.stream(train=train).epoch(epoch)).view for epoch in range(3)] for train in (True, False)}
    assert views == {True: [0, 1, 0], False: [0, 0, 0]}
    assert next(data.stream(view_cycle=3).epoch(2)).view == 2
