"""A selection from end to end: what is removed and chosen, the files it leaves, shards, and what it refuses."""

import json
import shutil

import numpy as np
import pyarrow.parquet as pq
import pytest
from PIL import Image

from modelheir.assemble.selecting import scoring
from modelheir.checks import InputError
from modelheir.config.inputs import InputConfig
from modelheir.data import open_source, open_splits
from modelheir.selection.settings import CopyConfig

GONE = {
    "deep/t.png": ("test/cat/0.png", "exact", "test"),
    "deep/v.png": ("val/dog/1.png", "correlation", "val"),
    "deep/r.png": ("train/cat/5.png", "exact", "train"),
    "twice.png": ("n03.png", "exact", "pool"),
}


def by_correlation(monkeypatch):
    monkeypatch.setattr("modelheir.assemble.selecting.selection.has_sift", lambda: False)


def test_copies_go_the_best_stay_and_the_list_opens_again(place, monkeypatch):
    by_correlation(monkeypatch)
    found = place.select()
    removed = pq.read_table(place.root / "out" / "removed.parquet").to_pylist()
    assert {row["sample_id"]: (row["partner"], row["reason"], row["partner_split"]) for row in removed} == GONE
    assert [set(row) >= {"sample_id", "partner", "reason", "score"} for row in removed] == [True] * 4
    assert list(found.bad) == ["bad.png"]
    assert sum(one.pool for one in found.classes) == 20

    splits = open_source(f"manifest:{found.manifest}", InputConfig())
    assert set(splits) == {"train", "unlabelled"}
    chosen = splits["unlabelled"]
    assert (chosen.labels == -1).all()
    assert not set(chosen.ids) & {*GONE, "bad.png"}
    assert len(chosen) == found.chosen == sum(min(one.pool, 4) for one in found.classes)
    data = open_splits(place.config().data, InputConfig())
    assert splits["train"].classes == data["train"].classes == chosen.classes
    assert dict(zip(splits["train"].ids, splits["train"].labels, strict=True)) == dict(
        zip(data["train"].ids, data["train"].labels, strict=True)
    )
    pool = {one.name: np.asarray(Image.open(one)) for one in (place.root / "pool").glob("n*.png")}
    for i, name in enumerate(chosen.ids):
        assert np.array_equal(chosen.image(i), pool[name])
    assert np.array_equal(splits["train"].image(0), data["train"].image(0))
    assert open_splits(f"manifest:{found.manifest}", InputConfig(val_fraction=0.2)).keys() >= {"train", "unlabelled"}


def test_the_best_are_those_of_the_teachers_own_predictions(place, monkeypatch):
    by_correlation(monkeypatch)
    from modelheir import assemble

    found = place.select(top_k=2)
    (place.root / "flat").mkdir()
    for path in (place.root / "pool").glob("n*.png"):
        shutil.copy(path, place.root / "flat")
    said = assemble.predict(place.teacher, f"folder:{place.root / 'flat'}")
    chance = np.exp(said.logits - said.logits.max(1, keepdims=True))
    chance /= chance.sum(1, keepdims=True)
    wanted = {}
    for name, guess, row in zip(said.sample_id, said.prediction, chance, strict=True):
        if name not in GONE:
            wanted.setdefault(int(guess), []).append((-row[guess], str(name)))
    best = sorted(name for rows in wanted.values() for _, name in sorted(rows)[:2])
    rows = pq.read_table(found.manifest).to_pylist()
    assert sorted(row["sample_id"] for row in rows if row["split"] == "unlabelled") == best
    score = {str(name): float(row.max()) for name, row in zip(said.sample_id, chance, strict=True)}
    for row in rows:
        if row["split"] == "unlabelled":
            assert row["score"] == pytest.approx(score[row["sample_id"]], abs=1e-5)


def test_files_and_page(place, monkeypatch):
    by_correlation(monkeypatch)
    save = place.root / "pool" / "<b>odd & n.png"
    shutil.copy(place.root / "pool" / "n05.png", save)
    found = place.select()
    out = place.root / "out"
    names = ["images", "manifest.parquet", "removed.parquet", "report.html", "report.table.csv", "scores"]
    assert sorted(path.name for path in out.iterdir()) == [*names, "selection.json"]
    said = json.loads((out / "selection.json").read_text())
    assert said["removed"] == {
        "pool": {"exact": 2}, "test": {"exact": 1}, "train": {"exact": 1}, "val": {"correlation": 1}
    }  # fmt: skip
    assert said["settings"]["dedup"]["inliers"] == 12
    assert said == json.loads(json.dumps(found.to_json()))
    page = found.page.read_text()
    assert "<b>odd" not in page
    assert "&lt;b&gt;odd &amp; n.png" in page
    assert page.count("<img ") == 10
    for name in ("dedup.ratio", "0.75", "dedup.correlation", "deep/v.png", "bad.png: not an image"):
        assert name in page, name


def test_shards_come_to_the_same_and_are_not_scored_twice(place, monkeypatch):
    by_correlation(monkeypatch)
    whole = place.select(out=str(place.root / "whole"))
    first = place.select(shard="1/3")
    assert first.waiting == ("2/3", "3/3")
    assert not first.manifest.exists()
    assert place.select(shard="3/3").waiting == ("2/3",)
    kept = (place.root / "out" / "scores" / "part-1-of-3.parquet").stat().st_mtime_ns
    calls = []
    monkeypatch.setattr(
        "modelheir.assemble.selecting.selection.score_images",
        lambda *given, **named: calls.append(len(given[1])) or scoring.score_images(*given, **named),
    )
    last = place.select(shard="2/3")
    assert last.waiting == ()
    assert calls[0] == 8  # the shard; the rest are val, test and train
    assert (place.root / "out" / "scores" / "part-1-of-3.parquet").stat().st_mtime_ns == kept
    ours, theirs = (pq.read_table(one.manifest) for one in (last, whole))
    assert ours.drop_columns("score").equals(theirs.drop_columns("score"))
    assert np.allclose(ours["score"], theirs["score"], atol=1e-6, equal_nan=True)
    calls.clear()
    again = place.select()  # finishes what is there, whatever the number of shards
    assert calls == []
    assert again.chosen == whole.chosen


def test_a_half_written_shard_is_scored_again(place, monkeypatch):
    by_correlation(monkeypatch)
    place.select(shard="1/2")
    path = place.root / "out" / "scores" / "part-1-of-2.parquet"
    whole = path.read_bytes()
    path.write_bytes(whole[:-100])
    (place.root / "out" / "scores" / ".part-2-of-2.parquet.99.part").write_bytes(b"x")
    assert place.select(shard="2/2").waiting == ("1/2",)
    assert place.select().waiting == ()
    assert len(pq.read_table(path)) == 11  # bad.png has no row


def test_scores_of_another_teacher_pool_or_number_of_shards_are_refused(place, save_picture):
    place.select(shard="1/2")
    with pytest.raises(InputError, match="was scored with another teacher: give another --out, or remove"):
        place.select(shard="1/2", teacher=place.save_teacher("other", seed=9))
    with pytest.raises(InputError, match="holds shards of 2, not of 4"):
        place.select(shard="1/4")
    save_picture(place.root / "pool" / "one_more.png", 77)
    with pytest.raises(InputError, match="another pool"):
        place.select(shard="1/2")


def test_a_pool_that_is_the_evaluation_set_is_said_to_be(place):
    with pytest.raises(InputError, match=r"nothing is left of the pool .* copies \(18 of test images\), listed in"):
        place.select(pool=f"folder:{place.root / 'data' / 'test'}")
    assert len(pq.read_table(place.root / "out" / "removed.parquet")) == 18


def test_ids_that_the_data_has_too_are_kept_apart(place, monkeypatch):
    by_correlation(monkeypatch)
    shutil.copytree(place.root / "pool", place.root / "both" / "train" / "cat")
    shutil.copy(place.root / "pool" / "n01.png", place.root / "both" / "train" / "cat" / "0.png")
    found = place.select(pool=f"folder:{place.root / 'both'}")
    assert any("begin with pool/" in note for note in found.notes)
    splits = open_source(f"manifest:{found.manifest}", InputConfig())
    assert all(name.startswith("pool/") for name in splits["unlabelled"].ids)


def test_a_pool_without_an_image_that_can_be_read(place, tmp_path):
    (tmp_path / "broken").mkdir()
    for i in range(3):
        (tmp_path / "broken" / f"{i}.png").write_bytes(b"x")
    with pytest.raises(InputError, match=r"none of the 3 images of the pool .* can be decoded \(0.png: not an image"):
        place.select(pool=f"folder:{tmp_path / 'broken'}")
    with pytest.raises(InputError, match=r"1 of the 25 images .* over the share inputs.max_bad_share = 0.01"):
        place.select(out=str(tmp_path / "o2"), inputs=InputConfig())


def test_a_k_larger_than_the_pool_is_said(place, monkeypatch):
    by_correlation(monkeypatch)
    found = place.select(top_k=1000)
    assert found.chosen == 20
    assert "The pool has fewer than top_k = 1000 images of every class: all were taken." in found.notes


def test_a_teacher_of_other_classes(place, monkeypatch):
    by_correlation(monkeypatch)
    with pytest.raises(InputError, match="the data and the teacher share no class name"):
        place.select(teacher=place.save_teacher("x", classes=("a", "b")))
    found = place.select(teacher=place.save_teacher("wider", classes=("dog", "bus", "cat", "car")), top_k=50)
    assert found.off_topic + sum(one.pool for one in found.classes) == 20
    assert found.off_topic > 0
    assert found.classes[2].pool == 0
    assert "The teacher does not know 1 of the classes, so none is chosen for: owl." in found.notes
    by_order = place.select(
        teacher=place.save_teacher("xyz", classes=("a", "b", "c")), classes="by-order", out=str(place.root / "o3")
    )
    assert any("by order: a = cat" in note for note in by_order.notes)


def test_one_class_for_all_is_a_warning_that_names_it(place, monkeypatch):
    by_correlation(monkeypatch)
    address = place.save_teacher("stuck")
    import torch
    from safetensors.torch import load_file, save_file

    path = place.root / "stuck" / "weights.safetensors"
    state = load_file(path)
    bias = next(name for name in state if name.startswith("head") and name.endswith("bias"))
    state[bias] = torch.tensor([0.0, 1000.0, 0.0])
    save_file(state, path)
    found = place.select(teacher=address)
    assert any("of one class by the teacher's word, 'dog'" in note for note in found.notes)
    state[bias] = torch.tensor([0.0, float("nan"), 0.0])
    save_file(state, path)
    with pytest.raises(InputError, match="the teacher's outputs are not numbers"):
        place.select(teacher=address, out=str(place.root / "o4"))


def test_an_image_of_several_classes_is_kept_once(place, monkeypatch):
    by_correlation(monkeypatch)
    found = place.select(classes_per_image=3, top_k=20)
    rows = pq.read_table(found.manifest).to_pylist()
    ids = [row["sample_id"] for row in rows if row["split"] == "unlabelled"]
    assert len(ids) == len(set(ids)) == found.chosen == 20
    assert [one.chosen for one in found.classes] == [20, 20, 20]


def test_settings_of_copies_count(place, monkeypatch):
    by_correlation(monkeypatch)
    found = place.select(dedup=CopyConfig(train=False, within=False))
    assert {one.partner_split for one in found.removed} == {"test", "val"}


def test_the_list_can_do_without_the_labelled_and_be_moved(place, monkeypatch, tmp_path):
    by_correlation(monkeypatch)
    found = place.select(union=False, copy=True)
    assert set(pq.read_table(found.manifest)["split"].to_pylist()) == {"unlabelled"}
    moved = tmp_path / "far" / "away"
    shutil.move(found.out, moved)
    shutil.rmtree(place.root / "pool")
    splits = open_source(f"manifest:{moved / 'manifest.parquet'}", InputConfig())
    assert splits["unlabelled"].image(0).shape == (24, 24, 3)


def test_images_inside_parquet_are_written_out(place, monkeypatch, tmp_path):
    by_correlation(monkeypatch)
    import pyarrow as pa

    cells = [
        {"bytes": path.read_bytes(), "path": f"x y/{path.name}"}
        for path in sorted((place.root / "pool").glob("n*.png"))
    ]
    pq.write_table(pa.table({"image": cells, "label": [-1] * 20}), tmp_path / "pool.parquet")
    found = place.select(pool=f"parquet:{tmp_path / 'pool.parquet'}")
    chosen = open_source(f"manifest:{found.manifest}", InputConfig())["unlabelled"]
    assert chosen.ids[0].startswith("x y/")
    original = {cell["path"]: cell["bytes"] for cell in cells}
    for path, name in zip(chosen.pixels.paths, chosen.ids, strict=True):
        assert path.read_bytes() == original[name]
    assert len(list((found.out / "images" / "pool").rglob("*.png"))) == found.chosen


@pytest.mark.parametrize("name", ["pool", "data", "teacher", "notes"])
def test_a_place_that_holds_other_things_is_refused(place, name):
    if name == "notes":
        (place.root / "notes").mkdir()
        (place.root / "notes" / "mine.txt").write_text("x")
    with pytest.raises(InputError, match=r"--out .* (is, or holds,|holds the teacher|holds other things than a sel)"):
        place.select(out=str(place.root / name))


def test_a_pool_that_is_mostly_copies_says_so():
    from modelheir.assemble.selecting.copies import Removed
    from modelheir.assemble.selecting.selection import _many

    def removed(count, reason):
        return [Removed(f"{i}", "partner", reason, 1.0, "test") for i in range(count)]

    assert _many(removed(20, "keypoints"), 100) == []
    assert _many(removed(90, "exact"), 100) == []
    (said,) = _many(removed(21, "keypoints"), 100)
    assert said.startswith("21 of 100 images of the pool are taken for copies: look at the pairs")
