"""What large teachers say of the training images, kept on disk: write it, look at it, check it."""

from __future__ import annotations

import dataclasses
from pathlib import Path

from modelheir import assemble
from modelheir.assemble.caching.settings import CacheConfig
from modelheir.checks import InputError, one_of
from modelheir.cli.settings import parse
from modelheir.cli.spec import Spec
from modelheir.runs.teacher_cache.manifest import Manifest, read_manifest
from modelheir.runs.teacher_cache.reading import missing_shards, verify_cache
from modelheir.screen import say, show_table, speaks

__all__ = ["ACTIONS", "WRITE", "LookConfig", "main"]

#: what the command does -> how it is called, and what for
ACTIONS = {
    "write": (
        "write --teacher run:T --data D --out DIR",
        "run teachers over the training images and keep what they say",
    ),
    "inspect": ("inspect DIR", "say what a cache holds and which of its shards are there"),
    "verify": ("verify DIR", "read every file of a cache and compare it with its checksum"),
}

WRITE = Spec(
    command="cache write",
    about=(
        "Run teachers over the training images once, and keep the mean of what they say in a folder. Training then\n"
        "needs no teacher, and eight cost what one costs:\n\n"
        "  modelheir cache write --teacher run:A run:B --data folder:photos --unlabelled folder:pool --out teachers\n"
        "  modelheir train distill --teacher cache:teachers --data folder:photos --unlabelled folder:pool\n\n"
        "Each image is shown in --views augmented views, by the settings --inputs.*; training shows the same views in\n"
        "turn, one an epoch. More views come nearer to training with the teacher itself. --views 0 keeps one view,\n"
        "the centre, which overfits. For many classes, --top_k 10 stores ten of them a view.\n\n"
        "On several machines: the same command with --shard 1/16, --shard 2/16, ... in any order, into one folder. A\n"
        "shard that is written is left as it is, so the same command goes on where it stopped."
    ),
    configs={"": CacheConfig},
    shortcuts={"teacher_weights": "policy.weights"},
    epilog="docs/teacher_cache.md describes the files, which NumPy and pyarrow read.",
)


@dataclasses.dataclass(frozen=True)
class LookConfig:
    """Settings of ``cache inspect`` and ``cache verify``: none."""


def main(argv: list[str]) -> int:
    """Do what the first word says."""
    action, *rest = argv or [""]
    if action in ("-h", "--help", ""):
        say(*_help().split("\n"))
        return 0 if action else 2
    one_of(ACTIONS, action=action)
    if action == "write":
        return _write(rest)
    spec = Spec(f"cache {action}", f"{ACTIONS[action][1].capitalize()}.", {"": LookConfig}, words="DIR")
    (place,) = parse(spec, rest).words
    folder = Path(place.removeprefix("cache:"))
    return _inspect(folder) if action == "inspect" else _verify(folder)


def _help() -> str:
    width = max(len(call) for call, _ in ACTIONS.values())
    rows = [f"  {call:<{width}}  {what}" for call, what in ACTIONS.values()]
    return "\n".join(
        [
            "usage: modelheir cache write|inspect|verify ...",
            "",
            "Keep what large teachers say of the training images, so that training runs without them.",
            "",
            *rows,
            "",
            "Then: modelheir train distill --teacher cache:DIR. `modelheir cache write --help` says more.",
        ]
    )


def _write(argv: list[str]) -> int:
    config = parse(WRITE, argv).configs[""]
    folder = assemble.write_cache(config)
    if not speaks():
        return 0
    told = read_manifest(folder)
    if missing := missing_shards(folder, told):
        written = told.shards - len(missing)
        say(f"{written} of {told.shards} shards are written to {folder}; the next is --shard {missing[0]}")
    else:
        say(f"{_views(told)} of {told.images:,} images, {_size(folder)}, written to {folder}")
        say(f"Next: modelheir train distill --teacher cache:{folder} ... with the same --data and --unlabelled")
    return 0


def _inspect(folder: Path) -> int:
    told = read_manifest(folder)
    rows = [
        *(("teacher", f"{one['address']} ({one['weight']:.3g} of the mean)") for one in told.teachers),
        ("run as", ", ".join(f"{name} {value}" for name, value in told.policy.items())),
        ("images", f"{told.images:,}"),
        ("views", _views(told)),
        *((f"inputs.{name}", str(value)) for name, value in told.inputs.items()),
        ("classes", f"{len(told.classes):,}: {', '.join(told.classes[:5])}{', ...' if len(told.classes) > 5 else ''}"),
        ("stored", f"{f'the largest {told.top_k} classes' if told.top_k else 'all logits'}, {told.dtype}"),
        ("features", str(told.features or "none")),
        ("size", _size(folder)),
    ]
    missing = missing_shards(folder, told)
    lacking = f", missing: {', '.join(map(str, missing[:10]))}{', ...' if missing[10:] else ''}" if missing else ""
    rows.append(("shards", f"{told.shards - len(missing)} of {told.shards}{lacking}"))
    show_table(str(folder), ["", "cache "], [list(row) for row in rows])
    return 0


def _verify(folder: Path) -> int:
    found = verify_cache(folder)
    show_table(str(folder), ["shard", "state "], [[str(shard), wrong or "whole"] for shard, wrong in found.items()])
    bad = [str(shard) for shard, wrong in found.items() if wrong]
    if bad:
        raise InputError(f"{folder}: {len(bad)} of {len(found)} shards are not whole: {', '.join(bad[:10])}.")
    say(f"All {len(found)} shards are whole.")
    return 0


def _views(told: Manifest) -> str:
    return f"{told.views} augmented views" if told.kind == "crops" else "the view of the centre"


def _size(folder: Path) -> str:
    return f"{sum(path.stat().st_size for path in folder.iterdir() if path.is_file()) / 1e6:,.1f} MB"
