import dataclasses
import logging

import numpy as np
import pytest
import torch

from modelheir.checks import InputError
from modelheir.data.images import join_sets
from modelheir.data.sources.files import open_folder
from modelheir.data.splits import open_splits
from modelheir.data.streams import resident as keeping
from modelheir.data.streams.images import make_stream
from modelheir.data.streams.rows import RowStream
from modelheir.data.streams.streaming import StreamingStream
from modelheir.data.transforms.draws import sample_keys


def stream_of(images, config, **changes):
    usual = {"batch_size": 4, "train": True, "seed": 3, "device": "cpu"}
    own = {*usual, *("rank", "world", "extra", "shuffle", "drop_last", "view_cycle", "split", "stores", "augments")}
    settings = {key: changes.pop(key) for key in list(changes) if key in own}
    if "augments" in settings:
        settings["augment"] = settings.pop("augments")
    return make_stream(images, config=dataclasses.replace(config, **changes), **usual | settings)


def same(left, right, atol=0.0):
    left, right = list(left), list(right)
    assert len(left) == len(right) > 0
    for a, b in zip(left, right, strict=True):
        assert torch.equal(a.index, b.index)
        assert torch.equal(a.labels, b.labels)
        assert torch.allclose(a.inputs, b.inputs, atol=atol, rtol=0)
        assert (a.targets is None) == (b.targets is None)
        assert a.targets is None or torch.equal(a.targets, b.targets)


@pytest.mark.parametrize("train", [True, False])
@pytest.mark.parametrize("kind", ["none", "crop_flip", "randaugment", "autoaugment", "random_resized_crop"])
def test_both_loaders_give_the_same_batches(make_images, config, train, kind):
    settings = {"augment": kind, "erase": 0.3, "mixup": 0.8, "cutmix": 1.0, "train": train}
    resident = stream_of(make_images(), config, loader="resident", **settings)
    streaming = stream_of(make_images(), config, loader="streaming", **settings)
    assert isinstance(resident, RowStream)
    assert isinstance(streaming, StreamingStream)
    assert len(resident) == len(streaming) == 3
    same(resident.epoch(1), streaming.epoch(1), atol=2.01 / 255 if kind == "random_resized_crop" else 0.0)


@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_workers_change_nothing(make_images, config):
    alone = stream_of(make_images(), config, loader="streaming", augment="random_resized_crop")
    helped = stream_of(make_images(), config, loader="streaming", augment="random_resized_crop", workers=2)
    same(alone.epoch(0), helped.epoch(0))
    same(alone.epoch(1, 1), helped.epoch(1, 1))


@pytest.mark.parametrize("loader", ["resident", "streaming"])
def test_a_late_start_is_the_tail_of_the_epoch(make_images, config, loader):
    stream = stream_of(make_images(), config, loader=loader)
    whole = list(stream.epoch(2))
    same(whole[1:], stream.epoch(2, 1))
    same(whole, stream.epoch(2))


@pytest.mark.parametrize("loader", ["resident", "streaming"])
def test_two_processes_with_half_a_batch_are_one_with_the_whole(make_images, config, loader):
    settings = {"loader": loader, "augment": "crop_flip", "erase": 0.5, "mixup": 0.8, "cutmix": 1.0}
    whole = list(stream_of(make_images(), config, **settings).epoch(0))
    halves = [list(stream_of(make_images(), config, rank=rank, world=2, **settings).epoch(0)) for rank in range(2)]
    for batch, *parts in zip(whole, *halves, strict=True):
        for name in ("inputs", "labels", "index", "targets"):
            assert torch.equal(torch.cat([getattr(part, name) for part in parts]), getattr(batch, name))


def test_evaluation_reads_all_in_order_untouched(make_images, config):
    images = make_images(n=10)
    batches = list(stream_of(images, config, train=False, erase=1.0, mixup=1.0).epoch(5))
    assert [len(batch) for batch in batches] == [4, 4, 2]
    seen = torch.cat([batch.inputs for batch in batches])
    assert torch.equal(seen, torch.from_numpy(images.array.copy()).permute(0, 3, 1, 2).float() / 255)
    assert torch.cat([batch.index for batch in batches]).tolist() == list(range(10))


def test_streams_describe_their_rows_and_carry_stored_values(make_images, config):
    images = make_images()
    stored = torch.arange(12.0)[:, None] * torch.ones(3)
    stream = stream_of(images, config, extra={"old_logits": stored})
    assert (stream.ids == images.ids).all()
    assert (stream.columns["domain"] == images.columns["domain"]).all()
    assert stream.classes == images.classes
    for batch in stream.epoch(0):
        assert torch.equal(batch.extra["old_logits"], stored[batch.index])
        assert stream.labels[batch.index].tolist() == batch.labels.tolist()
    with pytest.raises(ValueError, match="old has 3"):
        stream_of(images, config, extra={"old": torch.zeros(3)})
    with pytest.raises(ValueError, match="stored values belong to unmixed images"):
        stream_of(images, config, extra={"old_logits": stored}, mixup=0.5)


def test_order_and_augmentation_have_their_own_seeds(make_images, config):
    def epoch(**seeds):
        return next(stream_of(make_images(), config, augment="crop", **seeds).epoch(0))

    usual, moved = epoch(), epoch(augment_seed=9)
    assert torch.equal(usual.index, moved.index)
    assert not torch.equal(usual.inputs, moved.inputs)
    assert not torch.equal(epoch(seed=9).index, usual.index)


@pytest.mark.parametrize("loader", ["resident", "streaming"])
def test_ten_crops_are_ten_views(make_images, config, loader):
    stream = stream_of(make_images(), config, train=False, views="ten_crop", image_size=6, resize=8, loader=loader)
    batch = next(stream.epoch(0))
    images = torch.from_numpy(make_images().array[:4].copy()).permute(0, 3, 1, 2).float() / 255
    assert len(batch.inputs) == 10
    assert torch.equal(batch.inputs[3], images[:, :, 2:, 2:])
    assert torch.equal(batch.inputs[9], images[:, :, 1:7, 1:7].flip(3))


def test_unlabelled_images_mix_without_targets(make_images, config):
    pool = make_images(labels=np.full(12, -1))
    batch = next(stream_of(pool, config, mixup=0.5).epoch(0))
    assert batch.targets is None
    assert batch.labels.tolist() == [-1] * 4
    with pytest.raises(InputError, match=r"or none, and 6 of 12 have no label: set inputs\.mixup"):
        stream_of(make_images(labels=np.array([-1, 0] * 6)), config, mixup=0.5)


@pytest.fixture
def damaged(tmp_path, save, config):
    for name in ("cat", "dog"):
        for i in range(6):
            save(tmp_path / name / f"{i}.png", height=8 + i, width=8)
    file = tmp_path / "cat" / "3.png"
    file.write_bytes(file.read_bytes()[:-60])
    return open_folder(str(tmp_path), {}, config)["train"]


def test_undecodable_images_are_left_out_by_both_loaders(damaged, config, caplog):
    settings = {"train": False, "image_size": 8, "max_bad_share": 0.1, "extra": {"row": torch.arange(12)}}
    with caplog.at_level(logging.WARNING):
        resident = stream_of(damaged, config, loader="resident", **settings)
        streaming = stream_of(damaged, config, loader="streaming", **settings)
        for stream in (resident, streaming):
            seen = list(stream.epoch(0)) + list(stream.epoch(1))
            names = [str(stream.ids[i]) for batch in seen for i in batch.index]
            assert len(names) == 22
            assert "cat/3.png" not in names
            rows = [int(row) for batch in seen for row in batch.extra["row"]]
            assert [str(damaged.ids[row]) for row in rows] == names
    assert caplog.text.count("1 of 12 images cannot be decoded (cat/3.png") == 2


def test_too_many_undecodable_images_stop_both_loaders(damaged, config):
    with pytest.raises(InputError, match=r"1 of 12 images cannot be decoded .*over the share"):
        stream_of(damaged, config, train=False, image_size=8, loader="resident")
    with pytest.raises(InputError, match=r"1 of 12 images cannot be decoded .*over the share"):
        list(stream_of(damaged, config, train=False, image_size=8, loader="streaming").epoch(0))


@pytest.mark.parametrize("world", [1, 2])
def test_another_image_of_the_batch_stands_in_for_an_undecodable_one(damaged, config, caplog, world):
    settings = {"image_size": 8, "max_bad_share": 0.1, "loader": "streaming", "augment": "crop", "erase": 0.5}
    for rank in range(world):
        stream = stream_of(damaged, config, rank=rank, world=world, **settings)
        met = 0
        for epoch in range(4):
            for (_, rows), batch in zip(stream.order.batches(epoch), stream.epoch(epoch), strict=True):
                met += 3 in rows
                assert len(batch) == len(batch.inputs) == len(rows) == 4 // world
                assert set(batch.index.tolist()) == {*rows} - {3}
                assert batch.labels.tolist() == damaged.labels[batch.index].tolist()
                shown = {row: image for row, image in zip(batch.index.tolist(), batch.inputs, strict=True)}
                assert all(torch.equal(shown[int(i)], x) for i, x in zip(batch.index, batch.inputs, strict=True))
        assert met
        assert stream.skipped.keys() == {3}
    assert caplog.text.count("1 of 12 images cannot be decoded (cat/3.png") == world


def test_auto_keeps_what_fits(make_images, damaged, config):
    assert isinstance(stream_of(make_images(), config), RowStream)
    assert isinstance(stream_of(make_images(), config, resident_gib=1e-9), StreamingStream)
    crops = {"image_size": 8, "augment": "random_resized_crop"}
    assert isinstance(stream_of(damaged, config, **crops), StreamingStream)
    with pytest.raises(InputError, match=r"cannot be resident; set inputs.loader=streaming"):
        stream_of(damaged, config, loader="resident", **crops)


def test_cifar_10_as_jpeg_is_the_same_from_both_loaders(cifar, config):
    config = dataclasses.replace(config, train_per_class=30, resident_gib=0.0, verify="none", augment="none")
    images = open_splits(f"parquet:{cifar}", config)["train"]
    first = [
        next(stream_of(images, config, loader=loader, batch_size=64).epoch(0)) for loader in ("resident", "streaming")
    ]
    same(first[:1], first[1:])
    assert first[0].inputs.shape == (64, 3, 32, 32)


def test_no_more_workers_than_cores(make_images, config, monkeypatch):
    monkeypatch.setattr("modelheir.data.streams.streaming._cores", lambda: 1)
    many = dataclasses.replace(config, workers=9, loader="streaming")
    stream = make_stream(make_images(), config=many, batch_size=2, train=False, seed=0, device="cpu")
    assert stream._loader.num_workers == 1


@pytest.mark.parametrize("loader", ["resident", "streaming"])
def test_order_augmentation_and_tail_can_be_said_apart(make_images, config, loader):
    images = make_images(n=10)
    plain = torch.from_numpy(images.array.copy()).permute(0, 3, 1, 2).float() / 255
    calm = list(stream_of(images, config, loader=loader, augment="crop", augments=False, drop_last=False).epoch(0))
    assert [len(batch) for batch in calm] == [4, 4, 2]
    order = torch.cat([batch.index for batch in calm])
    assert order.tolist() != list(range(10)) == sorted(order.tolist())
    assert torch.equal(torch.cat([batch.inputs for batch in calm]), plain[order])
    moved = stream_of(images, config, loader=loader, augment="crop", train=False, augments=True, split="val")
    assert moved.split == "val"
    batches = list(moved.epoch(0))
    assert torch.cat([batch.index for batch in batches]).tolist() == list(range(10))
    assert not torch.equal(torch.cat([batch.inputs for batch in batches]), plain)


@pytest.mark.parametrize("loader", ["resident", "streaming"])
@pytest.mark.parametrize("kind", ["crop_flip", "random_resized_crop"])
def test_views_come_again_after_a_cycle(make_images, config, loader, kind):
    settings = {"loader": loader, "augment": kind, "train": False, "augments": True}
    twice = stream_of(make_images(), config, view_cycle=2, **settings)
    same(twice.epoch(3), twice.epoch(1))
    assert not torch.equal(next(twice.epoch(0)).inputs, next(twice.epoch(1)).inputs)
    assert [next(twice.epoch(epoch)).view for epoch in range(5)] == [0, 1, 0, 1, 0]
    for_ever = stream_of(make_images(), config, **settings)
    assert [next(for_ever.epoch(epoch)).view for epoch in range(3)] == [0, 0, 0]


@pytest.mark.parametrize("loader", ["resident", "streaming"])
@pytest.mark.parametrize("kind", ["crop_flip", "random_resized_crop", "randaugment", "autoaugment"])
def test_views_that_come_again_are_the_same_in_every_set(make_images, config, loader, kind):
    """A sample shows its views alone, in another order and beside further samples."""
    settings = {"loader": loader, "augment": kind, "train": False, "augments": True, "view_cycle": 3, "erase": 0.5}
    images, further = make_images(), make_images(n=5, seed=1, ids=np.array([f"more/{i}" for i in range(5)]))
    some = np.array([7, 2, 9, 3, 11])
    sets = [images, images.subset(some), join_sets([further, images], name="both")]
    assert (sample_keys(images.ids)[some] == sample_keys(sets[1].ids)).all()
    shown = [views_by_id(stream_of(one, config, **settings)) for one in sets]
    assert [len(one) for one in shown] == [12, 5, 17]
    for other in shown[1:]:
        both = other.keys() & shown[0].keys()
        assert len(both) == len(shown[0].keys() & other.keys()) >= 5
        assert all(torch.equal(other[name], shown[0][name]) for name in both)


def views_by_id(stream):
    """Return the views 0 to 2 of every sample, ``(3, channels, S, S)``."""
    found = {}
    for epoch in range(3):
        for batch in stream.epoch(epoch):
            for row, picture in zip(batch.index.tolist(), batch.inputs, strict=True):
                found.setdefault(str(stream.ids[row]), []).append(picture)
    return {name: torch.stack(pictures) for name, pictures in found.items()}


@pytest.mark.parametrize("loader", ["resident", "streaming"])
def test_a_view_that_comes_again_is_mixed_anew(make_images, config, loader):
    """Of two views in turn, both images of a mixture show the epoch's; their shares are drawn epoch by epoch."""
    settings = {"loader": loader, "augment": "crop_flip", "train": False, "augments": True, "view_cycle": 2}
    views, mixed = (stream_of(make_images(), config, mixup=alpha, **settings) for alpha in (0.0, 0.8))
    same(views.epoch(0), views.epoch(2))
    assert not torch.equal(next(views.epoch(0)).inputs, next(views.epoch(1)).inputs)
    shares = []
    for epoch in range(4):
        for clean, batch in zip(views.epoch(epoch), mixed.epoch(epoch), strict=True):
            share = batch.targets[0, clean.labels[0]]  # neighbours have other labels
            partners = clean.inputs[[1, 0, 3, 2]]
            torch.testing.assert_close(batch.inputs, share * clean.inputs + (1 - share) * partners)
            shares.append(share.item())
    assert len(set(shares)) == len(shares) == 12


def test_streams_over_one_split_share_what_is_decoded(tmp_path, save, config, monkeypatch):
    for name in ("a/1.png", "a/2.png", "b/3.png", "b/4.png"):
        save(tmp_path / name, seed=int(name[2]))
    file = tmp_path / "a" / "2.png"
    file.write_bytes(file.read_bytes()[:-60])
    images = open_folder(str(tmp_path), {}, config)["train"]
    loads, stores, load = [], {}, keeping._load
    monkeypatch.setattr(keeping, "_load", lambda *args: loads.append(1) or load(*args))
    settings = {"loader": "resident", "image_size": 8, "max_bad_share": 0.5, "batch_size": 2, "stores": stores}
    extra = {"value": torch.arange(4.0)}
    one = stream_of(images, config, augment="none", train=False, extra=extra, **settings)
    two = stream_of(images, config, augment="none", train=False, extra=extra, **settings)
    same(one.epoch(0), two.epoch(0))
    assert len(loads) == 1
    assert two.ids.tolist() == images.ids[[0, 2, 3]].tolist()
    assert torch.cat([batch.extra["value"] for batch in two.epoch(0)]).tolist() == [0.0, 2.0, 3.0]
    stream_of(images, config, augment="none", train=False, **settings | {"image_size": 6})
    assert len(loads) == 2
