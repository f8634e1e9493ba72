"""Copy run folders and files between this machine and a store named by an address, such as ``s3://bucket/v1``.

PyArrow's file systems do the transfer (``s3://``, ``gs://``, ``abfs://``, ``hdfs://``, ``file://``, or a path); keys
and regions come from where each store's own tools find them, or stand in the address. A run's ``status.json`` is
copied last, so that a copy cut short never looks like a finished run.
"""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from pathlib import Path, PurePath, PurePosixPath
from typing import TYPE_CHECKING, NamedTuple

from modelheir.address import without_run
from modelheir.checks import InputError
from modelheir.runs.files import replace_file

if TYPE_CHECKING:
    from pyarrow.fs import FileInfo, FileSystem

__all__ = ["Copied", "copy"]

_LAST = "status.json"


class Copied(NamedTuple):
    """What a copy did."""

    files: int
    size: int  #: bytes
    skipped: tuple[str, ...]  #: links that were not followed, as ``name -> where it leads``


def copy(source: str, target: str, *, overwrite: bool = False) -> Copied:
    """Copy a folder with everything in it, or one file.

    A link inside the folder to a file of the same folder is copied as that file. Any other link (out of the folder, to
    a folder, to nothing) is left out and named.

    Args:
        source: An address or a path; ``run:`` in front of a path is allowed.
        target: Where the copy shall stand. It must not hold files yet.
        overwrite: Write over files of the same name that are there already.

    Returns:
        How many files were copied, their bytes, and the links left out. Locks and half-written files (hidden names)
        stay behind.

    Raises:
        InputError: If there is nothing to copy, the target is taken, is the source or lies inside it or around it, or a
            store cannot be reached.
    """
    import pyarrow as pa
    from pyarrow import fs

    try:
        here, start = _open(source)
        there, end = _open(target)
        local = isinstance(there, fs.LocalFileSystem)
        if local and isinstance(here, fs.LocalFileSystem):
            _apart(Path(start), Path(end), source, target)
        found, skipped = _files(here, start)
        if not found:
            raise InputError(f"{_public(source)} holds no file to copy.")
        if not overwrite and _files(there, end)[0]:
            raise InputError(f"{_public(target)} holds files already: choose another place, or say --overwrite.")
        paths = [end if one.path == start else f"{end}/{PurePosixPath(one.path).relative_to(start)}" for one in found]
        if local:
            _stay_below(paths, end)
        for info, path in zip(found, paths, strict=True):

            def transfer(to: Path | str, info: FileInfo = info) -> None:
                fs.copy_files(info.path, str(to), source_filesystem=here, destination_filesystem=there)

            if local:
                replace_file(Path(path), transfer)
            else:
                there.create_dir(str(PurePosixPath(path).parent), recursive=True)
                transfer(path)
            size = there.get_file_info(path).size
            if size != info.size:
                raise InputError(f"{_public(target)}: {path} arrived with {size} of {info.size} bytes: copy it again.")
    except (OSError, pa.ArrowException) as error:
        said = str(error).splitlines()[0]
        reason = said if len(said) <= 300 else f"{said[:100]} ... {said[-200:]}"  # a long name stands in the middle
        raise InputError(f"cannot copy {_public(source)} to {_public(target)}: {reason}.") from error
    return Copied(len(found), sum(info.size for info in found), skipped)


def _apart(start: Path, end: Path, source: str, target: str) -> None:
    """Refuse a copy onto itself, into itself, or over the folder that it lies in, whatever links lead there."""
    if start.resolve() == end.resolve():
        raise InputError(f"{source} and {target} are the same place: choose another target.")
    if end.resolve().is_relative_to(start.resolve()):
        raise InputError(f"{target} lies inside {source}: choose a target outside it.")
    if start.is_dir() and start.resolve().is_relative_to(end.resolve()):
        raise InputError(f"{source} lies inside {target}: choose another target.")


def _stay_below(paths: Sequence[str], end: str) -> None:
    """Refuse to write through a link that leads out of the target; a file that is a link is replaced, not followed."""
    for path in paths:
        parent = Path(path).parent
        if path != end and not parent.resolve().is_relative_to(Path(end).resolve()):
            raise InputError(f"{parent} leads out of {end}, to {parent.resolve()}: remove that link.")


def _open(place: str) -> tuple[FileSystem, str]:
    """Return the file system of an address or path, and the path in it."""
    from pyarrow import fs

    if re.match(r"[a-z0-9]{2,}://", place):
        system, path = fs.FileSystem.from_uri(place)
        return system, path.rstrip("/")
    return fs.LocalFileSystem(), os.path.abspath(without_run(place)).replace(os.sep, "/")  # noqa: PTH100


def _files(system: FileSystem, path: str) -> tuple[list[FileInfo], tuple[str, ...]]:
    """Return the files at or below ``path`` that are not hidden, "finished" last; and the links that are left out."""
    from pyarrow import fs

    info = system.get_file_info(path)
    if info.type == fs.FileType.File:
        return [info], ()
    skipped: tuple[str, ...] = ()
    if isinstance(system, fs.LocalFileSystem):
        names, skipped = _below(Path(path))
        below = system.get_file_info(names)
    else:
        below = system.get_file_info(fs.FileSelector(path, recursive=True, allow_not_found=True))
    kept = [one for one in below if one.type == fs.FileType.File and not _hidden(PurePosixPath(one.path), path)]
    return sorted(kept, key=lambda one: (one.path == f"{path}/{_LAST}", one.path)), skipped


def _hidden(path: PurePath, start: Path | str) -> bool:
    return any(part.startswith(".") for part in path.relative_to(start).parts)


def _below(start: Path) -> tuple[list[str], tuple[str, ...]]:
    """Return the files below a folder of this machine, and the links in it that are no files of it."""
    files: list[str] = []
    skipped: list[str] = []
    if not start.is_dir():
        return [], ()
    for place, folders, names in os.walk(start, onerror=_stop):  # links to folders are not entered
        for path in (Path(place, name) for name in (*folders, *names)):
            if _hidden(path, start) or (path.is_dir() and not path.is_symlink()):
                continue
            if path.is_symlink() and not (path.is_file() and path.resolve().is_relative_to(start.resolve())):
                skipped.append(f"{path.relative_to(start)} -> {path.readlink()}")
            else:
                files.append(path.as_posix())
    return files, tuple(sorted(skipped))


def _stop(error: OSError) -> None:
    raise error


def _public(place: str) -> str:
    """Leave keys out of an address.

    >>> _public("s3://name:secret@bucket/v1")
    's3://bucket/v1'
    """
    return re.sub(r"//[^/@]*@", "//", place)
