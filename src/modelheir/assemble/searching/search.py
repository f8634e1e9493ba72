"""Search settings: train trials, let the selection split decide, and write the best as a file.

Works for every method. Any number of processes, on any machines that share the folder, may try at once; which trials
there are does not depend on that. The reporting split is not looked at: a run writes its predictions of it, and nobody
reads them.
"""

from __future__ import annotations

import dataclasses
import functools
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from modelheir import data, inference
from modelheir.assemble.declared import declared_sources
from modelheir.assemble.destination import check_not_data
from modelheir.assemble.resolved import resolved
from modelheir.assemble.searching.beside import beside
from modelheir.assemble.searching.kept import Kept
from modelheir.assemble.searching.strategies import accept, next_changes, usual_trials
from modelheir.assemble.searching.taking import Watch, try_all
from modelheir.assemble.searching.trial import Trial, best_of
from modelheir.assemble.training import train
from modelheir.checks import InputError, validate
from modelheir.config.mapping import with_settings
from modelheir.config.search import STRATEGIES, Space, split_changes, value_of
from modelheir.config.unread import refuse_unread
from modelheir.extras import need_train
from modelheir.methods import METHODS
from modelheir.runs.files import read_json, write_text
from modelheir.runs.folder import RunFolder

if TYPE_CHECKING:
    from modelheir.config.run import TrainConfig
    from modelheir.inference import Runtime

__all__ = ["Search", "search_settings"]


@dataclasses.dataclass(frozen=True)
class Search:
    """What a search found."""

    path: Path  #: its folder
    trials: tuple[Trial, ...]  #: by number; those of other processes that are not awaited may be in training still
    best: Trial
    settings: Path  #: ``best.yaml``, which ``train --config`` takes
    complete: bool  #: whether nothing is left to try

    def run(self, trial: Trial) -> Path:
        """Return the run folder of a trial."""
        return _place(self.path, trial)


def search_settings(
    method: str,
    config: TrainConfig,
    settings: Any,
    space: Space,
    *,
    trials: int | None = None,
    strategy: str = "tpe",
    command: Sequence[str] = (),
    helpers: Sequence[Sequence[str]] = (),
    watch: Watch | None = None,
) -> Search:
    """Train up to ``trials`` trials and return the best; called again, finished ones are not trained again.

    Called by several processes at once, each takes the next trial, and all return the same when the last is done. Under
    a launcher all processes train each trial together.

    Args:
        method: A name of ``methods.METHODS``.
        config: Settings of every trial; ``out`` is the search's folder, ``<out>/trials/NNN`` its runs.
        settings: The method's own settings.
        space: What is tried, see :func:`modelheir.config.search.read_space`.
        trials: Trainings in all, ``>= 1``; the first is with the settings as given, but in a grid. ``None`` is all of a
            grid or of hyperband's brackets, and 20 of the others.
        strategy: ``tpe``, ``random``, ``greedy``, ``grid`` or ``hyperband``.
        command: What was typed, for the runs' ``environment.json``.
        helpers: Commands that search in the same folder; each is started, once all is accepted, and waited for.
        watch: Told of each trial as it begins and as it ends.

    Raises:
        InputError: If the settings do not fit, there is no selection split, the folder holds something else, or no
            trial could be trained.
    """
    chosen = METHODS[method]
    if trials is not None and trials < 1:
        raise InputError(f"trials = {trials}: must be a whole number >= 1.")
    if strategy not in STRATEGIES:
        raise InputError(f"strategy = {strategy!r}: must be one of {', '.join(STRATEGIES)}.")
    validate(config)
    validate(settings, "method")
    refuse_unread(settings, chosen.config(), "method")
    if chosen.needs_old and not config.old:
        raise InputError(f"search {method} needs --old, the model in production, as train {method} does.")
    need_train("a search")
    accept(strategy, space)
    folder = Path(config.out or f"runs/search_{method}")
    runtime = _accept(folder, config, [use.address for use in declared_sources(chosen, settings).values()])
    if helpers and runtime.world > 1:
        raise InputError("several workers and a launcher: all its processes train each trial together; give one.")
    given = {key: value_of((config, settings), key) for key in space}
    about = {
        "method": method,
        "strategy": strategy,
        "space": {key: dataclasses.asdict(one) for key, one in space.items()},
        "settings": resolved(method, dataclasses.replace(config, out=""), settings),
    }
    kept = runtime.by_main(lambda: Kept(folder / "search.json", about))
    draw = functools.partial(next_changes, strategy, space, given, seed=config.seed, epochs=config.fit.epochs)
    limit = usual_trials(strategy, space, config.fit.epochs) if trials is None else trials
    with beside(helpers):
        try_all(
            kept,
            limit,
            draw,
            lambda one: _train(method, config, settings, one, folder, command, runtime),
            runtime,
            watch,
        )

    def conclude() -> Search:
        with kept.alone():
            best = best_of(kept.trials)
            if best is None:
                first = kept.trials[0].reason
                raise InputError(f"none of the {len(kept.trials)} trials could be trained; the first: {first}")
            complete = draw(kept.trials) is None and all(trial.state != "running" for trial in kept.trials)
            written = _write_best(method, config, settings, best, folder)
            return Search(folder, tuple(kept.trials), best, written, complete)

    return runtime.by_main(conclude)


def _accept(folder: Path, config: TrainConfig, sources: Sequence[str]) -> Runtime:
    """Refuse a folder in the data, and data without a selection split, before anything is written."""
    for source in (config.data, *sources):
        check_not_data(folder, source)
    runtime = inference.Runtime(config.device)
    splits = data.open_splits(config.data, config.inputs)
    if not (splits["val"].labels >= 0).any():
        raise InputError(f"{config.data}: no image of the val split has a label, so there is nothing to choose by.")
    return runtime


def _train(
    method: str,
    config: TrainConfig,
    settings: Any,
    trial: Trial,
    folder: Path,
    command: Sequence[str],
    runtime: Runtime,
) -> Trial:
    """Train a trial; what cannot be trained is a trial that failed, with its reason."""
    began, place = time.monotonic(), _place(folder, trial)
    # where one of several processes fails alone, the others cannot know: then all of them stop
    alike = (InputError, ArithmeticError, *([RuntimeError] if runtime.world == 1 else []))
    try:
        of_run, own = _changed(config, settings, trial)
        train(method, dataclasses.replace(of_run, out=str(place), quiet=True), own, command=command)
        row = runtime.by_main(lambda: read_json(RunFolder(place).result).get("val/accuracy", {}))
    except alike as error:
        took = time.monotonic() - began
        return dataclasses.replace(trial, state="failed", seconds=took, reason=" ".join(str(error).split()))
    took = time.monotonic() - began
    if row.get("value") is None:
        return dataclasses.replace(trial, state="failed", seconds=took, reason="it has no accuracy on the val split")
    return dataclasses.replace(trial, state="finished", seconds=took, value=float(row["value"]))


def _changed(config: TrainConfig, settings: Any, trial: Trial) -> tuple[TrainConfig, Any]:
    of_run, of_method = split_changes(trial.changes)
    return with_settings(config, of_run), with_settings(settings, of_method, where="method")


def _place(folder: Path, trial: Trial) -> Path:
    return folder / "trials" / f"{trial.number:03d}"


def _write_best(method: str, config: TrainConfig, settings: Any, best: Trial, folder: Path) -> Path:
    """Write the settings of the best trial, as they were given and changed."""
    import yaml

    of_run, own = _changed(config, settings, best)
    tree = resolved(method, dataclasses.replace(of_run, out=str(folder / "best")), own)
    path = folder / "best.yaml"
    write_text(path, yaml.safe_dump(tree, sort_keys=False, allow_unicode=True))
    return path
