"""A stream over tensors in memory: embeddings, toy data, or several views of the same samples."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence

import numpy as np
import torch
from torch import Tensor

from modelheir import checks
from modelheir.data.streams.order import Order
from modelheir.data.transforms.transfer import to_device
from modelheir.types import Batch

__all__ = ["RowStream", "tensor_stream"]


class RowStream:
    """A stream whose batches are made from row numbers that are already on the device.

    The rows of a whole epoch travel to the device in one copy, so a batch costs no transfer and no host wait.
    """

    def __init__(
        self,
        *,
        ids: np.ndarray,
        labels: np.ndarray,
        classes: Sequence[str],
        columns: Mapping[str, np.ndarray],
        order: Order,
        device: torch.device | str,
        fetch: Callable[[Tensor, np.ndarray, int, int], Batch],
        split: str = "",
    ) -> None:
        """Keep what describes the split; ``fetch(index, rows, epoch, number)`` makes one batch."""
        self.split = split
        self.ids, self.labels, self.classes = ids, labels, tuple(classes)
        self.columns: Mapping[str, np.ndarray] = dict(columns)
        self.order, self.device, self._fetch = order, torch.device(device), fetch

    def __len__(self) -> int:
        return len(self.order)

    def epoch(self, epoch: int, start: int = 0) -> Iterator[Batch]:
        """Yield this process's batches of epoch ``epoch`` from batch ``start`` on."""
        batches = list(self.order.batches(epoch, start))
        if not batches:
            return
        everything = to_device({"index": np.concatenate([rows for _, rows in batches])}, self.device)["index"]
        for (number, rows), index in zip(batches, everything.split([len(rows) for _, rows in batches]), strict=True):
            yield self._fetch(index, rows, epoch, number)


def tensor_stream(
    x: Tensor | tuple[Tensor, ...],
    y: Tensor | np.ndarray | Sequence[int],
    *,
    batch_size: int,
    train: bool,
    seed: int,
    device: torch.device | str = "cpu",
    drop_last: bool | None = None,
    split: str = "",
    rank: int = 0,
    world: int = 1,
    ids: Sequence[str] | None = None,
    classes: Sequence[str] | None = None,
    columns: Mapping[str, np.ndarray] | None = None,
    extra: Mapping[str, Tensor] | None = None,
) -> RowStream:
    """Make a :class:`modelheir.types.Stream` over tensors that fit in memory.

    Args:
        x: Inputs, first dimension ``N``; or a tuple of such, one a view. Moved to ``device`` once.
        y: Labels, ``(N,)`` integers; -1 is unlabelled.
        batch_size: Samples a batch over all processes.
        train: Shuffle and leave out the last incomplete batch; otherwise every sample once, in order.
        seed: Of the order.
        drop_last: Leave out the last incomplete batch of shuffled samples; ``None``: as ``train`` says.
        split: Name of the split.
        device: Where batches live.
        rank: This process, from 0.
        world: Number of processes.
        ids: Sample ids; ``"0", "1", ...`` where absent.
        classes: Class names; ``"0" ... "C-1"`` where absent.
        columns: Further values a sample, for slices.
        extra: Stored values a sample, first dimension ``N``; each batch carries its rows in ``Batch.extra``.

    Returns:
        The stream.

    Raises:
        ValueError: If lengths differ or a setting is out of range.

    Example:
        >>> stream = tensor_stream(torch.zeros(5, 3), [0, 1, 0, 1, 0], batch_size=2, train=False, seed=0)
        >>> [batch.labels.tolist() for batch in stream.epoch(0)]
        [[0, 1], [0, 1], [0]]
    """
    labels = torch.as_tensor(y, dtype=torch.int64)
    views = x if isinstance(x, tuple) else (x,)
    checks.same_length(labels=labels, **{f"x[{i}]": view for i, view in enumerate(views)}, **dict(extra or {}))
    n = int(labels.shape[0])
    host = labels.cpu().numpy()
    labelled = bool((host >= 0).all())
    names = tuple(classes) if classes is not None else tuple(str(i) for i in range(int(host.max()) + 1))
    checks.in_range(-1, len(names) - 1, smallest_label=int(host.min()), largest_label=int(host.max()))
    sample_ids = np.asarray([str(i) for i in range(n)] if ids is None else list(ids), dtype=str)
    checks.same_length(ids=sample_ids, labels=labels)
    views = tuple(view.to(device) for view in views)
    labels = labels.to(device)
    stored = {name: values.to(device) for name, values in (extra or {}).items()}

    def fetch(index: Tensor, rows: np.ndarray, epoch: int, number: int) -> Batch:
        parts = tuple(view[index] for view in views)
        return Batch(
            inputs=parts if isinstance(x, tuple) else parts[0],
            labels=labels[index],
            index=index,
            extra={name: values[index] for name, values in stored.items()},
            labelled=labelled,
        )

    return RowStream(
        ids=sample_ids,
        labels=host,
        classes=names,
        columns=columns or {},
        order=Order(
            n=n,
            batch_size=batch_size,
            shuffle=train,
            drop_last=drop_last is not False,
            seed=seed,
            rank=rank,
            world=world,
        ),
        split=split,
        device=device,
        fetch=fetch,
    )
