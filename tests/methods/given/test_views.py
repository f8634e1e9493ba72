"""Views of a plan: joined by sample id, computed where they are not stored, and streamed as batches of tuples."""

import dataclasses
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch

from modelheir.assemble.embedding.embedding import embed
from modelheir.assemble.embedding.settings import EmbedConfig
from modelheir.checks import InputError
from modelheir.config.inputs import InputConfig
from modelheir.data import open_splits
from modelheir.embeddings import Rows, ViewFacts, rows_digest, write_facts, write_shard
from modelheir.embeddings.rows import write_rows
from modelheir.methods.given.views import open_views
from modelheir.models.encoders.pixels import Pixels

DATA = "synthetic:n=96,classes=3,size=8"


@pytest.fixture
def known(world):
    return world.given(inputs=InputConfig(augment="none")).data


@pytest.fixture
def store(tmp_path, known):
    """Return a function that writes a view of the world's images, in any order, with values by id."""

    def write(name, *, order=None, lacking=(), values=None, labels=None):
        every = [split for split in known.splits.values()]
        ids = np.concatenate([one.ids for one in every])
        found = np.concatenate([one.labels for one in every]) if labels is None else labels
        vectors = np.random.default_rng(4).standard_normal((len(ids), 4)).astype(np.float32)
        vectors = vectors if values is None else values(vectors)
        kept = np.array([number for number, one in enumerate(ids) if one not in lacking])
        kept = kept if order is None else kept[order(len(kept))]
        rows = Rows(ids[kept], found[kept], np.full(len(kept), "train"))
        facts = ViewFacts(
            encoder={"address": f"timm:{name}", "fingerprint": name, "image_size": 8}, preprocessing={},
            data={"address": "x", "content": "", "pixels": ""}, rows=rows_digest(rows), classes=known.classes,
            count=len(kept), width=4, dtype="float32", shard_images=40,
        )  # fmt: skip
        write_facts(tmp_path / name, facts)
        write_rows(tmp_path / name, facts, rows)
        for number in range(facts.shards):
            part = np.asarray(facts.shard(number))
            write_shard(tmp_path / name, facts, number, vectors[kept][part], rows.ids[part])
        return str(tmp_path / name)

    return write


def vectors_of(found, split, view):
    one = found.sets[split]
    return dict(zip(one.ids.tolist(), one.read(np.arange(len(one)))[view].tolist(), strict=True))


def test_views_are_what_encoders_make_of_the_images(known):
    found = open_views(("pixels:left", "pixels:right"), known, say=lambda line: None)
    assert found.widths == (32, 32)
    for split, images in known.splits.items():
        ours = vectors_of(found, split, 0)
        assert list(ours) == images.ids.tolist()
        grey = np.stack([images.image(number) for number in range(len(images))])[:, :, :4] / 255
        said = np.array(list(ours.values()))
        for image, one in zip(grey.mean(3), said, strict=True):
            assert np.corrcoef(image.ravel(), one)[0, 1] > 0.98
    assert [one["address"] for one in found.encoders] == ["pixels:left", "pixels:right"]
    assert {one["image_size"] for one in found.encoders} == {8}


def test_stored_views_are_those_that_are_computed(known, tmp_path):
    config = EmbedConfig(
        encoder=("pixels:left",), data=DATA, out=str(tmp_path), dtype="float32", device="cpu", quiet=True
    )
    (made,) = embed(config)
    stored = open_views((str(made.folder), "pixels:right"), known, say=lambda line: None)
    computed = open_views(("pixels:left", "pixels:right"), known, say=lambda line: None)
    for split in known.splits:
        np.testing.assert_allclose(
            list(vectors_of(stored, split, 0).values()), list(vectors_of(computed, split, 0).values()), atol=1e-6
        )
    assert stored.encoders[0]["fingerprint"] == computed.encoders[0]["fingerprint"]


def test_the_order_in_which_a_view_is_stored_does_not_matter(known, store):
    """T-16: samples are joined by id, and a joint permutation of a view's rows changes nothing."""
    mixed = store("mixed", order=lambda n: np.random.default_rng(0).permutation(n))
    found = open_views((store("one"), mixed), known)
    for split, images in known.splits.items():
        assert vectors_of(found, split, 0) == vectors_of(found, split, 1)
        assert found.sets[split].ids.tolist() == images.ids.tolist()


def test_ids_that_mean_other_images_are_seen_by_their_labels(known, store):
    """T-16: one view's rows are permuted under their ids, labels and all."""
    labels = np.concatenate([one.labels for one in known.splits.values()])
    other = store("other", labels=np.random.default_rng(1).permutation(labels))
    with pytest.raises(InputError, match=r"label '.*' differently"):
        open_views((store("one"), other), known)


def test_samples_that_a_view_lacks_are_counted_and_named_or_left_out(known, store, caplog):
    lost = known.splits["train"].ids[3:5].tolist()
    folders = (store("one"), store("two", lacking=lost))
    with pytest.raises(InputError, match=rf"two lacks 2 of the 69 samples.*such as '{lost[0]}'.*allow a larger share"):
        open_views(folders, known)
    known = dataclasses.replace(known, inputs=dataclasses.replace(known.inputs, max_bad_share=0.05))
    found = open_views(folders, known)
    assert len(found.sets["train"]) == 67
    assert not set(found.sets["train"].ids) & set(lost)
    assert "lacks 2 of the 69 samples" in caplog.text
    assert "left out" in caplog.text


def test_what_is_no_number_in_a_view_is_refused(known, store):
    def spoilt(vectors):
        vectors[7, 2] = np.nan
        return vectors

    with pytest.raises(InputError, match=r"NaN|finite|not a number"):
        open_views((store("one"), store("two", values=spoilt)), known)


@pytest.mark.parametrize(
    ("address", "said"),
    [
        ("pixels:lef", r"unknown pixels 'lef'. Did you mean 'left'"),
        ("encoder:dinov3", r"unknown encoder 'dinov3'. Did you mean 'dinov2'"),
        ("no/such/folder", r"'no/such/folder' is no encoder"),
    ],
)
def test_an_unknown_encoder_is_refused_before_any_image_is_seen(known, address, said):
    lines = []
    with pytest.raises(InputError, match=said):
        open_views(("pixels:left", address), known, say=lines.append)
    assert lines == []


def test_a_batch_holds_a_tensor_a_view_and_no_label_of_others(known):
    found = open_views(("pixels:left", "pixels:top"), known, say=lambda line: None)
    stream = found.stream(found.sets["train"], train=True, split="train")
    batch = next(iter(stream.epoch(0)))
    train, rows = found.sets["train"], batch.index.numpy()
    for view, tensor in enumerate(batch.inputs):
        assert torch.equal(tensor, torch.from_numpy(train.read(rows)[view]))
    assert batch.labels.tolist() == train.labels[rows].tolist()


def test_what_does_not_fit_into_memory_is_read_row_by_row_in_the_same_order(known):
    small = dataclasses.replace(known, inputs=dataclasses.replace(known.inputs, resident_gib=0.0))
    held, read = (open_views(("pixels:left", "pixels:top"), one, say=lambda line: None) for one in (known, small))
    for train in (True, False):
        streams = [one.stream(one.sets["train"], train=train) for one in (held, read)]
        for ours, theirs in zip(*(one.epoch(1) for one in streams), strict=True):
            assert all(torch.equal(a, b) for a, b in zip(ours.inputs, theirs.inputs, strict=True))
            assert torch.equal(ours.labels, theirs.labels)


def test_selection_and_reporting_images_are_what_is_evaluated(known):
    found = open_views(("pixels:left", "pixels:top"), known, say=lambda line: None)
    streams = found.evaluation()
    assert {name: list(stream.ids) for name, stream in streams.items()} == {
        name: known.splits[name].ids.tolist() for name in ("val", "test")
    }


def test_encoders_can_be_asked_for_another_size(world, known):
    other = world.save_model("other", model="convnet", seed=6)
    usual, larger = (open_views(("pixels:left", other), known, size=size, say=lambda line: None) for size in (0, 16))
    assert vectors_of(usual, "val", 1) != vectors_of(larger, "val", 1)
    assert vectors_of(usual, "val", 0) == vectors_of(larger, "val", 0)
    assert larger.encoders[1]["image_size"] == 16


def test_splits_of_other_data_are_not_in_a_stored_view(known, store):
    other = dataclasses.replace(known, splits=open_splits("synthetic:n=30,classes=3,size=8,seed=5", InputConfig()))
    other = dataclasses.replace(
        other,
        splits={name: dataclasses.replace(one, ids=np.char.add("x", one.ids)) for name, one in other.splits.items()},
    )
    with pytest.raises(InputError, match=r"lacks \d+ of the \d+ samples"):
        open_views((store("one"), store("two")), other)


def test_two_folders_of_one_encoder_are_one_view(known, store):
    first = store("a")
    (Path(first).parent / "copies").mkdir()
    second = shutil.copytree(first, Path(first).parent / "copies" / "b")
    with pytest.raises(InputError, match=r"2 views are of 1 encoders \(timm:a\)"):
        open_views([first, str(second)], known)


def test_an_encoder_that_gives_what_is_no_number_is_refused(known, monkeypatch):
    monkeypatch.setattr(Pixels, "forward", lambda self, images: images.mean((1, 2, 3))[:, None] / 0.0 * 0.0)
    with pytest.raises(InputError, match=r"pixels:left gives numbers that are not finite for .* images of "):
        open_views(["pixels:left"], known)
