"""Train the next version by a method of the table; the same command again resumes."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from modelheir import assemble
from modelheir.checks import InputError, unknown
from modelheir.cli.next_step import NEXT_METHOD, next_compare, next_report, next_train
from modelheir.cli.piloting.forecast_text import show_pilot
from modelheir.cli.settings import Parsed, parse
from modelheir.cli.spec import Spec
from modelheir.config.describe import settings
from modelheir.config.fit import SnapshotConfig
from modelheir.config.mapping import read_yaml, to_mapping
from modelheir.config.pilot import PilotConfig, seconds_of
from modelheir.config.run import TrainConfig
from modelheir.methods import METHODS, Method
from modelheir.runs.files import read_json
from modelheir.runs.folder import RunFolder
from modelheir.screen import paragraph, say, show_result, speaks

if TYPE_CHECKING:
    from modelheir.data import ImageSet

__all__ = ["main", "parse_train", "settings_text", "spec_of"]

_CALLED = {"every_epochs": "every", "start_epoch": "from_epoch"}  #: settings of snapshots, and their short flags
_SNAPSHOTS = {
    f"snapshots.{_CALLED.get(field.name, field.name)}": f"fit.snapshots.{field.name}"
    for field in dataclasses.fields(SnapshotConfig)
}


def spec_of(method: Method) -> Spec:
    """Return what ``train METHOD`` understands."""
    return Spec(
        command=f"train {method.name}",
        about=f"{method.summary}\n\nFor: {method.situation}",
        configs={"": TrainConfig, "method": method.config, **({"pilot": PilotConfig} if method.pilot else {})},
        words="",
        defaults={"out": f"runs/{method.name}", **method.defaults},
        shortcuts={
            "epochs": "fit.epochs",
            **_SNAPSHOTS,
            **method.flags,
            **({"pilot": "pilot.budget"} if method.pilot else {}),
        },
        ignored=("train",),
        prints=True,
        epilog=f"`modelheir explain {method.name}` says more. Run again with the same settings, it resumes.",
    )


def parse_train(argv: Sequence[str], methods: Mapping[str, Method] | None = None) -> tuple[str, TrainConfig, Any, bool]:
    """Read the words after ``train``.

    Args:
        argv: ``[METHOD] [--setting value ...]``; a settings file may name the method in its key ``train``.
        methods: The table; ``None`` takes the library's.

    Returns:
        Method name, its run settings, the method's own settings, and whether they are only to be printed.

    Raises:
        InputError: If the method or a setting is unknown, or a value is not allowed.
    """
    name, said = _parse(argv, METHODS if methods is None else methods)
    return name, said.configs[""], said.configs["method"], said.print_config


def _parse(argv: Sequence[str], methods: Mapping[str, Method]) -> tuple[str, Parsed]:
    rest = list(argv)
    if rest and not rest[0].startswith("-"):
        name = rest.pop(0)
        named = _named(rest)
        if named not in (None, name):
            raise InputError(f"the settings file is for `train {named}`, and the command says `train {name}`.")
    elif not rest or {"--help", "-h"} & set(rest):
        say(*_methods_help(methods).split("\n"))
        raise SystemExit(0 if rest else 2)
    else:
        found = _named(rest)
        if found is None:
            raise InputError(f"METHOD is missing: modelheir train METHOD ... Known: {', '.join(methods)}.")
        name = found
    if name not in methods:
        raise unknown("method", name, methods)
    return name, parse(spec_of(methods[name]), rest)


def _named(argv: Sequence[str]) -> str | None:
    """Return the method that the last settings file names, if one does."""
    files = [word.partition("=")[2] for word in argv if word.startswith("--config=")]
    files += [argv[i + 1] for i, word in enumerate(argv[:-1]) if word == "--config"]
    names = [read_yaml(path).get("train") for path in files]
    return next((str(name) for name in reversed(names) if name is not None), None)


def _methods_help(methods: Mapping[str, Method]) -> str:
    width = max(len(name) for name in methods)
    return "\n".join(
        [
            "usage: modelheir train METHOD [--setting value ...]",
            "",
            "Train the next version of a model; the same command again resumes.",
            "",
            *(
                paragraph(method.summary, first=f"  {name:<{width}}  ", rest=" " * (width + 4))
                for name, method in methods.items()
            ),
            "",
            "`modelheir train METHOD --help` lists a method's settings; `modelheir methods` helps to choose.",
        ]
    )


def settings_text(method: Method, config: TrainConfig, method_config: Any) -> str:
    """Write all settings as YAML with a comment beside each; ``--config`` reads it back to the same run."""
    tree = {**to_mapping(config), "method": to_mapping(method_config)}
    about = {one.key: one for one in (*settings(type(config)), *settings(type(method_config), "method"))}
    return "\n".join([f"train: {method.name}", *_lines(tree, about, "")]) + "\n"


def _lines(tree: Mapping[str, Any], about: Mapping[str, Any], where: str) -> list[str]:
    import yaml

    lines: list[str] = []
    indent = "  " * where.count(".")
    for name, value in tree.items():
        key = f"{where}{name}"
        if key not in about:  # a group
            inner = _lines(value, about, f"{key}.")
            lines += [f"{indent}{name}:", *inner] if inner else [f"{indent}{name}: {{}}"]
            continue
        text = yaml.safe_dump(value, default_flow_style=True, width=10**9, allow_unicode=True)
        text = text.removesuffix("\n").removesuffix("\n...")
        limit = f"; {about[key].limit}" if about[key].limit else ""
        note = f"{about[key].about}{limit}".removeprefix("; ")
        lines.append(f"{indent}{name}: {text}" + (f"  # {note}" if note else ""))
    return lines


def main(argv: list[str]) -> int:
    """Train, or forecast what training would gain; then say what came out and what to do next."""
    name, said = _parse(argv, METHODS)
    config, method_config, command = said.configs[""], said.configs["method"], ["modelheir", "train", *argv]
    if said.print_config:
        say(*settings_text(METHODS[name], config, method_config).removesuffix("\n").split("\n"))
        return 0
    budget = said.configs["pilot"].budget if "pilot" in said.configs else ""
    if budget:
        watch = None if config.quiet else lambda line: say(line, error=True)
        seconds = seconds_of(budget)
        found = assemble.pilot(name, config, method_config, seconds=seconds, command=command, watch=watch)
        show_pilot(found, command)
        return 0
    splits = dict[str, "ImageSet"]()
    path = assemble.train(name, config, method_config, command=command, opened=splits.update)
    uses = METHODS[name].models(method_config).values()
    taught = tuple(one for use in uses if use.teaches or use.classes == "same" for one in use.addresses if one)
    _show(Path(path), config, taught, splits.get("train"))
    return 0


def _show(path: Path, config: TrainConfig, teachers: tuple[str, ...], train: ImageSet | None) -> None:
    """Print the run's result and the next command."""
    if not speaks():
        return
    if not config.quiet:
        result = read_json(RunFolder(path).result)
        show_result(str(path), result)
        for row in result.values():
            if "note" in row:
                say(*str(row["note"]).split("\n"))
    say(f"Next: {_next(path, config, teachers, train)}")


def _next(path: Path, config: TrainConfig, teachers: tuple[str, ...], train: ImageSet | None) -> str:
    if config.old or teachers:  # with the first of its teachers, or with what its weights began from
        return next_compare(path, dataclasses.replace(config, old=config.old or teachers))
    folder = RunFolder(path)
    tried = [key for key in read_json(folder.result) if key.startswith(("algorithm/", "way/"))]
    if folder.without_model or tried:
        return next_report(path)  # it shows what was tried
    return next_train(path, config, parse_train([NEXT_METHOD])[1], train)
