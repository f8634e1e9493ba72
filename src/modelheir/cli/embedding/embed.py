"""Let frozen encoders see every image of a data set once, and keep what they say: views to learn from few labels."""

from __future__ import annotations

import dataclasses
import shlex
from pathlib import Path

from modelheir import assemble
from modelheir.assemble import EmbedConfig, Embedded
from modelheir.checks import InputError, one_of
from modelheir.cli.settings import parse
from modelheir.cli.spec import Spec
from modelheir.embeddings import verify_view, view_folders
from modelheir.models.encoders import ENCODERS
from modelheir.screen import paragraph, say, show_table, speaks
from modelheir.shard import Shard, parse_shard

__all__ = ["SPEC", "EmbedCommand", "LookConfig", "main"]


@dataclasses.dataclass(frozen=True)
class EmbedCommand(EmbedConfig):
    """Settings of ``embed``, and what the command line alone knows."""

    list: bool = False  #: print the documented encoders, and do nothing else


@dataclasses.dataclass(frozen=True)
class LookConfig:
    """Settings of ``embed verify``: none."""


SPEC = Spec(
    command="embed",
    about=(
        "Compute views of a data set: each frozen encoder sees every image of every split once, without augmentation,\n"
        "and its vectors are kept in a folder of their own, by sample id. Training then reads vectors, not images:\n\n"
        "  modelheir embed --data folder:photos --encoder encoder:dinov2 pkg:efficientnet_lite0 --out views\n"
        "  modelheir embed verify views     compare every file with its checksum\n"
        "  modelheir embed --list           the documented encoders, with widths, sizes and normalisations\n\n"
        "Without downloads: --encoder pixels:left pixels:right are the halves of the images themselves.\n"
        "Images are shown in the size that an encoder wants, or in that of --inputs.image_size.\n\n"
        "Run again, the same command goes on where it stopped. On several machines: the same command with\n"
        "--shard 1/16, --shard 2/16, ... in any order, into one --out. A folder that holds a view of another encoder,\n"
        "of other data or of images prepared otherwise is refused."
    ),
    configs={"": EmbedCommand},
    shortcuts={"output": "out"},
    epilog="docs/embeddings.md describes the files, which NumPy and pyarrow read.",
)


def main(argv: list[str]) -> int:
    """Compute views, or do what the first word says."""
    if argv and not argv[0].startswith("-"):
        action, *rest = argv
        one_of(["verify"], action=action)
        (place,) = parse(
            Spec("embed verify", "Compare views with their checksums.", {"": LookConfig}, "DIR"), rest
        ).words
        return _verify(Path(place))
    config = parse(SPEC, argv).configs[""]
    if config.list:
        _list()
        return 0
    _show(assemble.embed(config), parse_shard(config.shard).of, config.data)
    return 0


def _show(found: tuple[Embedded, ...], parts: int, data: str) -> None:
    """Print a row a view, and which of so many parts are still to be computed, or what views of ``data`` are for."""
    if not speaks():
        return
    rows = [
        [
            one.facts.encoder["address"],
            f"{one.facts.count:,}",
            f"{one.facts.width:,}",
            f"{one.facts.preprocessing['encoder']['crop']}",
            one.facts.dtype,
            f"{one.facts.shards - len(one.missing):,} of {one.facts.shards:,}",
            f"{_megabytes(one.folder):,.1f} MB",
            str(one.folder),
        ]
        for one in found
    ]
    columns = ["encoder", "images", "numbers each", "pixels a side", "stored as ", "files written", "size", "folder "]
    show_table("", columns, rows)
    left = [
        part
        for part in (Shard(number, parts) for number in range(1, parts + 1))
        if any(set(part.rows(one.facts.shards)) & set(one.missing) for one in found)
    ]
    if left:
        some = ", ".join(map(str, left[:10])) + (", ..." if left[10:] else "")
        say(f"Not computed yet: run the same command with --shard {some}")
        return
    if not any(one.computed for one in found):
        say("All was computed before; nothing was written.")
    if len(found) > 1:
        words = ["modelheir", "train", "cotrain", "--data", data, "--labels", "5 per class", "--views"]
        say(f"Next: {shlex.join([*words, *(str(one.folder) for one in found)])}")


def _list() -> None:
    """Print the documented encoders, and what is done otherwise than in the older code."""
    rows = [
        [
            f"encoder:{name}",
            row.family,
            f"{row.width:,}",
            f"{row.crop} of {row.resize}",
            *(" ".join(f"{value:.3f}" for value in values) for values in row.normalisation),
            f"{row.id} ({row.library})",
        ]
        for name, row in ENCODERS.items()
    ]
    columns = ["--encoder", "called ", "numbers each", "pixels a side", "mean", "deviation", "weights (library) "]
    show_table("", columns, rows)
    say(*(paragraph(row.read, first=f"{name}: ", rest="  ") for name, row in ENCODERS.items()))
    say(
        "",
        "Weights of (file) must be given: encoder:NAME:PATH. Besides these, any timm:NAME, tv:NAME, pkg:NAME, hf:NAME,",
    )
    say("open_clip:NAME/WEIGHTS, run:DIR or file:PATH is an encoder, and so are pixels:left and pixels:right.")


def _megabytes(folder: Path) -> float:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file()) / 1e6


def _verify(folder: Path) -> int:
    """Print the state of every view; name the files that are not whole."""
    bad, rows = [], []
    for view in view_folders(folder):
        found = verify_view(view)
        wrong = {name: said for name, said in found.items() if said}
        bad += [str(view / name) for name in wrong]
        rows += [
            [str(view), "all" if not wrong else name, said or "whole"] for name, said in (wrong or {"": ""}).items()
        ]
    show_table("", ["view", "file ", "state "], rows)
    if bad:
        raise InputError(f"{folder}: {len(bad)} files are not whole: {', '.join(bad[:5])}{', ...' if bad[5:] else ''}.")
    say(f"All files of {len(rows)} view{'s' if len(rows) > 1 else ''} are whole.")
    return 0
