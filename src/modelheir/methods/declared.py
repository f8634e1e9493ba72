"""What a method's own settings name besides ``--data`` and ``--old``: further data and further models.

A method says which settings these are; ``assemble`` opens them, notes what they hold, and hands them on
(``Given.sources``, ``Given.models``). Imports no torch.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any, Literal

__all__ = ["ModelUse", "PilotUse", "SourceUse"]


@dataclasses.dataclass(frozen=True)
class PilotUse:
    """What ``--pilot`` trains in small: the method as it is asked for, and the same student without its teacher."""

    settings: Any  #: of the method, without stages that read no teacher
    method: str  #: of the student without a teacher, a name of the table of methods
    own: Mapping[str, Any]  #: settings of that method
    pool: str  #: setting that names images without labels
    target_epochs: int  #: passes over the labelled images alone, after ``fit.epochs`` over all


@dataclasses.dataclass(frozen=True)
class SourceUse:
    """Further data: the value of one setting, and what it is for."""

    address: str  #: such as ``folder:photos``; "" where the setting is not given, and then nothing is handed on
    labelled: bool = True
    #: true: splits as of ``--data``, labels in the run's class numbers (-1 where the run lacks the class); false: all
    #: training images as one split ``unlabelled``, whose labels and classes nobody sees
    flag: str = ""  #: how the user gives it; "" is --method.NAME


@dataclasses.dataclass(frozen=True)
class ModelUse:
    """Further models: the value of one setting, and what it is for."""

    addresses: tuple[str, ...]  #: run:DIR, file:PATH, or files of predictions; () or "" where the setting is not given
    teaches: bool = False  #: refused where it is no better than chance on the selection split, as ``--old`` is
    classes: Literal["shared", "same", "any"] = "shared"
    #: shared: at least one class of the data's, matched as those of ``--old``; same: the data's list; any: not asked
    flag: str = ""  #: how the user gives them; "" is --method.NAME
