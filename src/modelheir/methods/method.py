"""What a row of the METHODS table is."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from modelheir.config.run import TrainConfig
    from modelheir.methods.declared import ModelUse, PilotUse, SourceUse
    from modelheir.methods.given import Given
    from modelheir.plans import Plan

__all__ = ["Method"]


@dataclasses.dataclass(frozen=True)
class Method:
    """A way to train the next model."""

    name: str
    summary: str  #: one line, for people who choose
    situation: str  #: what one has and what one fears
    config: type[Any]  #: frozen dataclass of the method's own settings
    plan: Callable[[Any, Given], Plan]  #: settings and what is given to stages; reads no image
    accept: Callable[[Any, TrainConfig], None] = lambda config, run: None
    #: refuses settings, beside those of the run, that are wrong whatever data and models hold, before any is read
    needs_old: bool = False  #: whether ``--old`` must be given
    defaults: Mapping[str, Any] = dataclasses.field(default_factory=dict)  #: dotted setting -> this method's default
    sources: Callable[[Any], Mapping[str, SourceUse]] = lambda config: {}
    #: further data that the settings name, by the setting's name; a plan finds it opened in ``given.sources``
    models: Callable[[Any], Mapping[str, ModelUse]] = lambda config: {}
    #: further models that the settings name, by the setting's name; a plan finds them in ``given.models``
    start: Callable[[Any, Sequence[str]], str] = lambda config, old: ""
    #: settings and old models to the address of the weights that training begins from; "" where it is as built
    draws_head: Callable[[Any, Sequence[str]], bool] = lambda config, classes: False
    #: settings and those of the data's classes that these weights know, to whether the classifier is drawn anew on them
    flags: Mapping[str, str] = dataclasses.field(default_factory=dict)  #: short name -> dotted setting, as --teacher
    settle: Callable[[Any, Any], Any] = lambda config, run: config
    #: settings and those of the run (``TrainConfig``, with nothing left open) to settings with nothing left open
    pilot: Callable[[Any], PilotUse] | None = None
    #: settings with nothing left open to what small runs compare; ``None`` where there is no ``--pilot``
    paper: str = ""
    not_for: str = ""  #: when another method is the better choice
