"""Train the pairs of a pilot, smallest first, and stop before one that would not end in time."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import TYPE_CHECKING

from modelheir.assemble.piloting.pair import Pair
from modelheir.assemble.piloting.sizes import Pace, Size, choose_pairs, least_seconds
from modelheir.assemble.piloting.small_runs import ARMS, SmallRuns, counts_of, labels_of, training_seconds
from modelheir.checks import InputError
from modelheir.config.pilot import time_text

if TYPE_CHECKING:
    from pathlib import Path

    from modelheir.assemble.piloting.kept import Kept

__all__ = ["Found", "train_pair", "train_pairs"]

_PROBE = 8  #: batches of the images that the pace is measured on, for
_PROBE_EPOCHS = 2  #: passes, of which the first warms up


@dataclasses.dataclass(frozen=True)
class Found:
    """What was trained."""

    pairs: tuple[Pair, ...]
    planned: int
    pace: Pace  #: at the largest size


def train_pairs(runs: SmallRuns, kept: Kept, seconds: float, watch: Callable[[str], None]) -> Found:
    """Measure the pace, choose the pairs that fit, and train them; what is kept is not trained again.

    Args:
        runs: How to train.
        kept: What earlier calls found; what is found now is added.
        seconds: Time for all of it.
        watch: Takes a line before each training.

    Raises:
        InputError: If the time is too short for the smallest pairs.
    """
    pace, spent = _probe(runs, kept, watch)
    planned = kept.plan(seconds)
    if planned is None:
        planned = choose_pairs(runs.whole, pace, seconds - spent)
        if not planned:
            least = time_text(1.2 * (spent + least_seconds(runs.whole, pace)))
            raise InputError(
                f"--pilot {time_text(seconds)} is too short: the smallest small runs need about {least}. Give it."
            )
        rows = [{**dataclasses.asdict(size), "seed": seed} for size, seed in planned]
        kept.write(budget_seconds=seconds, planned=rows)
    done = {(pair.planned, pair.seed): pair for pair in kept.pairs}
    slower, ran = 1.0, [0.0, 0.0]  # seconds that pairs took now, and were thought to take
    spent += sum(done[size.images, seed].seconds for size, seed in planned if (size.images, seed) in done)
    for number, (size, seed) in enumerate(planned, start=1):
        if (size.images, seed) in done:
            continue
        thought = pace.seconds(runs.whole, size)
        if done and spent + slower * thought > seconds:
            continue
        begin = f"[{number}/{len(planned)}] {size.images:,} images, "
        pair = train_pair(runs, size, seed, lambda arm, begin=begin: watch(begin + arm))
        done[size.images, seed] = pair
        kept.add(pair)
        spent += pair.seconds
        ran = [ran[0] + pair.seconds, ran[1] + thought]
        slower = ran[0] / ran[1]
    largest = max((size for size, seed in planned if (size.images, seed) in done), key=lambda size: size.images)
    measured = _pace(runs, largest, {arm: runs.place(largest, 0, arm) for arm in ARMS}, pace)
    return Found(tuple(done[key] for key in sorted(done)), len(planned), measured)


def train_pair(runs: SmallRuns, size: Size, seed: int, watch: Callable[[str], None] = lambda text: None) -> Pair:
    """Train both arms of one size and seed; what is finished is not trained again.

    Args:
        runs: How to train.
        size: Of the data.
        seed: Counts from that of the run.
        watch: Takes a line before each training.
    """
    took = 0.0
    for arm in ARMS:
        watch(f"seed {seed}, {arm} the teacher")
        took += runs.train(size, seed, arm)
    places = {arm: runs.place(size, seed, arm) for arm in ARMS}
    return Pair(size.images, labels_of(places["with"]), size.pool, seed, tuple(counts_of(places)), took)


def _probe(runs: SmallRuns, kept: Kept, watch: Callable[[str], None]) -> tuple[Pace, float]:
    """Return the pace of both arms, from short runs, and the seconds that these took."""
    if kept.probe is None:
        whole = runs.whole
        size = whole.shrunk(min(1.0, _PROBE * whole.batch_size / (whole.labelled + whole.pool)))
        places = {arm: runs.folder / "pace" / arm for arm in ARMS}
        watch("measuring the pace of both students")
        runs.train(size, 0, "without", place=runs.folder / "pace" / "first", epochs=1)  # what is slow only once
        took = {arm: runs.train(size, 0, arm, place=places[arm], epochs=_PROBE_EPOCHS) for arm in ARMS}
        kept.write(probe=dataclasses.asdict(_measured(runs, size, places, took)), probe_seconds=sum(took.values()))
    assert kept.probe is not None
    return Pace(**kept.probe), kept.probe_seconds


def _pace(runs: SmallRuns, size: Size, places: dict[str, Path], before: Pace) -> Pace:
    """Return the pace of a pair that was trained; what was around its steps is as it was in the probe."""
    around = {"with": before.around_with, "without": before.around_without}
    return _measured(runs, size, places, {}, around)


def _measured(
    runs: SmallRuns, size: Size, places: dict[str, Path], took: dict[str, float], around: dict[str, float] | None = None
) -> Pace:
    a_step = {name: min(runs.whole.batch_size, count) for name, count in _images(size).items()}
    steps, around = {}, dict(around or {})
    for arm in ARMS:
        seconds, count = training_seconds(places[arm], a_step)
        steps[arm] = seconds / max(count, 1)
        around.setdefault(arm, max(0.0, took.get(arm, 0.0) - seconds))
    return Pace(steps["with"], steps["without"], around["with"], around["without"])


def _images(size: Size) -> dict[str, int]:
    """Return the images that each stage sees in a pass."""
    return {"distill": size.images, "target": size.labelled, "train": size.labelled, "": size.images}
