"""What is written is what the teachers say of the images that training shows, however it is parted."""

import dataclasses
import json
import re

import numpy as np
import pytest
import torch
from PIL import Image

from modelheir import models
from modelheir.assemble import write_cache
from modelheir.assemble.caching import writing
from modelheir.assemble.declared import model_digests
from modelheir.checks import InputError
from modelheir.config.inputs import InputConfig
from modelheir.config.mapping import to_mapping
from modelheir.data import open_splits
from modelheir.models import Ensemble, StoredViews
from modelheir.runs.teacher_cache.manifest import read_manifest
from modelheir.runs.teacher_cache.reading import open_cache, verify_cache
from modelheir.types import Outputs

POOL = "synthetic:n=40,classes=3,size=8,seed=9"


def shown(given, **settings):
    """Yield every batch of a whole cycle of views."""
    stream = given.data.stream("train", **settings)
    for epoch in range(given.data.view_cycle):
        yield from ((stream, batch) for batch in stream.epoch(epoch))


@pytest.mark.parametrize("augment", ["crop", "random_resized_crop", "randaugment"])
@pytest.mark.parametrize("loader", ["resident", "streaming"])
def test_stored_logits_are_those_of_the_teacher_on_the_views_that_training_shows(caches, augment, loader):
    views = {"augment": augment, "erase": 0.3, "loader": loader, "workers": 0}
    folder = caches.write(inputs={**views, "mirror": False})
    given = caches.given(folder, **views)
    live, stored = Ensemble(caches.world.given().old.models), None
    seen = set()
    for stream, batch in shown(given):
        stored = stored or given.old.teacher(stream)
        torch.testing.assert_close(stored(batch).logits, live(batch).logits, rtol=1e-6, atol=1e-6)
        seen |= {(batch.view, int(row)) for row in batch.index}
    assert isinstance(stored, StoredViews)
    assert len(seen) > 2.5 * len(given.data.splits["train"])  # each epoch leaves out its last incomplete batch


def test_a_batch_of_the_writer_gives_the_same_bits_in_training(caches):
    folder = caches.write(batch_size=16)
    given = caches.given(folder)
    live, stored = Ensemble(caches.world.given().old.models), given.old.teacher(given.data.stream())
    for _, batch in shown(given, shuffle=False):
        assert torch.equal(stored(batch).logits, live(batch).logits)


def test_views_differ_and_come_again(caches):
    folder = caches.write()
    values, ids = caches.arrays(folder)
    assert values.shape == (3, len(ids), 3)
    assert all(not np.array_equal(values[0], values[other]) for other in (1, 2))
    given = caches.given(folder)
    stored = given.old.teacher(given.data.stream())
    batch = next(given.data.stream().epoch(1))
    assert batch.view == 1
    assert np.array_equal(stored(batch).logits.numpy(), values[1][[ids.index(one) for one in ids_of(given, batch)]])
    again = dataclasses.replace(batch, view=2)
    assert not torch.equal(stored(again).logits, stored(batch).logits)
    with pytest.raises(ValueError, match="view 3 of 3"):
        stored(dataclasses.replace(batch, view=3))


def ids_of(given, batch):
    return given.data.splits["train"].ids[batch.index].tolist()


def test_the_centre_is_evaluations_view(caches):
    folder = caches.write(views=0, inputs={"augment_seed": 5})
    told = read_manifest(folder)
    assert (told.kind, told.views, dict(told.inputs)) == ("centre", 1, {"image_size": 8, "resize": 8})
    given = caches.given(folder, views=0)
    live = Ensemble(caches.world.given().old.models)
    values, ids = caches.arrays(folder)
    stream = given.data.stream("train", train=False)
    found = torch.cat([live(batch).logits for batch in stream.epoch(0)])
    assert ids == stream.ids.tolist()
    np.testing.assert_array_equal(values[0], found.numpy())
    assert sorted(path.name.split("-")[0] for path in folder.glob("*.npy")) == ["logits"]


def test_a_cache_of_the_whole_serves_every_part_and_a_part_lacks_the_rest(caches):
    whole, part = caches.write("whole", unlabelled=POOL), caches.write("part")
    large, small = (
        dict(zip(ids, values.swapaxes(0, 1), strict=True)) for values, ids in map(caches.arrays, (whole, part))
    )
    assert len(large) == len(small) + 40
    np.testing.assert_allclose(np.stack([large[one] for one in small]), np.stack(list(small.values())), atol=1e-6)
    given = caches.given(whole)
    assert len(given.old.teacher(given.data.stream()).get_buffer("logits")[0]) == len(small)
    given = caches.given(whole, train_fraction=0.5)
    assert given.old.teacher(given.data.stream()).get_buffer("logits").shape[1] < len(small)
    pooled = caches.given(part)
    train = pooled.data.splits["train"]
    renamed = dataclasses.replace(train, ids=np.array([f"new/{one}" for one in train.ids]))
    more = caches.given(part, splits={**pooled.data.splits, "train": renamed})
    message = rf"cache:\S+ lacks {len(train)} of {len(train)} training images \(new/.*, \.\.\.\): write a cache of"
    with pytest.raises(InputError, match=message):
        more.old.teacher(more.data.stream())


def test_shards_in_any_order_are_the_whole(caches):
    whole = caches.write("whole")
    for shard in ("3/3", "1/3", "2/3"):
        parted = caches.write("parted", shard=shard)
    (a, ids), (b, others) = caches.arrays(whole), caches.arrays(parted)
    assert ids == others
    np.testing.assert_allclose(a, b, atol=1e-6)
    tables = [open_cache(folder) for folder in (whole, parted)]
    assert tables[0].pixels.tolist() == tables[1].pixels.tolist()
    rows = tables[1].rows(np.array(ids[::-1]))
    np.testing.assert_array_equal(tables[1].take("logits", rows), b[:, ::-1])
    np.testing.assert_array_equal(tables[1].take("logits", rows[:5], 2), b[2, ::-1][:5])
    assert set(verify_cache(parted).values()) == {""}


def test_a_shard_that_is_written_is_left_and_one_that_is_not_whole_is_written_again(caches, monkeypatch):
    folder = caches.write(shard="1/2")
    before = {path.name: path.stat().st_mtime_ns for path in folder.glob("*-1-of-2.*")}
    runs, run = [], writing._run
    monkeypatch.setattr(writing, "_run", lambda *args: runs.append(args[2]) or run(*args))
    caches.write(shard="1/2")
    assert runs == []
    caches.write(shard="2/2")
    assert runs == [0, 1, 2]
    assert before == {path.name: path.stat().st_mtime_ns for path in folder.glob("*-1-of-2.*")}
    content = (folder / "logits-2-of-2.npy").read_bytes()
    (folder / "logits-2-of-2.npy").write_bytes(content[:-4])
    caches.write(shard="2/2")
    assert (folder / "logits-2-of-2.npy").read_bytes() == content
    assert runs == [0, 1, 2] * 2


def test_an_interrupted_shard_is_not_there_and_leaves_nothing_behind(caches, monkeypatch):
    def stop(*_):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(writing, "_packed", stop)
        with pytest.raises(KeyboardInterrupt):
            caches.write(shard="1/2")
    folder = caches.path / "cache"
    assert sorted(path.name for path in folder.iterdir()) == [".shard-1-of-2.lock", "cache.json"]
    caches.write(shard="1/2")
    with pytest.raises(InputError, match=r"is half-written: shard 2/2 is missing\. Run .* with --shard 2/2\."):
        open_cache(folder)


CHANGED = {
    "views": ({"views": 4}, "views = 3, and this one has 4"),
    "top_k": ({"top_k": 1}, "top_k = 0, and this one has 1"),
    "dtype": ({"dtype": "float16"}, "dtype = 'float32', and this one has 'float16'"),
    "shards": ({"shard": "1/3"}, "shards = 2, and this one has 3"),
    "seed": ({"inputs": {"augment_seed": 4}}, "inputs.augment_seed = 0, and this one has 4"),
    "erase": ({"inputs": {"erase": 0.5}}, "inputs.erase = 0.0, and this one has 0.5"),
    "data": ({"inputs": {"train_fraction": 0.5}}, "images = "),
    "average": (
        {"policy": {"average": "probabilities"}},
        "policy.average = 'logits', and this one has 'prob",
    ),
    "features": ({"features": True}, "features = 0, and this one has "),
}


@pytest.mark.parametrize(("changes", "message"), CHANGED.values(), ids=CHANGED)
def test_a_shard_of_other_settings_is_refused_by_the_first_that_differs(caches, changes, message):
    folder = caches.write(shard="1/2")
    before = sorted(path.name for path in folder.iterdir())
    with pytest.raises(InputError, match=rf"{folder} holds a cache with {re.escape(message)}"):
        caches.write(**{"shard": "2/2", **changes})
    assert sorted(path.name for path in folder.iterdir()) == before


def test_a_shard_of_another_teacher_is_refused(caches):
    caches.write(shard="1/2")
    caches.world.save_model("old", seed=8)
    with pytest.raises(InputError, match=r"teachers\.0\.files\.weights\.safetensors = '\w{64}', and this one has"):
        caches.write(shard="2/2")


@pytest.mark.parametrize("average", ["logits", "probabilities"])
def test_several_teachers_are_stored_as_their_mean_in_the_space_of_one(caches, average):
    names = [caches.world.save_model(f"t{seed}", seed=seed, model=("mlp", "convnet")[seed % 2]) for seed in range(8)]
    weights = [1.0, 3.0, 1.0, 2.0, 1.0, 1.0, 0.5, 0.5]
    one = caches.write("one", teacher=names[:1])
    eight = caches.write("eight", teacher=names, policy={"average": average, "weights": weights})
    told = read_manifest(eight)
    assert [teacher["weight"] for teacher in told.teachers] == pytest.approx([weight / 10 for weight in weights])
    assert [teacher["files"] for teacher in told.teachers] == [model_digests([name])[name] for name in names]
    sizes = [sum(path.stat().st_size for path in folder.glob("*.npy")) for folder in (one, eight)]
    assert sizes[0] == sizes[1]
    given = caches.given(eight)
    live = Ensemble([models.load(name) for name in names], weights=weights, average=average)
    stored = given.old.teacher(given.data.stream())
    for _, batch in shown(given):
        torch.testing.assert_close(stored(batch).logits, live(batch).logits, rtol=1e-5, atol=1e-5)


def test_features_are_kept_where_asked_for(caches):
    folder = caches.write(features=True, dtype="float16")
    given = caches.given(folder)
    stored, live = given.old.teacher(given.data.stream()), Ensemble(caches.world.given().old.models)
    for _, batch in shown(given):
        found = stored(batch)
        assert found.features.dtype == found.logits.dtype == torch.float32
        torch.testing.assert_close(found.features, live(batch).features, rtol=1e-3, atol=1e-3)
        torch.testing.assert_close(found.logits, live(batch).logits, rtol=1e-3, atol=1e-3)
    assert stored.feature_size == live.feature_size > 0


def test_the_largest_classes_are_kept_with_what_the_others_have_together(caches):
    plain, kept = caches.write("plain"), caches.write("kept", top_k=2)
    (logits, _), (classes, _), (said, _) = (
        caches.arrays(folder, name)
        for folder, name in ((plain, "logits"), (kept, "top_classes"), (kept, "log_probabilities"))
    )
    assert classes.shape[2:] == (2,)
    assert said.shape[2:] == (3,)
    for view in range(3):
        for row in range(len(logits[view])):
            p = np.exp(logits[view, row].astype(np.float64))
            p /= p.sum()
            order = np.argsort(-p)
            assert classes[view, row].tolist() == order[:2].tolist()
            np.testing.assert_allclose(np.exp(said[view, row]), [*p[order[:2]], p[order[2:]].sum()], rtol=1e-5)


def test_a_logit_beyond_half_precision_is_stored_as_the_largest(caches):
    told = read_manifest(caches.write(dtype="float16"))
    found = writing._packed(Outputs(torch.tensor([[1e6, -1e6, 1.0]]), torch.empty(1, 0)), told)["logits"]
    assert found.tolist() == [[65504.0, -65504.0, 1.0]]


def test_images_that_cannot_be_decoded_have_no_row_and_training_goes_on_without(caches, tmp_path):
    place = tmp_path / "photos"
    for k in range(60):
        path = place / "train" / f"class{k % 3}" / f"{k}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (8, 8), (4 * k, 0, 255 - 4 * k)).save(path)
    views = {"max_bad_share": 0.2, "resident_gib": 0.0, "verify": "none", "workers": 0, "image_size": 8}
    views |= {"loader": "streaming", "augment": "crop"}
    inputs = InputConfig(**views, mirror=False)
    bad = str(open_splits(f"folder:{place}", inputs)["train"].ids[5])
    file = place / bad
    file.write_bytes(file.read_bytes()[:-40])
    folder = caches.write(data=f"folder:{place}", inputs=to_mapping(inputs))
    told = json.loads((folder / "shard-1-of-1.json").read_text())
    cache = open_cache(folder)
    assert told["skipped"] == [bad]
    assert len(cache.ids) == told["images"] == cache.manifest.images - 1
    assert bad not in cache.ids.tolist()
    given = caches.given(folder, splits=open_splits(f"folder:{place}", inputs), **views)
    stored = given.old.teacher(given.data.stream())
    assert not stored.held
    rows = [row for _, batch in shown(given) for row in batch.index.tolist() if stored(batch).logits.isfinite().all()]
    assert given.data.splits["train"].ids.tolist().index(bad) not in rows
    assert len(rows) == 3 * 32  # of 42 images, in whole batches of 16


BAD = {
    "no teacher": ({"teacher": ()}, r"--teacher is missing: for example --teacher run:runs/large\."),
    "no folder": ({"out": ""}, r"--out is missing: for example --out teachers\."),
    "batch norm": ({"policy": {"batch_norm": "batch"}}, r"policy\.batch_norm = 'batch': .* would depend on the batch"),
    "mixed": ({"inputs": {"mixup": 0.2}}, r"inputs\.mixup mixes images"),
    "one view": ({"inputs": {"augment": "none"}}, r"inputs\.augment = 'none' shows one view .* --views 0"),
    "shard": ({"shard": "4/3"}, r"shard = '4/3': must be i/n with i from 1 to n, such as 3/16\."),
    "shards": ({"shard": "4/99999"}, r"shard = '4/99999': there are only \d+ images; give fewer shards\."),
    "top_k": ({"top_k": 3}, r"top_k = 3: the teachers know 3 classes; 0 keeps them all\."),
    "predictions": ({"teacher": ("old.parquet",)}, r"old\.parquet holds predictions, and the model itself is needed"),
    "cache": ({"teacher": ("cache:x",)}, r"cache:x holds outputs of teachers, and the model itself is needed"),
    "weights": ({"policy": {"weights": (1.0, 2.0)}}, r"2 weights for 1 teachers: give one each\."),
}


@pytest.mark.parametrize(("changes", "message"), BAD.values(), ids=BAD)
def test_a_mistake_is_said_in_a_sentence_and_nothing_is_written(caches, changes, message):
    with pytest.raises(InputError, match=message):
        caches.write(**changes)
    assert not (caches.path / "cache").exists()


def test_a_weak_teacher_is_refused_before_anything_is_written(caches):
    with pytest.raises(InputError, match="no better than chance"):
        caches.write(allow_weak_teacher=False, teacher=(caches.world.save_model("weak", seed=3),))
    assert not (caches.path / "cache").exists()


def test_a_folder_of_other_files_is_left_alone(caches):
    place = caches.path / "mine"
    place.mkdir()
    (place / "notes.txt").write_text("x")
    with pytest.raises(InputError, match=r"mine holds other files and no teacher cache: give a new folder\."):
        caches.write("mine")
    with pytest.raises(InputError, match="choose a place outside the data"):
        caches.write("mine/inner", data=f"folder:{place}")
    assert [path.name for path in place.iterdir()] == ["notes.txt"]


def test_two_writers_of_one_shard_do_not_meet(caches, monkeypatch):
    run = writing._run

    def twice(*args):
        with pytest.raises(InputError, match="another process is writing shard 1/1: wait for it"):
            write_cache(caches.settings())
        monkeypatch.setattr(writing, "_run", run)
        return run(*args)

    monkeypatch.setattr(writing, "_run", twice)
    folder = caches.write()
    assert set(verify_cache(folder).values()) == {""}


@pytest.mark.distributed
def test_two_processes_write_what_one_writes(caches, copies):
    folder = caches.write("one", unlabelled=POOL)
    words = ["cache", "write", "--teacher", caches.world.old, "--data", "synthetic:n=96,classes=3,size=8"]
    words += ["--unlabelled", POOL, "--out", str(caches.path / "two"), "--views", "3", "--device", "cpu"]
    words += ["--dtype", "float32", "--batch_size", "16", "--allow_weak_teacher"]
    done = copies.command(*words, world=2)
    assert done.returncode == 0, done.stderr
    (a, ids), (b, others) = caches.arrays(folder), caches.arrays(caches.path / "two")
    assert ids == others
    np.testing.assert_allclose(a, b, atol=1e-6)
    assert read_manifest(folder) == read_manifest(caches.path / "two")
    assert done.stdout.count("written to") == 1
