"""The search as a Python call: ``modelheir.search``."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from modelheir.assemble.searching.search import Search, search_settings
from modelheir.checks import unknown
from modelheir.config.keywords import call_text, read_keywords
from modelheir.config.mapping import read_yaml
from modelheir.config.search import read_space
from modelheir.methods import METHODS

__all__ = ["search"]


def search(
    name: str,
    /,
    space: Mapping[str, Any] | Path | str,
    *,
    trials: int | None = None,
    strategy: str = "tpe",
    config: Path | str | None = None,
    epochs: int | None = None,
    **settings: Any,
) -> Search:
    """Search settings of a method by what the selection split says; called again with the same, it goes on.

    Args:
        name: A key of ``modelheir.methods.METHODS``.
        space: Setting -> list of values, or ``{"low": 1e-4, "high": 1e-2, "log": True}``; or a YAML file of that.
        trials: Trainings in all, ``>= 1``; the first is with the settings as given.
        strategy: ``tpe`` or ``random``, of the extra ``search``; or ``greedy``, one setting after another.
        config: A YAML file of settings; ``settings`` win over it.
        epochs: Short for the setting ``fit.epochs``.
        **settings: As for :func:`modelheir.train`; ``out`` is the search's folder.

    Returns:
        ``found.best.changes`` and ``found.best.value``, all ``found.trials``, and ``found.settings``, a file for
        :func:`modelheir.train`.

    Raises:
        InputError: If a setting is unknown or not allowed, or the folder holds something else.
    """
    if name not in METHODS:
        raise unknown("method", name, METHODS)
    method = METHODS[name]
    settings = {method.flags.get(key, key): value for key, value in settings.items()}
    usual = {"out": f"runs/search_{name}", **method.defaults}
    of_run, own = read_keywords(name, method.config, settings, usual=usual, file=config, epochs=epochs)
    file = "" if isinstance(space, Mapping) else str(space)
    tried = read_yaml(file) if isinstance(space, Path | str) else space
    wanted = read_space(tried, of_run, own, shortcuts={"epochs": "fit.epochs", **method.flags}, source=file)
    typed = {"trials": trials, "strategy": strategy, "config": config and str(config), "epochs": epochs}
    call = call_text("search", name, tried, **{key: one for key, one in typed.items() if one is not None}, **settings)
    return search_settings(name, of_run, own, wanted, trials=trials, strategy=strategy, command=[call])
