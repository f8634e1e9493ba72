import dataclasses
import json

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from modelheir.checks import InputError
from modelheir.data.fingerprints import fingerprint
from modelheir.data.sources.arrow import open_manifest, open_parquet
from modelheir.data.splits import open_splits


@pytest.fixture
def write(png):
    def write(file, labels, *, names=("cat", "dog"), paths=None, column="img", seed=0, **further):
        random = np.random.default_rng(seed)
        pixels = [random.integers(0, 256, (5, 4, 3), dtype=np.uint8) for _ in labels]
        paths = paths or [None] * len(labels)
        structs = [{"bytes": png(p), "path": path} for p, path in zip(pixels, paths, strict=True)]
        kind = pa.struct([("bytes", pa.binary()), ("path", pa.string())])
        table = pa.table({column: pa.array(structs, kind), "label": pa.array(labels, pa.int64()), **further})
        if names:
            features = {"label": {"names": list(names), "_type": "ClassLabel"}}
            table = table.replace_schema_metadata({"huggingface": json.dumps({"info": {"features": features}})})
        file.parent.mkdir(parents=True, exist_ok=True)
        pq.write_table(table, file, row_group_size=2)
        return pixels

    return write


def test_pixels_labels_names_and_columns(tmp_path, write, config):
    further = {"domain": pa.array(["a", None, "b"]).dictionary_encode(), "time": pa.array([1.5, 2.5, 3.5])}
    pixels = write(tmp_path / "x.parquet", [0, 1, None], **further)
    images = open_parquet(str(tmp_path / "x.parquet"), {}, config)["train"]
    assert images.classes == ("cat", "dog")
    assert images.labels.tolist() == [0, 1, -1]
    assert images.ids.tolist() == ["train/0", "train/1", "train/2"]
    assert all((images.image(i) == pixels[i]).all() for i in range(3))
    assert images.size(1) == (5, 4)
    assert images.columns["domain"].tolist() == ["a", "", "b"]
    assert images.columns["time"].tolist() == [1.5, 2.5, 3.5]
    assert set(images.columns) == {"domain", "time"}


def test_shards_are_joined_by_the_split_in_their_name(tmp_path, write, config):
    a = write(tmp_path / "data" / "train-00000-of-00002.parquet", [0, 1, 0])
    b = write(tmp_path / "data" / "train-00001-of-00002.parquet", [1], seed=1)
    write(tmp_path / "data" / "validation-00000-of-00001.parquet", [1])
    found = open_parquet(str(tmp_path), {}, config)
    assert {name: images.labels.tolist() for name, images in found.items()} == {"train": [0, 1, 0, 1], "val": [1]}
    assert (found["train"].image(3) == b[0]).all()
    assert (found["train"].image(2) == a[2]).all()


def test_inner_paths_are_ids_only_where_unique_over_all_splits(tmp_path, write, config):
    write(tmp_path / "train.parquet", [0, 1], paths=["a.png", "b.png"])
    assert open_parquet(str(tmp_path), {}, config)["train"].ids.tolist() == ["a.png", "b.png"]
    write(tmp_path / "test.parquet", [0, 1], paths=["a.png", "c.png"])
    found = open_parquet(str(tmp_path), {}, config)
    assert found["train"].ids.tolist() == ["train/0", "train/1"]
    assert found["test"].ids.tolist() == ["test/0", "test/1"]


def test_without_names_distinct_labels_are_the_classes(tmp_path, write, config):
    write(tmp_path / "x.parquet", [5, 2, 5], names=None, column="image")
    images = open_parquet(str(tmp_path), {}, config)["train"]
    assert images.classes == ("2", "5")
    assert images.labels.tolist() == [1, 0, 1]


def test_plain_bytes_and_named_columns(tmp_path, png, config):
    pixels = np.zeros((2, 2, 3), np.uint8)
    pq.write_table(pa.table({"pic": [png(pixels)], "fine_label": ["x"], "label": [3]}), tmp_path / "a.parquet")
    images = open_parquet(str(tmp_path / "a.parquet"), {"image": "pic", "label": "fine_label"}, config)["train"]
    assert images.classes == ("x",)
    assert (images.image(0) == pixels).all()


def test_bad_parquet_is_named(tmp_path, write, config):
    with pytest.raises(InputError, match="there is no Parquet file"):
        open_parquet(str(tmp_path), {}, config)
    write(tmp_path / "x.parquet", [0, 2])
    with pytest.raises(InputError, match=r"label 2 of 'train/1' is outside the class list \(0 to 1"):
        open_parquet(str(tmp_path), {}, config)
    write(tmp_path / "x.parquet", [0, 1], column="imgs")
    with pytest.raises(InputError, match=r"no column img or image. Did you mean 'imgs'"):
        open_parquet(str(tmp_path), {}, config)
    with pytest.raises(InputError, match=r"column 'label' must be a struct of bytes and path"):
        open_parquet(str(tmp_path), {"image": "label"}, config)
    (tmp_path / "x.parquet").write_bytes(b"PAR1 no")
    with pytest.raises(InputError, match="not a readable Parquet file"):
        open_parquet(str(tmp_path), {}, config)


def test_a_manifest_names_files_splits_and_columns(tmp_path, save, config):
    saved = save(tmp_path / "pictures" / "b.png", seed=4)
    table = {
        "sample_id": ["p", "q", "r", "s"],
        "path": ["pictures/a.png", "pictures/b.png", "pictures/c.png", "pictures/d.png"],
        "label": ["owl", "elk", "elk", None],
        "split": ["train", "train", "validation", "unlabelled"],
        "time": [2019, 2020, 2021, 2021],
        "group": ["g1", "g1", "g2", "g2"],
    }
    pq.write_table(pa.table(table), tmp_path / "m.parquet")
    found = open_manifest(str(tmp_path / "m.parquet"), {}, config)
    train = found["train"]
    assert train.classes == ("elk", "owl")
    assert train.ids.tolist() == ["p", "q"]
    assert train.labels.tolist() == [1, 0]
    assert (train.image(1) == saved).all()
    assert train.columns["time"].tolist() == [2019, 2020]
    assert set(train.columns) == {"time", "group"}
    assert found["val"].labels.tolist() == [0]
    assert found["unlabelled"].labels.tolist() == [-1]


@pytest.mark.parametrize(
    ("table", "message"),
    [
        ({"path": ["../a.png"], "label": [0]}, "leads outside the folder"),
        ({"path": [""], "label": [0]}, "column 'path' has an empty value"),
        ({"path": ["a.png"], "label1": [0]}, r"no column label. Did you mean 'label1'"),
        ({"path": ["a.png"], "label": [0], "split": ["trainn"]}, r"unknown split .* 'trainn'. Did you mean 'train'"),
        ({"path": ["a", "b"], "label": ["x", "y"], "split": ["train", "test"]}, "test split has labels outside .* 'y'"),
    ],
)
def test_bad_manifests_are_named(tmp_path, config, table, message):
    pq.write_table(pa.table(table), tmp_path / "m.parquet")
    with pytest.raises(InputError, match=message):
        open_manifest(str(tmp_path / "m.parquet"), {}, config)


def test_cifar_10_as_jpeg(cifar, config):
    config = dataclasses.replace(config, resident_gib=0, verify="none", train_per_class=20)
    found = open_splits(f"parquet:{cifar}", config)
    train = found["train"]
    assert train.classes[:3] == ("airplane", "automobile", "bird")
    assert {name: len(images) for name, images in found.items()} == {"train": 200, "val": 5000, "test": 10000}
    assert train.image(0).shape == (32, 32, 3)
    assert len(set(train.ids)) == 200
    assert np.bincount(train.labels).tolist() == [20] * 10
    assert fingerprint(train, sample=4) == fingerprint(train, sample=4)
