"""Search settings of a method: trials on the selection split, a table of them, and the best as a settings file."""

from __future__ import annotations

import dataclasses
import shlex
import sys
from collections.abc import Collection, Iterable, Sequence
from typing import TYPE_CHECKING, Any

from modelheir import assemble
from modelheir.assemble.searching.encoding import embed_first
from modelheir.assemble.searching.strategies import in_words
from modelheir.checks import InputError, unknown
from modelheir.cli.settings import parse
from modelheir.cli.spec import Spec, flag_name
from modelheir.cli.train import spec_of
from modelheir.config.describe import settings
from modelheir.config.mapping import plain_type, read_yaml
from modelheir.config.run import TrainConfig
from modelheir.config.search import SearchConfig, Space, read_space
from modelheir.methods import METHODS, Method
from modelheir.screen import percent, say, show_table

if TYPE_CHECKING:
    from modelheir.assemble import Search
    from modelheir.assemble.searching.trial import Trial

__all__ = ["main", "search_spec"]

_OWN = tuple(field.name for field in dataclasses.fields(SearchConfig))


def search_spec(method: Method) -> Spec:
    """Return what ``search METHOD`` understands beside ``--search.SETTING VALUE ...``."""
    usual = spec_of(method)
    return dataclasses.replace(
        usual,
        command=f"search {method.name}",
        about=f"Try settings of `train {method.name}`: --search.SETTING VALUE VALUE ..., or --space FILE.",
        configs={"": usual.configs[""], "method": usual.configs["method"], "search": SearchConfig},
        defaults={**usual.defaults, "out": f"runs/search_{method.name}"},
        shortcuts={
            **{flag: key for flag, key in usual.shortcuts.items() if flag != "pilot"},
            **{name: f"search.{name}" for name in _OWN},
        },
        prints=False,
        epilog="Run again, it goes on: finished trials are not trained again, and a larger --trials adds some.",
    )


def main(argv: list[str]) -> int:
    """Search, then print the trials, the best settings and the command that trains by them."""
    method, rest = _method(argv)
    rest, said = _parted(rest, _texts(method))
    found = parse(search_spec(method), rest)
    config, own, about = (found.configs[name] for name in ("", "method", "search"))
    written = read_yaml(about.space) if about.space else {}
    flags = {"epochs": "fit.epochs", **method.flags}
    for given, source in ((written, about.space), (said, "")):
        if given or not (written or said):
            read_space(given, config, own, shortcuts=flags, source=source)  # so that messages name the file
    space = read_space({**written, **said}, config, own, shortcuts=flags)
    if not config.quiet:
        _tell_plan(about.strategy, space, config, own)
    done = assemble.search_settings(
        method.name,
        config,
        own,
        space,
        trials=about.trials,
        strategy=about.strategy,
        command=["modelheir", "search", *argv],
        helpers=[[sys.executable, "-m", "modelheir.cli", "search", *argv, "--workers", "1"]] * (about.workers - 1),
        watch=None if config.quiet else _tell,
    )
    _show(done, space)
    return 0


def _method(argv: Sequence[str]) -> tuple[Method, list[str]]:
    if not argv or argv[0].startswith("-"):
        if {"--help", "-h"} & set(argv):
            say(
                "usage: modelheir search METHOD [--setting value ...] --search.SETTING VALUE VALUE ... --trials N",
                "",
                f"METHOD is one of {', '.join(METHODS)}; `modelheir search METHOD --help` lists the settings.",
            )
            raise SystemExit(0)
        raise InputError(f"METHOD is missing: modelheir search METHOD ... Known: {', '.join(METHODS)}.")
    if argv[0] not in METHODS:
        raise unknown("method", argv[0], METHODS)
    return METHODS[argv[0]], list(argv[1:])


def _texts(method: Method) -> set[str]:
    """Return the settings that hold text, by every name: ``0.01`` is text there, such as a share of labels."""
    known = [*settings(TrainConfig), *settings(method.config, "method")]
    texts = {one.key for one in known if plain_type(one.type) is str}
    return texts | {flag for flag, key in method.flags.items() if key in texts}


def _parted(argv: Sequence[str], texts: Collection[str] = ()) -> tuple[list[str], dict[str, Any]]:
    """Part ``--search.SETTING VALUE ...`` from the other words; each value is read as YAML, but for ``texts``.

    >>> _parted(["--epochs", "2", "--search.fit.lr", "0.1", "0.01", "--trials", "3"])
    (['--epochs', '2', '--trials', '3'], {'fit.lr': [0.1, 0.01]})
    """
    import yaml

    others: list[str] = []
    space: dict[str, Any] = {}
    rest = list(argv)
    while rest:
        word = rest.pop(0)
        flag, equals, value = word.partition("=")
        key = flag_name(flag)
        if not flag.startswith("--search.") or key.removeprefix("search.") in _OWN:
            others.append(word)
            continue
        values = [value] if equals else []
        while not equals and rest and not rest[0].startswith("--"):
            values.append(rest.pop(0))
        if not values:
            raise InputError(f"{flag} needs values to try.")
        try:
            read = values if key.removeprefix("search.") in texts else [yaml.safe_load(one) for one in values]
        except yaml.YAMLError as error:
            raise InputError(f"{flag} {' '.join(values)}: not values as YAML writes them.") from error
        space[key.removeprefix("search.")] = read[0] if len(read) == 1 and isinstance(read[0], dict) else read
    return others, space


def _tell_plan(strategy: str, space: Space, config: TrainConfig, own: Any) -> None:
    """Say what is going to be tried, and what would cost less otherwise."""
    if words := in_words(strategy, space, config.fit.epochs):
        say(words, error=True)
    if command := embed_first(space, own, config.data):
        say(
            f"every trial runs its encoders anew over all images. To run each once: {command}, and give the folders in "
            "views/ in place of the encoders.",
            error=True,
        )


def _tell(what: str, trial: Trial) -> None:
    if what == "begins":
        said = _words(trial) or "as given"
    elif what == "awaited":
        said = "waiting for the process that trains it; nothing else can be tried meanwhile"
    else:
        said = percent(trial.value) if trial.value is not None else f"failed: {trial.reason}"
    say(f"trial {trial.number}: {said}", error=True)


def _words(trial: Trial) -> str:
    return ", ".join(f"{key} = {_text(value)}" for key, value in trial.changes.items())


def _text(value: Any) -> str:
    if isinstance(value, tuple):
        return "[" + ", ".join(map(_text, value)) + "]"
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def _show(found: Search, tried: Iterable[str]) -> None:
    keys = list(dict.fromkeys([*tried, *(key for trial in found.trials for key in trial.changes)]))
    rows = [
        [
            str(trial.number),
            *(_text(trial.changes[key]) if key in trial.changes else "as given" for key in keys),
            percent(trial.value),
            f"{trial.seconds:.0f}",
            "best" if trial is found.best else "" if trial.state == "finished" else trial.state,
        ]
        for trial in found.trials
    ]
    show_table("Trials, by accuracy on the selection split", ["trial", *keys, "accuracy", "seconds", " "], rows)
    first = found.trials[0]
    gained = ""
    if not first.changes and found.best is not first and first.value is not None and found.best.value is not None:
        gained = f", {100 * (found.best.value - first.value):+.2f} points over the settings as given"
    say(
        f"Best: trial {found.best.number} ({_words(found.best) or 'as given'}), {percent(found.best.value)}{gained}. "
        "The best of many trials looks better than it is: judge it on the reporting split, with new seeds.",
    )
    if found.complete:
        say("Nothing is left to try.")
    failed = [trial for trial in found.trials if trial.state == "failed"]
    if failed:
        say(f"{len(failed)} of {len(found.trials)} trials failed; the first, {failed[0].number}: {failed[0].reason}")
    say(f"Settings: {found.settings}", f"Next: {shlex.join(['modelheir', 'train', '--config', str(found.settings)])}")
