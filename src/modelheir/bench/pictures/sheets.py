"""What each kind of picture computes and how it is laid out: panels on a sheet with one key, and a row a number."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

from markupsafe import Markup

from modelheir.bench.pictures.images import Grid, example_grid, finer_grid, same_images
from modelheir.bench.pictures.interpolation import COLUMNS, basin
from modelheir.bench.pictures.members import Member, NothingToDraw, grouped, like
from modelheir.bench.pictures.penalties import accuracy_lines, change_lines, decay_lines, levels
from modelheir.bench.pictures.planes import Panels, alike, moves, projected
from modelheir.bench.pictures.settings import PlotConfig
from modelheir.bench.pictures.worlds import Worlds, open_dated
from modelheir.checks import InputError
from modelheir.config.inputs import InputConfig
from modelheir.report.figures import examples as figure_of_examples
from modelheir.report.figures import paths as figure_of_paths
from modelheir.report.figures.curves import curves
from modelheir.report.figures.interpolation import BasinLine, basin_key, interpolation
from modelheir.report.figures.penalty import PENALTY_COLUMNS, PenaltyLine, penalty, penalty_key, penalty_rows
from modelheir.report.figures.sheet import Sample, sheet
from modelheir.report.figures.svg import Axis
from modelheir.types import Progress

__all__ = [
    "Asked",
    "Picture",
    "changes",
    "examples",
    "interpolations",
    "likenesses",
    "of_data",
    "penalties",
    "projections",
]

_ACROSS = 3  #: panels side by side


class Picture(NamedTuple):
    """A figure and its numbers."""

    drawn: Markup
    rows: list[dict[str, Any]]
    columns: Sequence[str]
    ending: str = ""  #: of its name, where a kind has several


@dataclasses.dataclass(frozen=True)
class Asked:
    """What pictures are made from, beside the runs."""

    config: PlotConfig
    oracles: Sequence[Member]
    worlds: Worlds
    progress: Progress
    notes: list[str]  #: takes what was left out

    def strategies(self, member: Member) -> list[str]:
        """Return the strategies to show of a run, in order."""
        return [name for name in self.config.strategies or member.ends if name in member.ends]

    def seed(self, members: Sequence[Member]) -> Member:
        """Return the one training that is shown.

        Raises:
            InputError: If there are not so many.
        """
        if self.config.seed >= len(members):
            raise InputError(
                f"--seed {self.config.seed}: {members[0].title} has {len(members)} finished trainings, counted from 0."
            )
        return members[self.config.seed]


def interpolations(members: Sequence[Member], asked: Asked) -> Iterator[Picture]:
    """Yield accuracy between the start and the end of the last step, a panel a network."""
    config, panels = asked.config, {}
    rows: list[dict[str, Any]] = []
    for (_, network), own in grouped(members).items():
        held = [(one, asked.worlds.of(one)) for one in own]
        names = asked.strategies(own[0])
        lines, numbers = basin(held, names, mode=config.mode, points=config.points, progress=asked.progress)
        panels[network] = lines
        rows += [{"panel": network, **row} for row in numbers]
    order = list(dict.fromkeys(line.name for lines in panels.values() for line in lines))
    if not order:
        raise NothingToDraw(
            f"no strategy of {members[0].folder.path} trains a model of the past on the newest step: there is no line "
            "to draw. Train with erm_fine_tune or sequential_fine_tune among --method.strategies."
        )
    left = [name for name in asked.strategies(members[0]) if name not in order]
    if left:
        asked.notes.append(f"no line, as they train nothing after the past: {', '.join(left)}")
    every = [line for lines in panels.values() for line in lines]
    values = [v for line in every for _, v in line.points] + [
        end for line in every for ends in line.intervals if ends for end in ends
    ]
    limits = Axis.around(values, floor=0.0)
    drawn = [(name, interpolation(_filled(lines, order), limits=limits)) for name, lines in panels.items()]
    samples = basin_key([next(line for line in every if line.name == name) for name in order])
    label = f"Accuracy between start and end on {members[0].sequence}"
    yield Picture(sheet(drawn, height=300, columns=_ACROSS, key=samples, label=label), rows, COLUMNS)


def projections(members: Sequence[Member], asked: Asked) -> Iterator[Picture]:
    """Yield where weights stand between three models, a panel a layer."""
    member = asked.seed(members)
    panels, lacking = projected(member, like(member, asked.oracles), asked.strategies(member))
    _note(asked, lacking)
    yield _planes(panels, figure_of_paths.WEIGHTS, f"Weights of {member.title}")


def likenesses(members: Sequence[Member], asked: Asked) -> Iterator[Picture]:
    """Yield how alike layers are to the oracle's, a panel a layer."""
    member = asked.seed(members)
    asked.progress.stage(f"{member.title}: layers", 0)
    panels, lacking = alike(
        member,
        like(member, asked.oracles),
        asked.worlds.of(member),
        asked.strategies(member),
        mode=asked.config.mode,  # pyright: ignore[reportArgumentType]
        advance=asked.progress.advance,
    )
    _note(asked, lacking)
    yield _planes(panels, figure_of_paths.LIKENESS, f"Layers of {member.title}")


def changes(members: Sequence[Member], asked: Asked) -> Iterator[Picture]:
    """Yield how far each layer moves from step to step, a panel a layer."""
    member = asked.seed(members)
    panels, lacking = moves(member, asked.strategies(member))
    _note(asked, lacking)
    _need_lines(panels, member)
    order = [one.name for one in next(iter(panels.values()))]
    drawn = [
        (layer, curves("Change of weights", {one.name: one.points for one in own}, order=order, over="To model"))
        for layer, own in panels.items()
    ]
    samples: list[Sample] = [(name, number, "line") for number, name in enumerate(order)]
    rows = [
        {"strategy": one.name, "layer": layer, "to_model": int(number), "change": length}
        for layer, own in panels.items()
        for one in own
        for number, length in one.points
    ]
    label = f"Change of weights from step to step of {member.title}"
    drawing = sheet(drawn, height=230, columns=_ACROSS, key=samples, label=label)
    yield Picture(drawing, rows, ("strategy", "layer", "to_model", "change"))


def penalties(members: Sequence[Member], asked: Asked) -> Iterator[Picture]:
    """Yield accuracy and change of weights over the penalty between steps, then accuracy over the efficient decay.

    Each has a panel a network; the first two, or the last, are left out where no several strengths were tried.
    """
    groups = {network: own for (_, network), own in grouped(members).items()}
    shown, between = "Selection images right", "strength of the penalty"

    def made(ending: str, lines: dict[str, list[PenaltyLine]], quantity: str, over: str, **look: Any) -> Picture:
        longest = sorted(lines.values(), key=len, reverse=True)
        blank = {line.name: PenaltyLine(line.name, ()) for own in longest for line in own}  # so that looks agree
        rows = [row for name, own in lines.items() for row in penalty_rows(own, panel=name)]
        drawn = []
        for name, own in lines.items():
            aligned = list({**blank, **{line.name: line for line in own}}.values())
            across = {"levels": levels(groups[name])} if ending == "_accuracy" else {}
            drawn.append((name, penalty(aligned, quantity=quantity, over=over, **across, **look)))
        label = f"{quantity} over the {over} on {members[0].sequence}"
        key = penalty_key(list(blank.values()))
        return Picture(sheet(drawn, height=300, columns=_ACROSS, key=key, label=label), rows, PENALTY_COLUMNS, ending)

    decays = {name: lines for name, own in groups.items() if (lines := decay_lines(own))}
    try:
        accuracies = {name: accuracy_lines(own) for name, own in groups.items()}
    except NothingToDraw as error:
        if not decays:
            raise
        asked.notes.append(str(error))
    else:
        yield made("_accuracy", accuracies, shown, between)
        moved = {name: change_lines(own) for name, own in groups.items()}
        yield made("_change", moved, "Change of weights", between, decades=True)
    if decays:
        yield made("_decay", decays, shown, "weight decay of side modules or low-rank changes")


def examples(members: Sequence[Member], asked: Asked) -> Iterator[Picture]:
    """Yield images of each step of a run's data."""
    config, history = asked.config, asked.worlds.of(members[0]).history
    yield _images(*example_grid(history, classes=config.classes, per_class=config.per_class))


def of_data(config: PlotConfig) -> Picture:
    """Draw images of data that no run names, as ``config.show`` says."""
    chosen: Any = {"classes": config.classes, "per_class": config.per_class}
    if config.show == "finer":
        return _images(*finer_grid(config.data, **chosen))
    if config.show == "same":
        return _images(*example_grid(same_images(config.data), **chosen))
    return _images(
        *example_grid(open_dated(config.data, InputConfig(), time=config.time, steps=config.steps), **chosen)
    )


def _images(grid: Grid, columns: Sequence[str]) -> Picture:
    rows = figure_of_examples.example_rows(grid, columns)
    return Picture(figure_of_examples.examples(grid, columns), rows, figure_of_examples.EXAMPLE_COLUMNS)


def _planes(panels: Panels, plane: Any, label: str) -> Picture:
    if not panels:
        raise NothingToDraw(
            "every strategy has side modules, which have no place in a plane of weights: choose others."
        )
    drawn = [(layer, figure_of_paths.paths(own, plane)) for layer, own in panels.items()]
    key = figure_of_paths.path_key(next(iter(panels.values())))
    rows = [row for layer, own in panels.items() for row in figure_of_paths.path_rows(own, panel=layer)]
    drawing = sheet(drawn, height=330, columns=_ACROSS, key=key, label=label)
    return Picture(drawing, rows, figure_of_paths.PATH_COLUMNS)


def _filled(lines: Sequence[BasinLine], order: Sequence[str]) -> list[BasinLine]:
    """Return a line for every name, an empty one where a panel has none, so that looks agree between panels."""
    held = {line.name: line for line in lines}
    return [held.get(name) or BasinLine(name, "history", ()) for name in order]


def _note(asked: Asked, lacking: Sequence[str]) -> None:
    if lacking:
        asked.notes.append(f"left out, with side modules or of two networks: {', '.join(lacking)}")


def _need_lines(panels: Panels, member: Member) -> None:
    if not panels:
        raise NothingToDraw(
            f"no strategy of {member.folder.path} that is asked for comes by several models without side modules: "
            "take sequential_fine_tune, joint_model or erm_fine_tune."
        )
