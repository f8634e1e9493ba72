"""One shard of a teacher cache: its ids and digests as Parquet, its outputs as arrays that can be mapped into memory.

``shard-I-of-N.json`` is written last, whole or not at all: without it the shard is not there.
"""

from __future__ import annotations

import contextlib
import dataclasses
import os
import shutil
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from modelheir.checks import InputError
from modelheir.runs.files import read_mapping, replace_file, write_json
from modelheir.runs.lock import locked
from modelheir.runs.seal import digest
from modelheir.runs.teacher_cache.manifest import NAME, Manifest
from modelheir.shard import Shard

__all__ = ["Images", "StoredShard", "check_files", "is_finished", "output_arrays", "read_shard", "writing_shard"]

Layout = Mapping[str, tuple[tuple[int, ...], Any]]  #: name of an array -> its shape and type

_ADVICE = "Remove it, and write shard {} of the cache again"


@dataclasses.dataclass(frozen=True, eq=False)
class Images:
    """The images of a shard, in the order of its arrays."""

    ids: np.ndarray  #: ``(n,)`` text
    pixels: np.ndarray  #: uint64 ``(n,)``: digest of the decoded image
    sizes: np.ndarray  #: int32 ``(n, 2)``: height and width of the decoded image
    skipped: tuple[str, ...] = ()  #: ids of those that cannot be decoded

    def __len__(self) -> int:
        return len(self.ids)


@dataclasses.dataclass(frozen=True, eq=False)
class StoredShard:
    """A shard that is there."""

    images: Images
    arrays: Mapping[str, np.ndarray]  #: outputs, mapped into memory, each ``(V, n, ...)``


def output_arrays(manifest: Manifest, images: int) -> dict[str, tuple[tuple[int, ...], Any]]:
    """Return names, shapes and types of the arrays that hold outputs of so many images."""
    lead, k = (manifest.views, images), manifest.top_k
    found: dict[str, tuple[tuple[int, ...], Any]] = {}
    if k:
        found["top_classes"] = (*lead, k), np.int32
        found["log_probabilities"] = (*lead, k + 1), manifest.dtype
    else:
        found["logits"] = (*lead, len(manifest.classes)), manifest.dtype
    if manifest.features:
        found["features"] = (*lead, manifest.features), manifest.dtype
    return found


@contextlib.contextmanager
def writing_shard(folder: Path, shard: Shard, images: Images, layout: Layout) -> Iterator[dict[str, np.ndarray]]:
    """Yield an array for each row of ``layout`` to be filled; then the shard is put in its place.

    Raises:
        InputError: If another process is writing it, or the disk is full.
    """
    part = shard.file(folder, ".part", "tmp")
    with contextlib.ExitStack() as held:
        with _telling(folder, shard):
            folder.mkdir(parents=True, exist_ok=True)
            held.enter_context(locked(shard.file(folder, ".shard", "lock")))
            shutil.rmtree(part, ignore_errors=True)  # of a process that was killed
            part.mkdir()
            held.callback(shutil.rmtree, part, ignore_errors=True)
            arrays = {name: _new(part / name, shape, dtype) for name, (shape, dtype) in layout.items()}
        yield arrays
        with _telling(folder, shard):
            for array in arrays.values():
                array.flush()
            arrays.clear()
            _place(folder, shard, images, {name: part / name for name in layout})


@contextlib.contextmanager
def _telling(folder: Path, shard: Shard) -> Iterator[None]:
    """Say in a sentence why a shard cannot be written."""
    try:
        yield
    except BlockingIOError as error:
        raise InputError(f"{folder}: another process is writing shard {shard}: wait for it.") from error
    except OSError as error:
        reason = error.strerror or str(error)
        raise InputError(f"cannot write {folder}: {reason}. Free the space or the folder and run again.") from error


def _new(path: Path, shape: tuple[int, ...], dtype: Any) -> Any:
    """Make an array in a file, its space taken now: on a full disk, a write into mapped memory ends the process."""
    found = np.lib.format.open_memmap(path, mode="w+", dtype=np.dtype(dtype), shape=shape)
    if hasattr(os, "posix_fallocate"):
        with path.open("r+b") as handle:
            os.posix_fallocate(handle.fileno(), 0, path.stat().st_size)
    return found


def _place(folder: Path, shard: Shard, images: Images, parts: Mapping[str, Path]) -> None:
    """Put finished arrays and ids in their places, and then what says that they are whole."""
    ids = shard.file(folder, "ids", "parquet")
    table = pa.table(
        {
            "sample_id": pa.array(images.ids.tolist(), pa.string()),
            "pixels": pa.array(images.pixels.astype(np.uint64)),
            "height": pa.array(images.sizes[:, 0].astype(np.int32)),
            "width": pa.array(images.sizes[:, 1].astype(np.int32)),
        }
    )
    shard.file(folder, "shard", "json").unlink(missing_ok=True)
    replace_file(ids, lambda temporary: pq.write_table(table, temporary))
    files = [ids]
    for name, part in parts.items():
        path = shard.file(folder, name)
        replace_file(path, lambda temporary, part=part: os.replace(part, temporary))  # noqa: PTH105
        files.append(path)
    about = {
        "cache": digest(folder / NAME),
        "images": len(images),
        "skipped": list(images.skipped),
        "files": {path.name: {"bytes": path.stat().st_size, "sha256": digest(path)} for path in files},
    }
    write_json(shard.file(folder, "shard", "json"), about)


def is_finished(folder: Path, shard: Shard) -> bool:
    """Tell whether a shard is there, of this cache, with all its files in their sizes."""
    if not shard.file(folder, "shard", "json").is_file():
        return False
    try:
        check_files(folder, shard)
    except InputError:
        return False
    return True


def check_files(folder: Path, shard: Shard, *, content: bool = False) -> dict[str, Any]:
    """Check a shard's files against what was noted of them: their sizes, and where asked for all their content.

    Returns:
        What ``shard-I-of-N.json`` says.

    Raises:
        InputError: Names the first file that is missing or damaged.
    """
    path, advice = shard.file(folder, "shard", "json"), _ADVICE.format(shard)
    about = read_mapping(path, advice)
    try:
        files = {str(name): (int(one["bytes"]), str(one["sha256"])) for name, one in about["files"].items()}
        of, images = str(about["cache"]), int(about["images"])
        if images < 1 or any(Path(name).name != name for name in files):
            raise ValueError("no images, or a file elsewhere")
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise InputError(f"{path} is damaged ({type(error).__name__}). {advice}.") from error
    if of != digest(folder / NAME):
        raise InputError(f"{path} is a shard of another cache than {folder / NAME} describes. {advice}.")
    for name, (size, sha256) in files.items():
        one = folder / name
        if not one.is_file():
            raise InputError(f"{one} is missing. {advice}.")
        if one.stat().st_size != size:
            raise InputError(
                f"{one} is damaged: it has {one.stat().st_size:,} bytes and was written with {size:,}. {advice}."
            )
        if content and digest(one) != sha256:
            raise InputError(f"{one} is damaged: its content is not what was written (SHA-256). {advice}.")
    return about


def read_shard(folder: Path, shard: Shard, manifest: Manifest) -> StoredShard:
    """Read a shard's ids and map its outputs into memory; sizes and headers are checked, not the content.

    Raises:
        InputError: If a file is missing, damaged, or of another shape than the cache says.
    """
    about, advice = check_files(folder, shard), _ADVICE.format(shard)
    path = shard.file(folder, "ids", "parquet")
    try:
        table = pq.read_table(path, columns=["sample_id", "pixels", "height", "width"])
        ids = np.array(table["sample_id"].to_pylist(), dtype=str)
        pixels = table["pixels"].to_numpy()
        sizes = np.stack([table[name].to_numpy() for name in ("height", "width")], axis=1)
    except (pa.ArrowInvalid, KeyError, OSError, ValueError) as error:
        raise InputError(f"{path} is damaged ({str(error).splitlines()[0]}). {advice}.") from error
    if len(ids) != about["images"]:
        raise InputError(f"{path} is damaged: {len(ids)} rows for {about['images']} images. {advice}.")
    images = Images(ids, pixels, sizes, tuple(map(str, about.get("skipped", ()))))
    layout = output_arrays(manifest, len(ids))
    return StoredShard(
        images, {name: _mapped(shard.file(folder, name), *like, advice) for name, like in layout.items()}
    )


def _mapped(path: Path, shape: Sequence[int], dtype: Any, advice: str) -> np.ndarray:
    try:
        found = np.load(path, mmap_mode="r", allow_pickle=False)
    except FileNotFoundError as error:
        raise InputError(f"{path} is missing. {advice}.") from error
    except (OSError, ValueError, EOFError) as error:
        raise InputError(f"{path} is damaged: it is no array ({error}). {advice}.") from error
    if found.shape != tuple(shape) or found.dtype != np.dtype(dtype):
        said = f"{found.dtype} {found.shape} in place of {np.dtype(dtype)} {tuple(shape)}"
        raise InputError(f"{path} is damaged: it holds {said}. {advice}.")
    return found
