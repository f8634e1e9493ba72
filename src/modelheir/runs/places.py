"""Copy run folders and files between this machine and a store named by an address, such as ``s3://bucket/v1``.

PyArrow's file systems do the transfer (``s3://``, ``gs://``, ``abfs://``, ``hdfs://``, ``file://``, or a path); keys
and regions come from where each store's own tools find them, or stand in the address. A run's ``status.json`` is
copied last, so that a copy cut short never looks like a finished run.
"""

from __future__ import annotations

import os
import re
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

from modelheir.address import without_run
from modelheir.checks import InputError

if TYPE_CHECKING:
    from pyarrow.fs import FileInfo, FileSystem

__all__ = ["copy"]

_LAST = "status.json"


def copy(source: str, target: str, *, overwrite: bool = False) -> tuple[int, int]:
    """Copy a folder with everything in it, or one file.

    Args:
        source: An address or a path; ``run:`` in front of a path is allowed.
        target: Where the copy shall stand. It must not hold files yet.
        overwrite: Write over files of the same name that are there already.

    Returns:
        How many files were copied, and their bytes. Locks and half-written files (hidden names) stay behind.

    Raises:
        InputError: If there is nothing to copy, the target is taken, or a store cannot be reached.
    """
    import pyarrow as pa
    from pyarrow import fs

    try:
        here, start = _open(source)
        there, end = _open(target)
        found = _files(here, start)
        if not found:
            raise InputError(f"{_public(source)} holds no file to copy.")
        if not overwrite and _files(there, end):
            raise InputError(f"{_public(target)} holds files already: choose another place, or say --overwrite.")
        for info in found:
            path = end if info.path == start else f"{end}/{PurePosixPath(info.path).relative_to(start)}"
            there.create_dir(str(PurePosixPath(path).parent), recursive=True)
            fs.copy_files(info.path, path, source_filesystem=here, destination_filesystem=there)
            size = there.get_file_info(path).size
            if size != info.size:
                raise InputError(f"{_public(target)}: {path} arrived with {size} of {info.size} bytes: copy it again.")
    except (OSError, pa.ArrowException) as error:
        reason = str(error).splitlines()[0][:300]
        raise InputError(f"cannot copy {_public(source)} to {_public(target)}: {reason}.") from error
    return len(found), sum(info.size for info in found)


def _open(place: str) -> tuple[FileSystem, str]:
    """Return the file system of an address or path, and the path in it."""
    from pyarrow import fs

    if re.match(r"[a-z0-9]{2,}://", place):
        system, path = fs.FileSystem.from_uri(place)
        return system, path.rstrip("/")
    return fs.LocalFileSystem(), os.path.abspath(without_run(place)).replace(os.sep, "/")  # noqa: PTH100


def _files(system: FileSystem, path: str) -> list[FileInfo]:
    """Return the files at or below ``path``, hidden ones left out, the one that says "finished" last."""
    from pyarrow import fs

    info = system.get_file_info(path)
    if info.type == fs.FileType.File:
        return [info]
    below = system.get_file_info(fs.FileSelector(path, recursive=True, allow_not_found=True))
    kept = [
        one
        for one in below
        if one.type == fs.FileType.File
        and not any(part.startswith(".") for part in PurePosixPath(one.path).relative_to(path).parts)
    ]
    return sorted(kept, key=lambda one: (one.path == f"{path}/{_LAST}", one.path))


def _public(place: str) -> str:
    """Leave keys out of an address.

    >>> _public("s3://name:secret@bucket/v1")
    's3://bucket/v1'
    """
    return re.sub(r"//[^/@]*@", "//", place)
