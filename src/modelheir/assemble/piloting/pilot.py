"""Is the teacher worth it? Small paired runs within a stated time, and a forecast of what the whole training gains.

Nothing here looks at the reporting split. What was found lies in ``OUT/pilot.json`` and the runs below ``OUT/pilot``,
beside whatever ``OUT`` holds; called again, finished runs are taken as they are.
"""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from modelheir import data, inference
from modelheir.analysis.forecast import Forecast, Held, forecast_gain, paired_variance
from modelheir.assemble.declared import Opened, declared_models, declared_sources, flag_of, open_sources
from modelheir.assemble.destination import check_destination
from modelheir.assemble.handing import make_given
from modelheir.assemble.piloting.kept import Kept
from modelheir.assemble.piloting.pair import Pair
from modelheir.assemble.piloting.pairs import train_pairs
from modelheir.assemble.piloting.sizes import Whole
from modelheir.assemble.piloting.small_runs import SmallRuns
from modelheir.assemble.resolved import choose, resolved
from modelheir.checks import InputError, validate
from modelheir.config.unread import refuse_unread
from modelheir.extras import need_train
from modelheir.methods import METHODS, Method
from modelheir.methods.given.pool import with_pool
from modelheir.runs.folder import RunFolder

if TYPE_CHECKING:
    from modelheir.config.run import TrainConfig

__all__ = ["Pilot", "forecast_pilot", "open_small_runs", "pilot"]


@dataclasses.dataclass(frozen=True)
class Pilot:
    """What a pilot found."""

    path: Path  #: ``pilot.json``, with everything that the forecast was made of
    forecast: Forecast
    pairs: tuple[Pair, ...]
    planned: int  #: pairs that were to be trained; fewer were where time ran out
    whole: Whole
    whole_seconds: float  #: how long the whole training would take, about
    selection: int  #: images that the gains were measured on


def pilot(
    method: str,
    config: TrainConfig,
    settings: Any,
    *,
    seconds: float,
    command: Sequence[str] = (),
    watch: Callable[[str], None] | None = None,
) -> Pilot:
    """Train small pairs with and without the teacher, and forecast the gain of the whole training.

    Args:
        method: A method with a ``pilot``.
        config: As for :func:`modelheir.assemble.train`.
        settings: The method's own settings.
        seconds: Time that the small runs may take; one that has begun is not cut short.
        command: What was typed, for the runs' ``environment.json``.
        watch: Takes a line before each training.

    Raises:
        InputError: If the method has no pilot, the settings do not fit, the time is too short, or ``out`` holds the
            pilot of another training.
    """
    chosen = METHODS[method]
    if chosen.pilot is None:
        others = ", ".join(name for name, one in METHODS.items() if one.pilot)
        raise InputError(f"train {method} has no --pilot, which asks what a teacher gains: {others} has.")
    validate(config)
    validate(settings, "method")
    refuse_unread(settings, chosen.config(), "method")
    chosen.accept(settings, config)
    need_train("a pilot")
    runs, wanted = open_small_runs(chosen, config, settings, command)
    kept = Kept.read(runs.folder.with_name("pilot.json"), method, wanted, runs.whole)
    found = train_pairs(runs, kept, seconds, watch or (lambda text: None))
    forecast = forecast_pilot(found.pairs, runs.whole)
    made = Pilot(
        path=kept.path,
        forecast=forecast,
        pairs=found.pairs,
        planned=found.planned,
        whole=runs.whole,
        whole_seconds=found.pace.around_with + found.pace.step_with * runs.whole.steps(runs.whole.shrunk(1.0)),
        selection=sum(found.pairs[0].counts),
    )
    kept.write(held=dataclasses.asdict(Held()), forecast=dataclasses.asdict(forecast), whole_seconds=made.whole_seconds)
    return made


def forecast_pilot(pairs: Sequence[Pair], whole: Whole, *, held: Held | None = None) -> Forecast:
    """Return the forecast of pairs; the images' share of the interval is that of the largest size."""
    largest = max(pair.images for pair in pairs)
    return forecast_gain(
        [pair.images for pair in pairs],
        [pair.gain for pair in pairs],
        whole=max(whole.labelled + whole.pool, largest),
        image_variance=paired_variance([pair.counts for pair in pairs if pair.images == largest]),
        held=held,
    )


def open_small_runs(
    chosen: Method, config: TrainConfig, settings: Any, command: Sequence[str]
) -> tuple[SmallRuns, Mapping[str, Any]]:
    """Open what the whole run would read, and check what it would check, before anything is written.

    Args:
        chosen: A method with a pilot.
        config: Settings of the whole run.
        settings: The method's own.
        command: What was typed.

    Returns:
        How to train the small runs, and the settings of the whole with nothing left open.

    Raises:
        InputError: If something does not fit.
    """
    assert chosen.pilot is not None
    folder = RunFolder(config.out or f"runs/{chosen.name}")
    sources, models = declared_sources(chosen, settings), declared_models(chosen, settings)
    read = [config.data, *(use.address for use in sources.values())]
    check_destination(folder, read, [*config.old, *(one for use in models.values() for one in use.addresses)])
    runtime = inference.Runtime(config.device)
    if runtime.world > 1:
        raise InputError("--pilot runs in one process: start it without a launcher.")
    splits = data.open_splits(config.data, config.inputs)
    draws_head = functools.partial(chosen.draws_head, settings)
    start = chosen.start(settings, config.old)
    asked, config = config.model, choose(config, splits["train"], start, draws_head)
    settings = chosen.settle(settings, config)
    opened = Opened(
        splits,
        open_sources(sources, config, splits["train"].classes),
        tuple(config.old),
        models,
        flags={name: flag_of(name, use) for name, use in sources.items()},
    )
    given = make_given(config, opened, runtime, asked=asked)
    chosen.plan(settings, given)  # refuses what does not fit, before anything is written
    use, train, pool = chosen.pilot(settings), splits["train"], None
    if use.pool in given.sources:
        joined = with_pool(given.data, given.sources[use.pool], flag=opened.flags[use.pool]).splits["train"]
        pool = joined.subset(range(len(train), len(joined)))  # type: ignore[arg-type]
    whole = Whole(
        labelled=len(train),
        pool=0 if pool is None else len(pool),
        classes=len(train.classes),
        batch_size=config.fit.batch_size,
        epochs=config.fit.epochs,
        target_epochs=use.target_epochs,
    )
    runs = SmallRuns(chosen.name, config, use, whole, pool, folder.path / "pilot", command)
    return runs, resolved(chosen.name, config, settings)
