"""Settings given as keywords of a Python call: unknown ones refused, those of the run parted from the method's."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from modelheir.checks import InputError
from modelheir.config import describe
from modelheir.config.mapping import flatten, from_mapping, read_yaml
from modelheir.config.nearest import nearest_setting
from modelheir.config.run import TrainConfig

__all__ = ["call_text", "check_keywords", "part_keywords", "read_keywords"]


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


def read_keywords(
    name: str,
    own: type[Any],
    given: Mapping[str, Any],
    *,
    usual: Mapping[str, Any],
    file: Path | str | None,
    epochs: int | None = None,
) -> tuple[TrainConfig, Any]:
    """Return the settings of a run and of its method.

    Args:
        name: The method, for messages.
        own: Its dataclass of settings.
        given: What the call gives; wins over the file.
        usual: Defaults of the command and the method; the file wins over them.
        file: A YAML file of settings, if there is one.
        epochs: Short for ``fit.epochs``; wins over all.

    Raises:
        InputError: If a setting is unknown or not allowed.
    """
    shared: dict[str, Any] = {}
    of_method: dict[str, Any] = {}
    check_keywords(given, name, own)
    for source, one in (("", usual), (str(file), read_yaml(file) if file else {}), ("", given)):
        for_run, for_method = part_keywords(one)
        shared |= flatten(TrainConfig, for_run, source=source)
        of_method |= flatten(own, for_method, where="method", source=source)
    if epochs is not None:
        shared["fit.epochs"] = epochs
    of_method = {key.removeprefix("method."): value for key, value in of_method.items()}
    return from_mapping(TrainConfig, shared), from_mapping(own, of_method, where="method")


def part_keywords(settings: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """Part the settings of the run from those of the method."""
    own = dict(settings.get("method") or {})
    own |= {key.removeprefix("method."): value for key, value in settings.items() if key.startswith("method.")}
    others = {k: v for k, v in settings.items() if k not in ("method", "train") and not k.startswith("method.")}
    return others, own


def call_text(function: str, *values: Any, **named: Any) -> str:
    """Write a call of this library as it is typed."""
    dotted = {key: value for key, value in named.items() if not key.isidentifier()}
    words = [repr(value) for value in values]
    words += [f"{key}={value!r}" for key, value in named.items() if key not in dotted]
    return f"modelheir.{function}({', '.join([*words, *([f'**{dotted!r}'] if dotted else [])])})"
