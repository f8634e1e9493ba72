"""Compute views: every image of a data set, seen once by frozen encoders, and kept by sample id."""

from __future__ import annotations

import contextlib
import dataclasses
import hashlib
import re
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from modelheir import inference
from modelheir.address import parse_encoder
from modelheir.assemble.destination import check_not_data
from modelheir.assemble.embedding.computing import Work, are_squares, compute
from modelheir.assemble.embedding.seen import Seen, load, open_images, prepares_itself, shown, view_facts
from modelheir.assemble.embedding.settings import EmbedConfig
from modelheir.checks import InputError, validate
from modelheir.embeddings import Rows, ViewFacts, accept_facts, is_finished, write_facts
from modelheir.embeddings.facts import NAME
from modelheir.embeddings.rows import write_rows
from modelheir.embeddings.stored import missing_shards
from modelheir.engine.progress import make_progress
from modelheir.extras import need_train
from modelheir.runs import owner_of
from modelheir.runs.lock import locked
from modelheir.shard import Shard, parse_shard

if TYPE_CHECKING:
    from modelheir.config.inputs import InputConfig
    from modelheir.inference import Runtime

__all__ = ["Embedded", "embed", "view_name"]

_LONGEST = 80  #: letters of a folder's name


@dataclasses.dataclass(frozen=True)
class Embedded:
    """A view, as far as it is computed."""

    folder: Path
    facts: ViewFacts
    computed: int  #: shards that this call wrote
    missing: tuple[int, ...]  #: shards that are not written yet


def embed(config: EmbedConfig) -> tuple[Embedded, ...]:
    """Compute the views of a data set, or one part of them; shards that are written already are left as they are.

    Returns:
        One a view, in the order of the encoders.

    Raises:
        InputError: If something the user gave does not fit, or a folder holds another view; before anything is written.
    """
    validate(config)
    config.accept()
    need_train("running an encoder")
    runtime, shard = inference.Runtime(config.device), parse_shard(config.shard)
    folders = _folders(config)
    runtime.by_main(lambda: _check_places(config, folders))
    seen = open_images(config)
    works = [_work(address, folder, seen, config, runtime) for address, folder in folders.items()]
    files = works[0].facts.shards
    if shard.of > files:
        raise InputError(
            f"shard = {str(shard)!r}: {len(seen.images):,} images make {files} file{'s' if files > 1 else ''} of "
            f"{config.shard_images:,}: give fewer parts, or a smaller --shard_images."
        )
    for work in works:
        if (work.folder / NAME).is_file():
            accept_facts(work.folder, work.facts)
    with contextlib.ExitStack() as held, make_progress(quiet=config.quiet or not runtime.main) as progress:
        for work in works:
            runtime.by_main(lambda work=work: _begin(held, work, shard, seen.rows))
        for group in _alike(works):
            compute(group, seen.images, batch_size=config.batch_size, runtime=runtime, progress=progress)
        runtime.wait()
    return tuple(
        Embedded(work.folder, work.facts, len(work.todo), tuple(missing_shards(work.folder, work.facts)))
        for work in works
    )


def view_name(address: str) -> str:
    """Return the name of an encoder's folder; a long address is cut, and a digest tells it from others.

    >>> view_name("timm:vit_small_patch14_dinov2.lvd142m"), view_name("run:runs/v1")
    ('timm-vit_small_patch14_dinov2.lvd142m', 'run-runs-v1')
    """
    name = re.sub(r"[^A-Za-z0-9._]+", "-", address).strip("-.") or "view"
    return name if len(name) <= _LONGEST else f"{name[:_LONGEST]}-{hashlib.sha256(address.encode()).hexdigest()[:8]}"


def _folders(config: EmbedConfig) -> dict[str, Path]:
    found = {address: Path(config.out) / view_name(address) for address in config.encoder}
    for address, folder in found.items():
        if others := [one for one, there in found.items() if there == folder and one != address]:
            raise InputError(
                f"--encoder {address} and {others[0]} would share the folder {folder}: give each an --out."
            )
    return found


def _check_places(config: EmbedConfig, folders: Mapping[str, Path]) -> None:
    """Refuse folders that hold something else than views, or that lie in data or in a run."""
    out = Path(config.out)
    check_not_data(out, config.data)
    if out.exists() and not out.is_dir():
        raise InputError(f"--out {out} is a file: give a folder.")
    for address in folders:
        place = parse_encoder(address)
        if place.kind in ("run", "file") and out.resolve().is_relative_to(place.path.resolve()):
            raise InputError(f"--out {out} lies in the model {address}: choose a folder outside it.")
    for folder in folders.values():
        if (run := owner_of(folder)) is not None:
            raise InputError(f"--out {out} is for the files of the run in {run}: choose another folder.")
        if folder.exists() and not (folder / NAME).is_file() and (not folder.is_dir() or any(folder.iterdir())):
            raise InputError(f"{folder} holds other files and no view: give another --out.")


def _work(address: str, folder: Path, seen: Seen, config: EmbedConfig, runtime: Runtime) -> Work:
    """Load an encoder and say what is to be done for its view, by this process."""
    encoder = load(address, config, seen.images)
    inputs = shown(encoder, config, seen.images)
    precision = config.precision
    if precision == "auto":
        precision = "fp16" if runtime.device.type == "cuda" else "fp32"
    facts = view_facts(config, seen, encoder, inputs, precision)
    mine = parse_shard(config.shard).rows(facts.shards)
    todo = [number for number in mine if not is_finished(folder, facts, number)]
    stretch = prepares_itself(address) and not are_squares(seen.images, inputs)
    return Work(encoder, folder, facts, inputs, stretch, frozenset(todo[runtime.rank :: runtime.world]))


def _begin(held: contextlib.ExitStack, work: Work, shard: Shard, rows: Rows) -> None:
    """Take a part of a view, and say in its folder what the view is."""
    _lock(held, work.folder, shard)
    write_facts(work.folder, work.facts)
    write_rows(work.folder, work.facts, rows)


def _lock(held: contextlib.ExitStack, folder: Path, shard: Shard) -> None:
    """Hold a part of a view until the end, so that two equal commands do not compute it at once.

    Raises:
        InputError: If another process holds it, or the folder cannot be written.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        held.enter_context(locked(shard.file(folder, ".part", "lock")))
    except BlockingIOError as error:
        raise InputError(f"{folder}: another process is computing part {shard}: wait for it.") from error
    except OSError as error:
        raise InputError(f"cannot write {folder}: {error.strerror}. Choose another --out.") from error


def _alike(works: list[Work]) -> list[list[Work]]:
    """Group encoders that see the same squares, in order."""
    groups: dict[tuple[InputConfig, bool], list[Work]] = {}
    for work in works:
        groups.setdefault((work.inputs, work.stretch), []).append(work)
    return list(groups.values())
