"""Batches of stored vectors: read from the memory map row by row, one tensor, or one a view."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import torch
from torch import Tensor

from modelheir import checks
from modelheir.data.streams.order import Order
from modelheir.data.streams.rows import RowStream
from modelheir.data.transforms.transfer import to_device
from modelheir.data.vectors import VectorSet
from modelheir.types import Batch

__all__ = ["vector_stream"]


def vector_stream(
    vectors: VectorSet,
    *,
    batch_size: int,
    train: bool,
    seed: int,
    device: torch.device | str = "cpu",
    drop_last: bool | None = None,
    split: str = "",
    rank: int = 0,
    world: int = 1,
    extra: Mapping[str, Tensor] | None = None,
) -> RowStream:
    """Make the batches of a set of vectors; as many as a batch needs are read, whatever the size of the set.

    Args:
        vectors: The split.
        batch_size: Samples a batch over all processes.
        train: Shuffle and leave out the last incomplete batch; otherwise every sample once, in order.
        seed: Of the order.
        device: Where batches live.
        drop_last: Leave out the last incomplete batch of shuffled samples; ``None``: as ``train`` says.
        split: Name of the split.
        rank: This process, from 0.
        world: Number of processes.
        extra: Stored values a sample, first dimension ``N``; each batch carries its rows in ``Batch.extra``.

    Returns:
        The stream; ``Batch.inputs`` is float32 ``(N, D)``, or a tuple of such where there are several views.
    """
    checks.same_length(vectors=vectors.labels, **dict(extra or {}))
    labels, labelled = torch.from_numpy(vectors.labels).to(device), bool((vectors.labels >= 0).all())
    stored = {name: values.to(device) for name, values in (extra or {}).items()}

    def fetch(index: Tensor, rows: np.ndarray, epoch: int, number: int) -> Batch:
        views = vectors.read(rows)
        views = list(to_device({str(i): view for i, view in enumerate(views)}, torch.device(device)).values())
        return Batch(
            inputs=tuple(views) if len(views) > 1 else views[0],
            labels=labels[index],
            index=index,
            extra={name: values[index] for name, values in stored.items()},
            labelled=labelled,
        )

    order = Order(
        n=len(vectors), batch_size=batch_size, shuffle=train, drop_last=drop_last is not False, seed=seed, rank=rank,
        world=world,
    )  # fmt: skip
    return RowStream(
        ids=vectors.ids, labels=vectors.labels, classes=vectors.classes, columns=vectors.columns, order=order,
        device=device, fetch=fetch, split=split,
    )  # fmt: skip
