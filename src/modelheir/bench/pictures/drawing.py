"""Draw one kind of picture of runs: a sheet a sequence, or a sequence and network, with its numbers beside it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from modelheir.bench.pictures import sheets
from modelheir.bench.pictures.folder import PictureFolder, file_name
from modelheir.bench.pictures.lineage import need_models
from modelheir.bench.pictures.members import Member, NothingToDraw, grouped, oracle_of, read_members
from modelheir.bench.pictures.settings import PlotConfig, accept
from modelheir.bench.pictures.sheets import Asked, Picture
from modelheir.bench.pictures.trajectories import courses, pictures_of
from modelheir.bench.pictures.worlds import Worlds
from modelheir.checks import InputError, nearest
from modelheir.config.mapping import read_yaml
from modelheir.engine.progress import make_progress

__all__ = ["Plotted", "draw_pictures"]

#: kind -> what draws it, and whether the networks of a sequence share a sheet
_DRAW: dict[str, tuple[Callable[[Sequence[Member], Asked], Iterator[Picture]], bool]] = {
    "interpolation": (sheets.interpolations, True),
    "projection": (sheets.projections, False),
    "svcca": (sheets.likenesses, False),
    "change": (sheets.changes, False),
    "penalty": (sheets.penalties, True),
    "examples": (sheets.examples, True),
}


class Plotted(NamedTuple):
    """What was drawn."""

    pictures: list[Path]  #: SVG; a CSV file of the same name holds the numbers
    notes: list[str]  #: what was left out, and why


def draw_pictures(kind: str, runs: Sequence[str] = (), config: PlotConfig | None = None) -> Plotted:
    """Draw pictures of runs of ``train adapt``, or of the cells of a benchmark; ``trajectory`` of any run.

    Args:
        kind: A key of :data:`~modelheir.bench.pictures.settings.KINDS`.
        runs: Run folders and folders of ``bench run`` (``trajectory``: run folders of any method with snapshots);
            ``examples`` may have none, and ``config.data`` instead.
        config: Settings.

    Returns:
        Where the pictures are.

    Raises:
        InputError: If a run, its weights or its data are not there or do not suit the picture; or a picture would be
            written over a file that is not one of its folder's. Files and weights are looked for before anything is
            drawn; pictures that were finished before stay.
    """
    config = config or PlotConfig()
    accept(kind, config, len(runs))
    if not runs:
        return _of_data(config)
    if kind == "trajectory":
        return _of_snapshots(runs, config)
    members, unfinished = read_members(runs)
    notes = [f"not finished, and left out: {place}" for place in unfinished]
    oracles, members = oracle_of(members, config.oracle) if config.oracle else ([], members)
    _accept_strategies(config, members)
    if kind not in ("examples", "penalty"):
        need_models(members, config.strategies)
    draw, together = _DRAW[kind]
    parts = _by_sequence(members) if together else list(grouped(members).values())
    folder = PictureFolder(
        Path(config.out) if config.out else Path(runs[0].removeprefix("run:")) / "pictures",
        [config.data] if config.data else [str(read_yaml(one.folder.config)["data"]) for one in members],
    )
    names = _names(kind, parts, together)
    endings = ("_accuracy", "_change", "_decay") if kind == "penalty" else ("",)
    folder.accept([name + ending for name in names for ending in endings])
    made, empty = [], []
    with make_progress(quiet=config.quiet) as progress:
        asked = Asked(config, oracles, Worlds(config.device, config.data), progress, notes)
        for name, part in zip(names, parts, strict=True):
            try:
                drawn = list(draw(part, asked))
            except NothingToDraw as error:
                empty.append(error)
                continue
            made += [folder.write(name + one.ending, one.drawn, one.rows, one.columns) for one in drawn]
    if not made:
        raise empty[0]
    return Plotted(made, list(dict.fromkeys([*notes, *map(str, empty)])))


def _of_data(config: PlotConfig) -> Plotted:
    """Draw examples of data that no run names."""
    folder = PictureFolder(Path(config.out or "pictures"), [config.data])
    folder.accept(["examples"])
    one = sheets.of_data(config)
    return Plotted([folder.write("examples", one.drawn, one.rows, one.columns)], [])


def _of_snapshots(runs: Sequence[str], config: PlotConfig) -> Plotted:
    """Draw the trajectories of runs of any method."""
    found = courses(runs, config)
    data = [config.data or str(read_yaml(one.run.config).get("data", "")) for one in found]
    out = Path(config.out) if config.out else found[0].run.path / "pictures"
    folder = PictureFolder(out, [one for one in data if one])
    folder.accept([name for one in found for name in one.files])
    made: list[Path] = []
    notes: list[str] = []
    with make_progress(quiet=config.quiet) as progress:
        for one in found:
            made += pictures_of(one, config, folder, progress, notes)
    return Plotted(made, notes)


def _by_sequence(members: Sequence[Member]) -> list[list[Member]]:
    found: dict[str, list[Member]] = {}
    for one in members:
        found.setdefault(one.sequence, []).append(one)
    return list(found.values())


def _names(kind: str, parts: Sequence[Sequence[Member]], together: bool) -> list[str]:
    """Return a name for the picture of each part; parts of one name are numbered."""
    found: list[str] = []
    for part in parts:
        name = file_name(kind, part[0].sequence, "" if together else part[0].network)
        taken = found.count(name) + sum(one.startswith(f"{name}~") for one in found)
        found.append(f"{name}~{taken + 1}" if taken else name)
    return found


def _accept_strategies(config: PlotConfig, members: Sequence[Member]) -> None:
    tried = list(dict.fromkeys(name for one in members for name in one.ends))
    for name in config.strategies:
        if name not in tried:
            raise InputError(f"--strategies {name}: no run tried it.{nearest(name, tried)} Tried: {', '.join(tried)}.")
