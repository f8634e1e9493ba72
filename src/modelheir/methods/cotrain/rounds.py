"""Co-training in rounds: every view is taught what the others are sure of, and heads are trained anew.

Blum and Mitchell, "Combining Labeled and Unlabeled Data with Co-Training", 1998; the two versions of Rothenberger and
Diochnos (arXiv:2311.18083) are ``exchange.rule = "top_k"``, and ``"certain"`` with ``exchange.rederive``,
``rounds.class_weights`` and temperatures. A round is a stage; what a view has been taught stands in its result. Rounds
after the last one in which something is handed over are left out.
"""

from __future__ import annotations

import functools
import hashlib
from typing import TYPE_CHECKING, Any

import numpy as np

from modelheir.checks import InputError
from modelheir.methods.cotrain.supervised import views_alone, views_task
from modelheir.metrics.confidence import softmax
from modelheir.selection.cotraining.exchange import Taught, exchange
from modelheir.selection.cotraining.rounds import (
    Rounds,
    class_frequencies,
    class_weights,
    first_round,
    next_round,
    round_limit,
)

if TYPE_CHECKING:
    from modelheir.methods.cotrain.build import Build, Done, Node
    from modelheir.plans import Task

__all__ = ["rounds"]

_KEY = "cotraining"


def rounds(build: Build) -> Node:
    """Add the stages of all rounds."""
    (before,) = views_alone(build)
    found = []
    for number in range(1, build.config.rounds.number + 1):
        (before,) = build.add(f"round_{number}", functools.partial(_round, build, number, before))
        found.append(before)
    return tuple(found)


def _round(build: Build, number: int, before: str, done: Done) -> Task | None:
    """Hand labels over by what the heads of the stage before say of the pool, and train on them."""
    if done[before].skipped:
        return None
    state = _state(build, done[before].describe.get(_KEY))
    if state.over:
        return None
    config, labels = build.config, build.labelled.labels
    heads = build.loaded(done[before])
    said = build.logits(heads, build.pool)
    fitted = build.temperatures(heads)
    before_taught = [one.labels for one in state.taught] if config.exchange.rederive else []
    frequencies = class_frequencies(np.concatenate([labels, *before_taught]), len(build.labelled.classes))
    found = exchange(
        [softmax(logits / value) for logits, value in zip(said, fitted, strict=True)],
        state.pool,
        config.exchange,
        limit=round_limit(config.exchange, state),
        frequencies=frequencies,
        tie=_ties(build.pool.ids),
    )
    if found.empty:
        if number > 1:
            return None
        raise InputError(
            "co-training: no view hands over a label in the first round, as views contradict each other or none is "
            f"sure (method.exchange.rule = {config.exchange.rule!r}): take another rule, or a lower threshold."
        )
    state = next_round(state, found, config.exchange)
    sets = {name: build.named(one.rows, one.labels) for name, one in zip(build.names, state.taught, strict=True)}
    weights = class_weights(frequencies) if config.rounds.class_weights else None
    heads = build.heads(number) if config.rounds.from_scratch else heads
    told: dict[str, Any] = {
        "number": number,
        "over": state.over,
        "taught": [{"rows": one.rows.tolist(), "labels": one.labels.tolist()} for one in state.taught],
        "temperatures": fitted,
        "pool": found.record.pool,
        "chosen": [list(one) for one in found.record.chosen],
        "conflicts": found.record.conflicts,
        "agreement": found.record.agreement,
    }
    return views_task(build, heads, sets, class_weights=weights, describe={_KEY: told})


def _state(build: Build, told: dict[str, Any] | None) -> Rounds:
    """Return where the rounds stand after the stage that told this; ``None``: before the first."""
    state = first_round(len(build.pool), len(build.views))
    if told is None:
        return state
    taught = tuple(
        Taught(np.array(one["rows"], np.int64), np.array(one["labels"], np.int64), np.zeros(len(one["rows"])))
        for one in told["taught"]
    )
    pool = state.pool.copy()
    if not build.config.exchange.rederive:
        for one in taught:
            pool[one.rows] = False
    return Rounds(told["number"] + 1, pool, taught, told["over"])


def _ties(ids: np.ndarray) -> np.ndarray:
    """Return a number for each sample id, which decides among equally sure ones whatever their order is."""
    return np.array([int.from_bytes(hashlib.sha256(str(one).encode()).digest()[:6], "big") for one in ids])
