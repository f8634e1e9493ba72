"""Search settings: train trials one after another, let the selection split decide, and write the best as a file.

Works for every method. The reporting split is not looked at: a run writes its predictions of it, and nobody reads them.
"""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from modelheir import data, inference
from modelheir.assemble.declared import declared_sources
from modelheir.assemble.destination import check_not_data
from modelheir.assemble.resolved import resolved
from modelheir.assemble.searching.greedy import in_order, next_greedy
from modelheir.assemble.searching.kept import Kept
from modelheir.assemble.searching.sampling import next_drawn
from modelheir.assemble.searching.trial import Trial, best_of
from modelheir.assemble.training import train
from modelheir.checks import InputError, validate
from modelheir.config.mapping import with_settings
from modelheir.config.search import STRATEGIES, Space, split_changes, value_of
from modelheir.config.unread import refuse_unread
from modelheir.extras import need, need_train
from modelheir.methods import METHODS
from modelheir.runs.files import read_json, write_text
from modelheir.runs.folder import RunFolder

if TYPE_CHECKING:
    from modelheir.config.run import TrainConfig

__all__ = ["Search", "search_settings"]


@dataclasses.dataclass(frozen=True)
class Search:
    """What a search found."""

    path: Path  #: its folder
    trials: tuple[Trial, ...]  #: in the order in which they were trained
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
    trials: int = 20,
    strategy: str = "tpe",
    command: Sequence[str] = (),
    watch: Callable[[Trial], None] | None = None,
) -> Search:
    """Train up to ``trials`` trials and return the best; called again, finished ones are not trained again.

    Args:
        method: A name of ``methods.METHODS``.
        config: Settings of every trial; ``out`` is the search's folder, ``<out>/trials/NNN`` its runs.
        settings: The method's own settings.
        space: What is tried, see :func:`modelheir.config.search.read_space`.
        trials: Trainings in all, ``>= 1``; the first is with the settings as given.
        strategy: ``tpe``, ``random`` or ``greedy``.
        command: What was typed, for the runs' ``environment.json``.
        watch: Called with each trial as it begins and as it ends.

    Raises:
        InputError: If the settings do not fit, there is no selection split, the folder holds something else, or no
            trial could be trained.
    """
    chosen = METHODS[method]
    if trials < 1:
        raise InputError(f"trials = {trials}: must be a whole number >= 1.")
    if strategy not in STRATEGIES:
        raise InputError(f"strategy = {strategy!r}: must be one of {', '.join(STRATEGIES)}.")
    validate(config)
    validate(settings, "method")
    refuse_unread(settings, chosen.config(), "method")
    if chosen.needs_old and not config.old:
        raise InputError(f"search {method} needs --old, the model in production, as train {method} does.")
    if strategy == "greedy":
        in_order(space)
    need_train("a search")
    if strategy != "greedy":
        need("search", f"--strategy {strategy}", "optuna")
    folder = Path(config.out or f"runs/search_{method}")
    _accept(folder, config, [use.address for use in declared_sources(chosen, settings).values()])
    given = {key: value_of((config, settings), key) for key in space}
    about = {
        "method": method,
        "strategy": strategy,
        "space": {key: dataclasses.asdict(one) for key, one in space.items()},
        "settings": resolved(method, dataclasses.replace(config, out=""), settings),
    }
    kept, complete = Kept.read(folder / "search.json", about), False
    for number in range(trials):
        trial = next((one for one in kept.trials if one.number == number), None)
        if trial is None:
            changes = _next(strategy, space, given, kept.trials, config.seed)
            if changes is None:
                complete = True
                break
            trial = Trial(number, changes, "running")
        if trial.state == "running":
            kept.put(trial)
            if watch:
                watch(trial)
            done = _train(method, config, settings, trial, folder, command)
            kept.put(done)
            if watch:
                watch(done)
    best = best_of(kept.trials)
    if best is None:
        raise InputError(f"none of the {len(kept.trials)} trials could be trained; the first: {kept.trials[0].reason}")
    return Search(folder, tuple(kept.trials), best, _write_best(method, config, settings, best, folder), complete)


def _accept(folder: Path, config: TrainConfig, sources: Sequence[str]) -> None:
    """Refuse a folder in the data, and data without a selection split, before anything is written."""
    for source in (config.data, *sources):
        check_not_data(folder, source)
    if inference.Runtime(config.device).world > 1:
        raise InputError("a search runs in one process: start it without a launcher.")
    splits = data.open_splits(config.data, config.inputs)
    if not (splits["val"].labels >= 0).any():
        raise InputError(f"{config.data}: no image of the val split has a label, so there is nothing to choose by.")


def _next(
    strategy: str, space: Space, given: Mapping[str, Any], trials: Sequence[Trial], seed: int
) -> dict[str, Any] | None:
    if not trials:
        return {}
    if strategy == "greedy":
        return next_greedy(space, given, trials)
    return next_drawn(strategy, space, given, trials, seed=seed)


def _train(
    method: str, config: TrainConfig, settings: Any, trial: Trial, folder: Path, command: Sequence[str]
) -> Trial:
    """Train a trial; what cannot be trained is a trial that failed, with its reason."""
    began, place = time.monotonic(), _place(folder, trial)
    try:
        of_run, own = _changed(config, settings, trial)
        train(method, dataclasses.replace(of_run, out=str(place), quiet=True), own, command=command)
        row = read_json(RunFolder(place).result).get("val/accuracy", {})
    except (InputError, ArithmeticError, RuntimeError) as error:
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
