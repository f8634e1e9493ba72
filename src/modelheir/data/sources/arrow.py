"""Parquet: the hub's layout of image bytes, and manifests that name files."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from modelheir import checks
from modelheir.checks import InputError
from modelheir.config.inputs import InputConfig
from modelheir.data.images import BytesPixels, FilePixels, ImageSet
from modelheir.data.sources.files import SPLIT_FOLDERS, below
from modelheir.data.sources.labels import number_labels

__all__ = ["image_table", "open_manifest", "open_parquet"]

_IMAGE_COLUMNS = ("img", "image")
_LABEL_COLUMNS = ("label", "labels")


def open_parquet(
    place: str, options: Mapping[str, str], config: InputConfig, *, labelled: bool = True
) -> dict[str, ImageSet]:
    """Return images in Parquet files of the hub's layout: a file, or a folder of shards.

    A column ``img`` or ``image`` is a struct of ``bytes`` and ``path``; ``label`` is an int64; class names stand in the
    ``huggingface`` entry of the schema's metadata. The split is the word train, val, validation or test in the file's
    name, or the name of a folder around it; train where there is none. Options ``image`` and ``label`` name other
    columns. Without ``labelled`` no label is read, and there need be none.

    Raises:
        InputError: If there is no file, a column is missing, or a label is outside the class list.
    """
    for key in options:
        if key not in ("image", "label"):
            raise checks.unknown("option of parquet", key, ["image", "label"])
    root = Path(place)
    files = [root] if root.is_file() else sorted(root.rglob("*.parquet"))
    if not place or not files:
        raise InputError(f"parquet:{place}: there is no Parquet file.")
    shards: dict[str, list[Path]] = {}
    for file in files:
        inside = file.relative_to(root).parts[:-1] if root.is_dir() else ()
        shards.setdefault(_split_of(file.stem, inside), []).append(file)
    tables = {split: _concat([_read(file) for file in group], place) for split, group in shards.items()}
    return image_table(tables, where=f"parquet:{place}", options=options, config=config, labelled=labelled)


def image_table(
    tables: Mapping[str, pa.Table], *, where: str, options: Mapping[str, str], config: InputConfig,
    classes: tuple[str, ...] = (), labelled: bool = True,
) -> dict[str, ImageSet]:  # fmt: skip
    """Make image sets of tables in the hub's layout; ``classes`` replaces the names in the metadata."""
    found: dict[str, tuple[pa.ChunkedArray, pa.ChunkedArray | None]] = {}
    raw: dict[str, list[Any]] = {}
    for split, table in tables.items():
        image = _column(table, options.get("image"), _IMAGE_COLUMNS, where)
        kind = table.schema.field(image).type
        if pa.types.is_struct(kind) and kind.get_field_index("bytes") >= 0:
            parts = dict(zip((field.name for field in kind), table[image].flatten(), strict=True))
            found[split] = (parts["bytes"], parts.get("path"))
        elif pa.types.is_binary(kind) or pa.types.is_large_binary(kind):
            found[split] = (table[image], None)
        else:
            raise InputError(f"{where}: column {image!r} must be a struct of bytes and path, or bytes; it is {kind}.")
        if not labelled:
            raw[split] = [None] * len(table)
            continue
        label = _column(table, options.get("label"), _LABEL_COLUMNS, where)
        raw[split] = table[label].to_pylist()
        classes = classes or _class_names(table.schema, label)
    if classes:
        labels = {split: _whole(values, where) for split, values in raw.items()}
    else:
        classes, labels = number_labels(raw, where=where)
    ids = _ids({split: inner for split, (_, inner) in found.items()}, labels)
    return {
        split: ImageSet(
            name=f"{where} ({split})",
            classes=classes,
            ids=ids[split],
            labels=labels[split],
            pixels=BytesPixels(content, config.max_megapixels),
            rows=np.arange(len(labels[split])),
            columns=_scalars(tables[split], leave={*_IMAGE_COLUMNS, *_LABEL_COLUMNS, *options.values()}),
        )
        for split, (content, inner) in found.items()
    }


def open_manifest(place: str, options: Mapping[str, str], config: InputConfig) -> dict[str, ImageSet]:
    """Return the images that a Parquet file names: ``path``, ``label`` and optionally ``sample_id``, ``split``.

    Paths are relative to the manifest's folder (option ``root``) and may not leave it. All further columns of single
    values (``time``, ``group``, ``domain`` ...) are kept for slices and for ``inputs.keep_together``.

    Raises:
        InputError: If the file or a column is missing, a split is unknown, or a path leaves the root.
    """
    for key in options:
        if key != "root":
            raise checks.unknown("option of manifest", key, ["root"])
    file = Path(place)
    if not file.is_file():
        raise InputError(f"manifest:{place}: there is no such file.")
    table, where = _read(file), f"manifest:{place}"
    for column in ("path", "label"):
        _column(table, None, (column,), where)
    root = Path(options.get("root", file.parent))
    splits = table["split"].to_pylist() if "split" in table.column_names else ["train"] * len(table)
    words = {word: split for split, group in SPLIT_FOLDERS.items() for word in group}
    rows: dict[str, list[int]] = {}
    for i, word in enumerate(splits):
        if word not in words:
            raise checks.unknown(f"split in {where}", str(word), words)
        rows.setdefault(words[word], []).append(i)
    parts = {split: table.take(pa.array(group)) for split, group in rows.items()}
    classes, labels = number_labels({split: part["label"].to_pylist() for split, part in parts.items()}, where=where)
    found = {}
    for split, part in parts.items():
        names = part["path"].to_pylist()
        if any(not isinstance(name, str) or not name for name in names):
            raise InputError(f"{where}: column 'path' has an empty value.")
        paths = [below(root, name, where) for name in names]
        ids = part["sample_id"].to_pylist() if "sample_id" in part.column_names else names
        found[split] = ImageSet(
            name=f"{where} ({split})",
            classes=classes,
            ids=np.array([str(name) for name in ids], dtype=str),
            labels=labels[split],
            pixels=FilePixels(paths, config.max_megapixels),
            rows=np.arange(len(paths)),
            columns=_scalars(part, leave={"path", "label", "split", "sample_id"}),
        )
    return found


def _read(file: Path) -> pa.Table:
    try:
        return pq.ParquetFile(file).read()
    except (pa.ArrowInvalid, OSError) as error:
        raise InputError(f"{file}: not a readable Parquet file ({str(error).splitlines()[0]}).") from error


def _concat(tables: list[pa.Table], place: str) -> pa.Table:
    try:
        return pa.concat_tables(tables)
    except pa.ArrowInvalid as error:
        raise InputError(f"parquet:{place}: the shards of one split have different columns.") from error


def _split_of(stem: str, folders: tuple[str, ...]) -> str:
    for word in (*re.split(r"[^a-z]+", stem.lower()), *(folder.lower() for folder in folders)):
        for split, known in SPLIT_FOLDERS.items():
            if word in known:
                return split
    return "train"


def _column(table: pa.Table, given: str | None, usual: Iterable[str], where: str) -> str:
    wanted = [given] if given else list(usual)
    for name in wanted:
        if name in table.column_names:
            return name
    near = checks.nearest(wanted[0], table.column_names)
    raise InputError(f"{where}: no column {' or '.join(wanted)}.{near} Columns: {', '.join(table.column_names)}.")


def _class_names(schema: pa.Schema, label: str) -> tuple[str, ...]:
    entry = (schema.metadata or {}).get(b"huggingface")
    if entry is None:
        return ()
    feature = json.loads(entry).get("info", {}).get("features", {}).get(label, {})
    names = feature.get("names", ())
    return tuple(names[key] for key in sorted(names, key=int)) if isinstance(names, dict) else tuple(names)


def _whole(values: list[Any], where: str) -> np.ndarray:
    try:
        return np.array([-1 if value is None else value for value in values], dtype=np.int64)
    except (TypeError, ValueError) as error:
        raise InputError(f"{where}: labels must be whole numbers, as class names are given beside them.") from error


def _ids(inner: Mapping[str, Any], labels: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Take the inner paths where all are given and unique over all splits, else number the rows of each split."""
    names = {split: column.to_pylist() if column is not None else [None] for split, column in inner.items()}
    every = [name for group in names.values() for name in group]
    if all(every) and len(set(every)) == len(every):
        return {split: np.array(group, dtype=str) for split, group in names.items()}
    width = len(str(max((len(group) for group in labels.values()), default=0)))
    return {
        split: np.array([f"{split}/{i:0{width}d}" for i in range(len(group))], dtype=str)
        for split, group in labels.items()
    }


def _scalars(table: pa.Table, *, leave: set[str]) -> dict[str, np.ndarray]:
    columns = {}
    for field in table.schema:
        kind, column = field.type, table[field.name]
        if pa.types.is_dictionary(kind):
            kind, column = kind.value_type, column.cast(kind.value_type)
        if (
            field.name in leave
            or pa.types.is_nested(kind)
            or pa.types.is_binary(kind)
            or pa.types.is_large_binary(kind)
        ):
            continue
        if pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_boolean(kind):
            columns[field.name] = column.to_numpy()
        else:
            columns[field.name] = np.array(["" if v is None else str(v) for v in column.to_pylist()], dtype=str)
    return columns
