"""Settings given as keywords of a Python call: unknown ones refused, those of the run parted from the method's."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from modelheir.checks import InputError
from modelheir.config import describe
from modelheir.config.nearest import nearest_setting
from modelheir.config.run import TrainConfig

__all__ = ["check_keywords", "part_keywords"]


def check_keywords(given: Mapping[str, Any], name: str, own: type[Any]) -> None:
    """Require that the first part of every given name is known; what is inside groups is checked where it is read."""
    known = [
        one.key for prefix, config in (("", TrainConfig), ("method", own)) for one in describe.settings(config, prefix)
    ]
    groups = {key.partition(".")[0] for key in known} | {"method", "train"}
    for key in given:
        if key.partition(".")[0] not in groups:
            near = nearest_setting(key, known, ["config", "epochs"])
            hint = f" Did you mean {near!r}?" if near else ""
            raise InputError(f"unknown setting {key!r}.{hint} `modelheir train {name} --help` lists all.")


def part_keywords(settings: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """Part the settings of the run from those of the method."""
    own = dict(settings.get("method") or {})
    own |= {key.removeprefix("method."): value for key, value in settings.items() if key.startswith("method.")}
    others = {k: v for k, v in settings.items() if k not in ("method", "train") and not k.startswith("method.")}
    return others, own
