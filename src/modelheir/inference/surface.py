"""The loss, or the accuracy, over the plane of a trajectory's first two directions, on a stream of images."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np
import torch

from modelheir import checks
from modelheir.checks import InputError
from modelheir.inference.evaluate import predict_model, summarise
from modelheir.inference.runtime import Runtime
from modelheir.models.blends import score_plane
from modelheir.subspace import Basis
from modelheir.types import Batch, Stream

__all__ = ["surface"]


def surface(
    model: Any,
    basis: Basis,
    stream: Stream,
    runtime: Runtime,
    *,
    x: Sequence[float] | np.ndarray,
    y: Sequence[float] | np.ndarray,
    quantity: str = "loss",
    batches: Callable[[], Iterable[Batch]] | None = None,
    advance: Callable[[int], None] | None = None,
) -> dict[str, Any]:
    """Score the models of a grid of a plane through the mean of the snapshots.

    Args:
        model: A classifier of the architecture of the snapshots; what did not move along them stays as it has it.
        basis: Orthonormal directions, at least two, with the snapshots' mean.
        stream: An evaluation stream with labels.
        runtime: This process and its peers, which all call this.
        x: Coordinates along the first direction, rising.
        y: Along the second, rising.
        quantity: ``loss``, mean cross-entropy in nats, lower is better; or ``accuracy``, a fraction, higher is better.
        batches: Training images, to estimate statistics of batch normalisation anew at every point; see
            :func:`~modelheir.models.blends.surface.score_plane`.
        advance: Called with the number of images after each point.

    Returns:
        JSON: ``x``, ``y``, ``value`` (a row a ``y``; ``None`` where it is not finite) and ``quantity``.

    Raises:
        InputError: If the basis has one direction alone, or the stream no labels.
        ValueError: If the basis is of other weights than the model's.
    """
    checks.one_of(("loss", "accuracy"), quantity=quantity)
    if len(basis) < 2 or basis.mean is None:
        raise InputError(f"a plane needs two directions about a mean, and there is {len(basis)}: keep more snapshots.")
    if not (stream.labels >= 0).any():
        raise InputError("the loss over a plane needs labelled images, and the selection split has none.")

    def score(one: Any) -> float:
        found = predict_model(one, stream, runtime)
        if advance is not None:
            advance(len(found))
        return summarise(found)[quantity]

    layout = basis.layout
    directions = {name: torch.from_numpy(np.array(part)) for name, part in layout.split(basis.components[:2]).items()}
    origin = {name: torch.from_numpy(np.array(part)) for name, part in layout.split(basis.mean).items()}
    model.to(runtime.device)
    found = score_plane(model, directions, origin, score, x=[*map(float, x)], y=[*map(float, y)], batches=batches)
    value = [[None if np.isnan(one) else float(one) for one in row] for row in found]
    return {"x": [*map(float, x)], "y": [*map(float, y)], "value": value, "quantity": quantity}
