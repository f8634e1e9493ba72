"""What was meant by a setting that does not exist: another program's word for it, or a near spelling."""

from __future__ import annotations

import difflib
from collections.abc import Iterable

__all__ = ["nearest_setting"]

#: what other programs call a setting -> the last part of its name here
_OTHER_WORDS = {
    "learning_rate": "lr",
    "batch": "batch_size",
    "bs": "batch_size",
    "wd": "weight_decay",
    "opt": "optimizer",
    "scheduler": "schedule",
    "num_epochs": "epochs",
    "num_workers": "workers",
    "warmup": "warmup_epochs",
    "amp": "precision",
    "arch": "model",
    "teacher": "old",
    "dataset": "data",
    "output": "out",
    "output_dir": "out",
    "img_size": "image_size",
}


def nearest_setting(key: str, known: Iterable[str], others: Iterable[str] = ()) -> str:
    """Return what was meant by an unknown setting, or an empty string.

    The same last name elsewhere, another program's word for it, or a near spelling.

    Args:
        key: The unknown setting.
        known: Dotted settings.
        others: Further words that are understood, such as short flags.
    """
    names = [*known]
    ends = {name.rpartition(".")[2]: name for name in reversed(names)}
    end = key.rpartition(".")[2]
    spoken = difflib.get_close_matches(end, _OTHER_WORDS, n=1, cutoff=0.8)
    if end not in ends and spoken:
        end = spoken[0] if spoken[0] in ends else _OTHER_WORDS[spoken[0]]
    if end in ends:
        return ends[end]
    near = difflib.get_close_matches(key, [*names, *others], n=1)
    return next(iter(near or [ends[close] for close in difflib.get_close_matches(end, ends, n=1)]), "")
