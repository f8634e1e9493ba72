"""Tables of other people, Parquet or CSV: only the columns asked for are read, and within bounds.

A small file can unpack to far more than memory holds (equal values are stored once), so what the columns asked for
would take is looked up before they are read; Parquet columns of text stay as codes into a list of words.
"""

from __future__ import annotations

import codecs
import contextlib
import csv as text_csv
import io
import mmap
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from modelheir.checks import InputError
from modelheir.printable import shorten

if TYPE_CHECKING:
    import pyarrow as pa
    import pyarrow.parquet as pq

__all__ = ["Table", "column_names", "file_notes", "pick_columns", "read_table", "write_csv"]

_FORMULA = r"^('*[=+\-@\t\r])"  #: how a formula begins, or one with apostrophes before it
_HEAD = 1 << 20  #: bytes in which a CSV file's header ends
_BLOCK = 1 << 20  #: bytes of CSV read at a time, sixteen times as many where a row is longer
_LARGE = 1 << 30  #: bytes that any file may unpack to
_RATIO = 1000  #: times its own size that a larger one may; scores do not repeat themselves so often


class Table(NamedTuple):
    """The columns asked for."""

    columns: pa.Table
    names: list[str]  #: of all columns of the file
    notes: Mapping[bytes, bytes]  #: the schema's metadata; a CSV file has none


def column_names(path: Path) -> list[str]:
    """Return the names of a file's columns; nothing else of it is read.

    Raises:
        InputError: If it is missing or cannot be read.
    """
    with _reading(path):
        return _header(path) if _kind(path) == "csv" else list(_parquet(path).schema_arrow.names)


def file_notes(path: Path) -> Mapping[bytes, bytes]:
    """Return the metadata of a Parquet file's schema, empty where there is none.

    Raises:
        InputError: If it is missing or cannot be read.
    """
    with _reading(path):
        return {} if _kind(path) == "csv" else _parquet(path).schema_arrow.metadata or {}


def read_table(path: Path, wanted: Callable[[str], bool], *, text: tuple[str, ...] = ()) -> Table:
    """Read the columns of a file that are wanted.

    Args:
        path: A file ending in ``.parquet`` or ``.csv``.
        wanted: Whether the column of a name is read.
        text: Columns of a CSV file that hold text whatever it looks like.

    Raises:
        InputError: If the file is missing, cannot be read, names a wanted column twice, or would unpack to more than
            ``1000`` times its size (and more than a gigabyte).
    """
    kind = _kind(path)
    with _reading(path):
        if kind == "csv":
            names = _header(path)
            found = _csv(path, _once(path, names, wanted), text)
            return Table(_texts(found, f"^'{_FORMULA[1:]}", r"\1"), names, {})
        import pyarrow as pa

        file = _parquet(path)
        schema = file.schema_arrow
        chosen = _once(path, list(schema.names), wanted)
        _within_bounds(path, file.metadata, set(chosen))
        words = [name for name in chosen if pa.types.is_string(schema.field(name).type)]
        file = _parquet(path, read_dictionary=words)
        table = file.read(columns=chosen)
        table.validate(full=True)  # a flipped bit makes codes that point at no word
        return Table(table, list(schema.names), schema.metadata or {})


def pick_columns(called: str, table: pa.Table, wanted: Callable[[str], bool]) -> Table:
    """Take the wanted columns of a table in memory, each of which must be there once."""
    names = list(table.column_names)
    return Table(table.select(_once(called, names, wanted)), names, table.schema.metadata or {})


def write_csv(path: Path, parts: Iterable[pa.Table]) -> None:
    """Write tables of the same columns as one CSV file that a spreadsheet can open.

    A text that a spreadsheet would run as a formula gets an apostrophe before it, which :func:`read_table` takes away.

    Raises:
        InputError: If a column holds lists or records.
    """
    import pyarrow as pa
    from pyarrow import csv

    for number, part in enumerate(parts):
        nested = next((field for field in part.schema if pa.types.is_nested(field.type)), None)
        if nested is not None:
            kind = shorten(str(nested.type))
            raise InputError(f"column {nested.name!r} holds {kind}, which CSV cannot: let the name end in .parquet.")
        with path.open("ab") as handle:
            csv.write_csv(_texts(part, _FORMULA, r"'\1"), handle, csv.WriteOptions(include_header=number == 0))


def _texts(table: pa.Table, pattern: str, by: str) -> pa.Table:
    """Replace a pattern in every text of a table."""
    import pyarrow as pa
    import pyarrow.compute as pc

    for number, field in enumerate(table.schema):
        if pa.types.is_string(field.type):
            column: Any = pc.replace_substring_regex(table.column(number), pattern=pattern, replacement=by)  # type: ignore[attr-defined]
            table = table.set_column(number, field.name, column)
    return table


def _kind(path: Path) -> str:
    if not path.exists():
        raise InputError(f"{path} does not exist.")
    kind = path.suffix.lower()
    if kind not in (".parquet", ".csv") or path.is_dir():
        raise InputError(f"{path} is not a file of predictions: its name must end in .parquet or .csv.")
    return kind[1:]


@contextlib.contextmanager
def _reading(path: Path) -> Iterator[None]:
    """Turn what a library says about a damaged file into a sentence."""
    import pyarrow as pa

    try:
        yield
    except InputError:
        raise
    except UnicodeDecodeError as error:
        raise InputError(f"{path} is not UTF-8 ({error.reason} at byte {error.start}): save it as UTF-8.") from error
    except MemoryError:  # which Arrow's own derives from
        raise
    except (pa.ArrowException, OSError, ValueError, text_csv.Error) as error:
        reason = (str(error).splitlines() or ["damaged"])[0].rstrip(".")
        raise InputError(f"{path} cannot be read as {path.suffix[1:].lower()}: {shorten(reason, 300)}.") from error


def _parquet(path: Path, read_dictionary: list[str] | None = None) -> pq.ParquetFile:
    import pyarrow.parquet as pq

    return pq.ParquetFile(path, read_dictionary=read_dictionary)


def _once(path: Path | str, names: list[str], wanted: Callable[[str], bool]) -> list[str]:
    """Return the wanted names, each there once."""
    chosen = Counter(name for name in names if wanted(name))
    twice = [name for name, count in chosen.items() if count > 1]
    if twice:
        raise InputError(f"{path} has {chosen[twice[0]]} columns called {shorten(twice[0])!r}: keep one of them.")
    return list(chosen)


def _within_bounds(path: Path, about: pq.FileMetaData, chosen: set[str]) -> None:
    """Refuse a file that would unpack to far more than it holds."""
    size = 0
    for group in range(about.num_row_groups):
        of = about.row_group(group)
        for number in range(of.num_columns):
            column = of.column(number)
            if column.path_in_schema.partition(".")[0] in chosen or column.path_in_schema in chosen:
                size += max(8 * column.num_values, column.total_uncompressed_size)
    if size > max(_LARGE, _RATIO * path.stat().st_size):
        raise InputError(
            f"{path} would unpack from {path.stat().st_size / 1e6:,.1f} MB to {size / 1e9:,.1f} GB, which no honest "
            "table does: write it again."
        )


def _header(path: Path) -> list[str]:
    """Return the names in a CSV file's first line that is not empty."""
    with path.open("rb") as handle:
        start = handle.read(_HEAD)
        decoder = codecs.getincrementaldecoder("utf-8-sig")()
        found = decoder.decode(start, final=len(start) < _HEAD)
    names = next((row for row in text_csv.reader(io.StringIO(found, newline="")) if row), None)
    if names is None:
        raise ValueError("it is empty")
    return names


def _csv(path: Path, chosen: list[str], text: tuple[str, ...]) -> pa.Table:
    import pyarrow as pa
    from pyarrow import csv

    if not chosen:
        return pa.table({})
    convert = csv.ConvertOptions(
        column_types={name: pa.string() for name in text if name in chosen},
        include_columns=chosen,
        strings_can_be_null=True,
        null_values=[""],
    )
    parse = csv.ParseOptions(newlines_in_values=_has_quotes(path))  # reading blocks apart is right, and fast, without
    block = _BLOCK
    while True:
        try:
            return csv.read_csv(
                path,
                read_options=csv.ReadOptions(block_size=min(block, 2**31 - 1)),
                parse_options=parse,
                convert_options=convert,
            )
        except pa.ArrowInvalid as error:
            if "straddl" not in str(error) or block > path.stat().st_size or block >= 2**31:
                raise
            block *= 16


def _has_quotes(path: Path) -> bool:
    with path.open("rb") as handle:
        if not path.stat().st_size:
            return False
        with mmap.mmap(handle.fileno(), 0, access=mmap.ACCESS_READ) as all_of_it:
            return all_of_it.find(b'"') >= 0
