"""Contact sheets of found slices: the pictures of the newly wrong images of a group, and of those in its middle."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

from modelheir.analysis.slices.found import FoundSlice, FoundSlices, Member
from modelheir.report.gallery import Images, data_address

__all__ = ["MOST", "Picture", "Sheet", "sheets"]

MOST = 12  #: pictures a row of a sheet


@dataclasses.dataclass(frozen=True)
class Picture:
    """One image of a group."""

    member: Member
    address: str = ""  #: ``data:`` address of the picture, empty where there is none
    small: bool = False  #: it has few pixels and should be shown with hard edges


@dataclasses.dataclass(frozen=True)
class Sheet:
    """A found slice with its pictures."""

    slice: FoundSlice
    broken: tuple[Picture, ...]
    nearest: tuple[Picture, ...]
    pictured: bool  #: there is a picture of at least one


def sheets(found: FoundSlices, images: Images | None = None) -> tuple[Sheet, ...]:
    """Put pictures to the groups found.

    Args:
        found: The groups.
        images: Takes sample ids and returns encoded pictures of those it has; ``None`` shows names alone.
    """
    shown = [(one, one.broken[:MOST], one.nearest[:MOST]) for one in found.slices]
    ids = list(dict.fromkeys(member.sample_id for _, *rows in shown for row in rows for member in row))
    pictures = images(ids) if images is not None and ids else {}
    known = {name: data_address(content) for name, content in pictures.items()}

    def row(members: Sequence[Member]) -> tuple[Picture, ...]:
        return tuple(Picture(member, *known.get(member.sample_id, ("", False))) for member in members)

    return tuple(
        Sheet(one, broken := row(breaks), nearest := row(middle), any(of.address for of in (*broken, *nearest)))
        for one, breaks, middle in shown
    )
