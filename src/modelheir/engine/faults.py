"""The error for a number that stopped being finite: which step, which samples, what is left."""

from __future__ import annotations

import torch

from modelheir.checks import InputError
from modelheir.engine.state import Training

__all__ = ["NotFinite", "not_finite"]


class NotFinite(InputError):
    """A loss or a weight stopped being finite."""


def not_finite(training: Training, what: str, number: int) -> NotFinite:
    """Make the error for a value that is not finite at step ``number``; all processes give the same one.

    The samples named are the first stream's, of the processes whose own loss was bad; of all where none was.
    """
    assert training.stream is not None
    folder, length = training.folder, training.length
    epoch, position = divmod(number, length)
    index = next(training.stream.epoch(epoch, start=position)).index
    own = torch.full_like(index, training.tally.is_bad(position))
    rows = torch.stack([training.runtime.gather_rows(index), training.runtime.gather_rows(own)]).cpu()
    chosen = rows[0][rows[1] > 0] if rows[1].any() else rows[0]
    ids = [str(training.stream.ids[i]) for i in chosen.tolist()]
    kept = f"The last good state is kept in {folder.path}. " if folder.resume.is_file() else ""
    return NotFinite(
        f"stage {folder.name}: {what} is not finite at epoch {epoch + 1}, step {position + 1} of {length}, "
        f"batch of {len(ids)} samples: {', '.join(ids[:5])}{', ...' if len(ids) > 5 else ''}. "
        f"{kept}Lower fit.lr or set fit.clip_norm, and look at these samples."
    )
