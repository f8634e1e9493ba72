"""``embed``: what is stored is what the encoder says, however often and in how many parts it was computed."""

import dataclasses
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from modelheir.assemble import embed
from modelheir.assemble.embedding import computing, embedding
from modelheir.assemble.embedding.embedding import view_name
from modelheir.checks import InputError
from modelheir.config.inputs import InputConfig
from modelheir.data import make_stream, open_splits, view_sets
from modelheir.embeddings import open_view, read_facts, verify_view
from modelheir.models import encoders, state_hash
from modelheir.runs.lock import locked

DATA = "synthetic:n=96,classes=3,size=8"


def test_stored_vectors_are_what_the_encoder_says(settings, world, draw):
    """T-13: a head gives the same logits on the store and on the fly, for every image of every split."""
    made = embed(settings(dtype="float32"))
    splits = open_splits(DATA, InputConfig())
    found = view_sets([one.folder for one in made], splits)
    assert {name: len(one) for name, one in found.items()} == {name: len(one) for name, one in splits.items()}
    weight = draw(found["train"].widths[0], 3)
    encoder = encoders.load_encoder(world.old)
    for name, images in splits.items():
        stored, left = (torch.from_numpy(view) for view in found[name].read(np.arange(len(images))))
        stream = make_stream(images, config=InputConfig(), batch_size=8, train=False, seed=0, device="cpu")
        batches = list(stream.epoch(0))
        logits = torch.cat([encoder(batch.inputs) @ weight for batch in batches])
        torch.testing.assert_close(stored @ weight, logits, rtol=1e-6, atol=1e-6)
        halves = torch.cat([batch.inputs.mean(1)[..., :4].flatten(1) for batch in batches])
        torch.testing.assert_close(left, halves, rtol=0, atol=0)


def test_float16_is_the_same_rounded(settings):
    for wide, narrow in zip(embed(settings(dtype="float32")), embed(settings("half")), strict=True):
        one, other = (np.asarray(open_view(made.folder).vectors) for made in (wide, narrow))
        assert (one.dtype, other.dtype) == (np.float32, np.float16)
        np.testing.assert_array_equal(one.astype(np.float16), other)


def test_encoders_stay_as_they_are(settings, monkeypatch):
    """Q-13: no weight, no buffer and no mode changes."""
    seen, load = [], encoders.load_encoder

    def keep(*words, **settings):
        found = load(*words, **settings)
        seen.append((found, state_hash(found), [one.training for one in found.modules()]))
        return found

    monkeypatch.setattr(encoders, "load_encoder", keep)
    embed(settings())
    assert len(seen) == 2
    for encoder, before, modes in seen:
        assert state_hash(encoder) == before
        assert [one.training for one in encoder.modules()] == modes
        assert not any(modes)


def test_every_split_is_there_once_and_labels_go_with_ids(settings):
    view = open_view(embed(settings())[1].folder)
    splits = open_splits(DATA, InputConfig())
    assert sorted(view.rows.ids) == sorted(name for one in splits.values() for name in one.ids)
    for split, images in splits.items():
        mine = view.rows.splits == split
        assert dict(zip(view.rows.ids[mine], view.rows.labels[mine], strict=True)) == dict(
            zip(images.ids, images.labels, strict=True)
        )


def test_parts_together_are_the_whole(settings, files):
    whole = embed(settings())
    for part in ("3/3", "1/3", "1/3", "2/3"):
        made = embed(settings("parts", shard=part))
    assert [one.missing for one in made] == [(), ()]
    for one, other in zip(whole, made, strict=True):
        assert files(one.folder) == files(other.folder)


def test_each_part_writes_its_own_files(settings):
    (one, _) = embed(settings(shard="2/3"))
    assert (one.computed, one.missing) == (2, (0, 1, 4, 5))
    assert sorted(path.name for path in (one.folder / "shards").glob("*.npy")) == ["00002.npy", "00003.npy"]
    with pytest.raises(InputError, match="half-written: 4 of 6 shards are missing"):
        open_view(one.folder)


def test_a_stopped_call_goes_on_to_the_same_bytes(settings, files, monkeypatch):
    whole = embed(settings())
    left, write = [5], computing.write_shard

    def stopping(*words):
        left[0] -= 1
        if left[0] < 0:
            raise KeyboardInterrupt
        write(*words)

    monkeypatch.setattr(computing, "write_shard", stopping)
    with pytest.raises(KeyboardInterrupt):
        embed(settings("stopped"))
    monkeypatch.setattr(computing, "write_shard", write)
    made = embed(settings("stopped"))
    assert [one.computed for one in made] == [6 - 3, 6 - 2]
    for one, other in zip(whole, made, strict=True):
        assert files(one.folder) == files(other.folder)


def test_a_killed_process_leaves_whole_shards_and_the_same_bytes_after(settings, files, tmp_path):
    config = settings("killed", shard_images=8)
    code = (
        "import sys, time; from modelheir.assemble.embedding import computing\n"
        "write = computing.write_shard\n"
        "def slow(*words): write(*words); time.sleep(0.3)\n"
        "computing.write_shard = slow\n"
        "from modelheir.cli import main; sys.exit(main(sys.argv[1:]))"
    )
    words = ["embed", "--data", config.data, "--encoder", *config.encoder, "--out", config.out, "--batch_size", "8"]
    words += ["--shard_images", "8", "--device", "cpu", "--quiet"]
    process = subprocess.Popen([sys.executable, "-c", code, *words], env=os.environ)
    end = time.monotonic() + 60
    while process.poll() is None and time.monotonic() < end:
        if len(list(Path(config.out).glob("*/shards/*.json"))) >= 4:
            break
        time.sleep(0.02)
    process.send_signal(signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL
    finished = {name: content for name, content in files(Path(config.out)).items() if name.endswith((".npy", ".json"))}
    made = embed(config)
    assert 0 < sum(one.computed for one in made) < 24 - 3
    after = files(Path(config.out))
    kept = [name for name in finished if name.endswith("view.json") or f"{name[:-4]}.json" in finished]
    assert kept
    assert all(after[name] == finished[name] for name in kept)
    for one, other in zip(embed(settings("whole", shard_images=8)), made, strict=True):
        assert files(one.folder) == {name: body for name, body in files(other.folder).items() if ".part" not in name}


def test_a_cut_shard_is_computed_again_and_others_are_not(settings, files):
    (one, _) = embed(settings())
    before = files(one.folder)
    times = {path: path.stat().st_mtime_ns for path in one.folder.rglob("*.npy")}
    cut = one.folder / "shards" / "00003.npy"
    cut.write_bytes(cut.read_bytes()[:-1])
    (again, other) = embed(settings())
    assert (again.computed, other.computed) == (1, 0)
    assert files(one.folder) == before
    assert [path.name for path, time in times.items() if path.stat().st_mtime_ns != time] == ["00003.npy"]


def test_images_are_decoded_once_for_encoders_of_one_size(settings, monkeypatch, world, tmp_path):
    streams, make = [], computing.datasets.make_stream

    def counted(images, **given):
        streams.append(len(images))
        return make(images, **given)

    monkeypatch.setattr(computing.datasets, "make_stream", counted)
    embed(settings())
    assert streams == [96]
    embed(settings(encoder=(world.old, "pixels:left", "pixels:right")))
    assert streams == [96, 96]  # for the new one alone
    embed(settings(encoder=(world.old, "pixels:left")))
    assert len(streams) == 2


def test_the_carving_of_splits_does_not_matter(settings):
    first = embed(settings())
    again = embed(settings(inputs={"split_seed": 3, "val_fraction": 0.3}))
    assert [one.computed for one in again] == [0, 0]
    view = open_view(first[0].folder)
    assert (view.rows.splits == "val").sum() == len(open_splits(DATA, InputConfig())["val"])


def tree(root, *, bad=(), side=12):
    """Write twenty images of two classes; those named ``bad`` do not decode."""
    rng = np.random.default_rng(0)
    for number in range(20):
        path = root / "train" / "ab"[number % 2] / f"{number:02d}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(rng.integers(0, 256, (side, side + number % 3, 3), dtype=np.uint8)).save(path)
        if number in bad:
            path.write_bytes(path.read_bytes()[:60])  # its header is whole
    return root


def test_images_that_do_not_decode_are_named_and_have_no_vector(settings, tmp_path):
    """Found on the way: the set is too large to be decoded first; a whole batch is bad, at the end of a shard."""
    bad = (12, 14, 16, 18)  # sorted by id: class a is 0-9, so these are rows 6 to 9
    data = f"folder:{tree(tmp_path / 'photos', bad=bad)}"
    inputs = {"resident_gib": 0.0, "max_bad_share": 0.5, "workers": 0, "image_size": 8}
    config = settings(encoder=("pixels:all",), data=data, inputs=inputs, batch_size=2, shard_images=8, dtype="float32")
    (made,) = embed(config)
    view = open_view(made.folder)
    assert [Path(name).stem for name in view.missing] == [f"{number}" for number in bad]
    good = embed(dataclasses.replace(config, data=f"folder:{tree(tmp_path / 'good')}", out=str(tmp_path / "g")))[0]
    whole = open_view(good.folder)
    for name, place in zip(view.rows.ids, view.places, strict=True):
        (there,) = np.flatnonzero(whole.rows.ids == name)
        np.testing.assert_array_equal(view.vectors[place], whole.vectors[whole.places[there]])
    assert len(view.rows) == 16
    assert set(verify_view(made.folder).values()) == {""}
    with pytest.raises(InputError, match=r"4 of 20 images cannot be decoded .* inputs\.max_bad_share = 0\.1"):
        embed(settings("less", data=data, encoder=("pixels:all",), inputs={**inputs, "max_bad_share": 0.1}))


def test_the_share_of_bad_images_is_of_all_of_them_however_often_one_goes_on(settings, tmp_path):
    """Four of twenty are bad, two a shard: a part, or what is left of it, is not judged by itself."""
    data = f"folder:{tree(tmp_path / 'photos', bad=(12, 14, 1, 3))}"  # rows 6, 7, 10 and 11
    inputs = {"resident_gib": 0.0, "max_bad_share": 0.2, "workers": 0, "image_size": 8}
    config = settings(encoder=("pixels:all",), data=data, inputs=inputs, batch_size=4, shard_images=4)
    (made,) = embed(dataclasses.replace(config, shard="3/5"))
    assert made.missing == (0, 1, 3, 4)
    (made,) = embed(config)
    assert len(open_view(made.folder).missing) == 4
    strict = dataclasses.replace(
        config, out=str(tmp_path / "strict"), inputs=InputConfig(**{**inputs, "max_bad_share": 0.15})
    )
    for _ in range(2):  # again is no way around it
        with pytest.raises(
            InputError, match=r"4 of 20 images cannot be decoded \(now 'train/b/01.*03\.png'\), over the share"
        ):
            embed(strict)
    assert not (tmp_path / "strict" / "pixels-all" / "shards" / "00002.npy").exists()


def test_an_encoder_that_says_nothing_finite_is_refused_by_the_sample(settings, monkeypatch):
    load = encoders.load_encoder

    def broken(*words, **given):
        found = load(*words, **given)
        body = found.body.forward
        found.body.forward = lambda images: torch.where(images.flatten(1)[:, :1] > 0.9, torch.nan, body(images))
        return found

    monkeypatch.setattr(encoders, "load_encoder", broken)
    with pytest.raises(InputError, match=r"pixels:left gives numbers that are not finite for \d+ images?, 'synthetic"):
        embed(settings(encoder=("pixels:left",), data="synthetic:n=40,classes=3,size=8,noise=120"))


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"data": "synthetic:n=96,classes=3,size=8,seed=1"}, r"other data, 96 images .* \(the pixels differ\)"),
        ({"inputs": {"image_size": 4}}, r"a view with encoder\.image_size = 8, and this one has 4"),
        ({"dtype": "float32"}, "a view with dtype = 'float16'"),
        ({"precision": "bf16"}, "a view with preprocessing.precision = 'fp32', and this one has 'bf16'"),
        ({"shard_images": 32}, "a view with shard_images = 16"),
    ],
)
def test_a_folder_with_another_view_is_refused_and_left(settings, files, change, said):
    made = embed(settings(encoder=("pixels:left",)))
    before = files(made[0].folder)
    with pytest.raises(InputError, match=said):
        embed(settings(encoder=("pixels:left",), **change))
    assert files(made[0].folder) == before


def test_other_weights_under_one_address_are_refused(settings, world):
    config = settings(encoder=(world.old,))
    embed(config)
    world.save_model("old", seed=6)
    with pytest.raises(InputError, match="with other weights, fingerprint"):
        embed(config)


def test_nothing_is_written_where_a_later_folder_does_not_fit(settings, tmp_path, world):
    folder = tmp_path / "views" / "pixels-left"
    folder.mkdir(parents=True)
    (folder / "note.txt").write_text("mine")
    with pytest.raises(InputError, match=r"pixels-left holds other files and no view: give another --out"):
        embed(settings())
    assert [path.name for path in (tmp_path / "views").iterdir()] == ["pixels-left"]
    assert (folder / "note.txt").read_text() == "mine"
    shutil.rmtree(folder)
    embed(settings(encoder=("pixels:left",), dtype="float32"))
    with pytest.raises(InputError, match="a view with dtype"):
        embed(settings())
    assert [path.name for path in (tmp_path / "views").iterdir()] == ["pixels-left"]


def test_the_output_is_never_laid_on_data_or_a_run(settings, tmp_path, world):
    data = f"folder:{tree(tmp_path / 'photos')}"
    for out in ("photos", "photos/train/views", "."):
        with pytest.raises(InputError, match="choose a place outside the data"):
            embed(settings(out, data=data))
    for out in ("old", "old/views"):
        with pytest.raises(InputError, match=r"lies in the model run:.*old: choose a folder outside it"):
            embed(settings(out))
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "status.json").write_text('{"version": 1, "state": "finished"}')
    with pytest.raises(InputError, match="is for the files of the run in"):
        embed(settings("other/stages"))
    assert not (tmp_path / "other" / "stages").exists()
    (tmp_path / "file").write_text("x")
    with pytest.raises(InputError, match="file is a file: give a folder"):
        embed(settings("file"))
    assert (tmp_path / "file").read_text() == "x"


def test_two_equal_calls_do_not_write_at_once(settings, tmp_path):
    folder = tmp_path / "views" / "pixels-left"
    config = settings(encoder=("pixels:left",))
    embed(config)
    with (
        locked(folder / ".part-1-of-1.lock"),
        pytest.raises(InputError, match=r"another process is computing part 1/1"),
    ):
        embed(config)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"encoder": ()}, "--encoder is missing"),
        ({"encoder": ("pixels:left", "pixels:left")}, "--encoder pixels:left is given twice"),
        ({"encoder": ("what:ever",)}, "'what:ever' is no encoder: give "),
        ({"encoder": ("pixels:lefd",)}, "Did you mean 'left'"),
        ({"batch_size": 7}, "batch_size = 7: must divide shard_images = 16"),
        ({"shard": "7/7"}, "shard = '7/7': 96 images make 6 files of 16: give fewer parts"),
        ({"shard": "0/7"}, "must be i/n"),
        ({"inputs": {"views": "ten_crop"}}, "an embedding is of the centre alone"),
        ({"inputs": {"loader": "resident"}}, "each image is shown once"),
        ({"device": "gpu"}, "device = 'gpu': must be"),
    ],
)
def test_mistakes_are_sentences_before_anything_is_written(settings, tmp_path, changes, said):
    with pytest.raises(InputError, match=said):
        embed(settings(**changes))
    assert not (tmp_path / "views").exists()


def test_a_place_is_needed(settings):
    with pytest.raises(InputError, match="--out is missing: for example --out views"):
        embed(dataclasses.replace(settings(), out=""))


def test_names_of_folders(settings, monkeypatch):
    assert view_name("timm:vit/../x y") == "timm-vit-..-x-y"
    assert view_name("pixels:left") != view_name("pixels:right")
    long = [view_name("run:" + "x" * 300 + end) for end in "ab"]
    assert len(set(long)) == 2
    assert {len(name) for name in long} == {89}
    monkeypatch.setattr(embedding, "view_name", lambda address: "same")
    with pytest.raises(InputError, match="would share the folder"):
        embed(settings())


def test_settings_reach_what_they_set(settings):
    """The size of images, the type that is stored, precision, and the size of a shard."""
    (made,) = embed(settings(encoder=("pixels:all",), dtype="float32", shard_images=48, precision="bf16"))
    facts = read_facts(made.folder)
    assert (facts.width, facts.dtype, facts.shards) == (64, "float32", 2)
    said = {name: facts.preprocessing[name] for name in ("fit", "resize", "crop", "precision")}
    assert said == {"fit": "stretch", "resize": 8, "crop": 8, "precision": "bf16"}


def test_a_classifier_sees_images_as_in_evaluation(settings, world):
    """Its short side is resized and the middle cut, by the settings of the house's own streams."""
    inputs = {"image_size": 8, "resize": 12}
    (made,) = embed(settings(encoder=(world.old,), inputs=inputs, dtype="float32"))
    assert read_facts(made.folder).preprocessing["fit"] == "centre"
    images = open_splits(DATA, InputConfig())["test"]
    stream = make_stream(images, config=InputConfig(**inputs), batch_size=8, train=False, seed=0, device="cpu")
    encoder = encoders.load_encoder(world.old)
    wanted = torch.cat([encoder(batch.inputs) for batch in stream.epoch(0)]).numpy()
    (found,) = view_sets([made.folder], {"test": images})["test"].read(np.arange(len(images)))
    np.testing.assert_allclose(found, wanted, rtol=1e-6, atol=1e-6)


def test_an_encoder_with_a_way_of_its_own_sees_the_whole_image_stretched(settings, tmp_path):
    """Pillow's own resizing of each file is the oracle."""
    data = f"folder:{tree(tmp_path / 'photos')}"
    inputs = {"image_size": 6, "workers": 0}
    (made,) = embed(settings(encoder=("pixels:all",), data=data, inputs=inputs, dtype="float32"))
    view = open_view(made.folder)
    for name, place in zip(view.rows.ids, view.places, strict=True):
        (path,) = (tmp_path / "photos").rglob(Path(name).name)
        small = np.asarray(Image.open(path).resize((6, 6), Image.Resampling.BILINEAR), dtype=np.float32)
        np.testing.assert_allclose(view.vectors[place], small.mean(2).ravel() / 255, atol=1e-6)
    with pytest.raises(InputError, match=r"pixels:all stretches images to 6 pixels a side itself"):
        embed(settings("more", encoder=("pixels:all",), data=data, inputs={**inputs, "resize": 8}))


def test_precision_reaches_the_encoder(settings, world):
    coarse, fine = (
        np.asarray(
            open_view(embed(settings(name, encoder=(world.old,), precision=name, dtype="float32"))[0].folder).vectors
        )
        for name in ("bf16", "fp32")
    )
    assert not np.array_equal(coarse, fine)
    np.testing.assert_allclose(coarse, fine, rtol=0.05, atol=0.05)
