"""Read every file of a view whole and compare it with its checksum."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np

from modelheir.checks import InputError
from modelheir.embeddings.facts import NAME, read_facts
from modelheir.embeddings.rows import read_rows
from modelheir.embeddings.shards import check_shard, map_shard, nonfinite_rows, shard_file

__all__ = ["verify_view", "view_folders"]


def view_folders(folder: Path) -> list[Path]:
    """Return the folder, if it is a view, else the views directly in it, by name.

    Raises:
        InputError: If there is none.
    """
    if (folder / NAME).is_file():
        return [folder]
    found = sorted(path.parent for path in folder.glob(f"*/{NAME}")) if folder.is_dir() else []
    if not found:
        there = "holds no view" if folder.is_dir() else "is not there"
        raise InputError(f"{folder} {there}: give a folder that `modelheir embed` wrote.")
    return found


def verify_view(folder: Path) -> dict[str, str]:
    """Check a view.

    Returns:
        Name of a file in the folder -> what is wrong, in words; "" where nothing is.

    Raises:
        InputError: If there is no view, or its ``view.json`` is damaged or of another format.
    """
    facts = read_facts(folder)
    found = {"ids.parquet": _said(lambda: read_rows(folder, facts))}
    for number in range(facts.shards):
        name = shard_file(folder, number).relative_to(folder).as_posix()
        if not shard_file(folder, number, "json").is_file():
            found[name] = "not written: run the same `modelheir embed` again"
            continue

        def check(number: int = number) -> None:
            skipped = check_shard(folder, facts, number, content=True).missing
            bad = np.setdiff1d(nonfinite_rows(map_shard(folder, facts, number)), np.array(skipped, dtype=np.int64))
            if len(bad):
                raise InputError(f"{len(bad)} vectors hold numbers that are not finite, first that of row {bad[0]}.")

        found[name] = _said(check)
    return found


def _said(check: Callable[[], object]) -> str:
    try:
        check()
    except InputError as error:
        return str(error)
    return ""
