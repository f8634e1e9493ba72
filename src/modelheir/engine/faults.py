"""The error for a number that stopped being finite: which step, which samples, what is left."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from modelheir.checks import InputError
from modelheir.engine.state import Training
from modelheir.types import Progress

__all__ = ["NotFinite", "begun", "fall_back", "not_finite"]


class NotFinite(InputError):
    """A loss or a weight stopped being finite; ``what`` says which one and where, in short."""

    def __init__(self, message: str, *, what: str = "") -> None:
        super().__init__(message)
        self.what = what


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
    where = f"{what} is not finite at epoch {epoch + 1}, step {position + 1} of {length}"
    return NotFinite(
        f"stage {folder.name}: {where}, "
        f"batch of {len(ids)} samples: {', '.join(ids[:5])}{', ...' if len(ids) > 5 else ''}. "
        f"{kept}Lower fit.lr or set fit.clip_norm, and look at these samples.",
        what=where,
    )


def begun(training: Training) -> dict[str, Tensor]:
    """Return copies of the weights a stage begins with, where it may have to fall back on them; else nothing."""
    return {key: value.clone() for key, value in training.kept().items()} if training.task.fallback else {}


def fall_back(training: Training, start: Mapping[str, Tensor], error: NotFinite, progress: Progress) -> dict[str, str]:
    """Let a stage keep its best weights so far, else those it began with; all processes do the same.

    Args:
        training: The stage, whose weights may be anything by now.
        start: What :func:`begun` returned.
        error: Why.
        progress: Is told.

    Returns:
        What happened, what is kept and the task's advice, as ``diverged``: it is kept with the stage's result.

    Raises:
        NotFinite: The error, if the task has no ``fallback``.
    """
    if not training.task.fallback:
        raise error
    kept = "its best weights so far" if training.chosen else "the weights it began with"
    training.chosen = training.chosen or dict(start)
    said = f"{error.what}, so {kept} are kept. {training.task.fallback}"
    progress.note(f"{training.folder.name}: {said}")
    return {"diverged": said}
