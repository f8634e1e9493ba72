"""The page of a selection: which removed pairs it shows, and their pictures."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from modelheir import data as datasets
from modelheir import report
from modelheir.address import parse_address
from modelheir.assemble.pages import run_provenance
from modelheir.data.decode import DecodeError
from modelheir.selection.confirmation import REASONS

if TYPE_CHECKING:
    from modelheir.assemble.selecting.copies import Removed
    from modelheir.assemble.selecting.prepared import Prepared
    from modelheir.assemble.selecting.result import Selection
    from modelheir.data import ImageSet

__all__ = ["shown_pairs", "write_page"]


def write_page(found: Selection, ready: Prepared, *, command: Sequence[str] = ()) -> Path:
    """Write it.

    Args:
        found: The selection.
        ready: What it read, for the pictures.
        command: What was typed.
    """
    chosen = list(itertools.islice(shown_pairs(found.removed), ready.config.pictures))
    pool = _pictures(ready.pool, [one.sample_id for one in chosen])
    others = {
        split: _pictures(images, [one.partner for one in chosen if one.partner_split == split])
        for split, images in {**ready.splits, "pool": ready.pool}.items()
    }
    pairs = [
        report.Pair(
            one.sample_id, one.partner, one.reason, one.score, one.partner_split,
            pool.get(one.sample_id, b""), others[one.partner_split].get(one.partner, b""),
        )
        for one in chosen
    ]  # fmt: skip
    run = parse_address(ready.config.teacher).run
    return report.write_selection(
        found.page,
        found.to_json(),
        pairs=pairs,
        total=len(found.removed),
        reasons=REASONS,
        title=f"Selected from {ready.config.pool}",
        provenance={
            "this selection": {"command": command, "settings": found.settings},
            **({"the teacher": run_provenance(run)} if run else {}),
        },
    )


def shown_pairs(removed: Sequence[Removed]) -> Iterator[Removed]:
    """Yield removed images in turn over kinds (split and reason), the least sure of each kind first."""
    kinds: dict[tuple[str, str], list[Removed]] = {}
    for one in sorted(removed, key=lambda one: (one.score, one.sample_id)):
        kinds.setdefault((one.partner_split, one.reason), []).append(one)
    for row in itertools.zip_longest(*(kinds[key] for key in sorted(kinds))):
        yield from filter(None, row)


def _pictures(images: ImageSet, ids: Sequence[str]) -> Mapping[str, bytes]:
    try:
        return datasets.encode_png(images, dict.fromkeys(ids))
    except DecodeError:  # a file has gone since
        return {}
