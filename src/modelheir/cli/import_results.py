"""Read result and checkpoint files of the earlier system; code inside them is refused, never run."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

from modelheir import runs
from modelheir.checks import InputError
from modelheir.cli.settings import parse
from modelheir.cli.spec import Spec
from modelheir.extras import need_train
from modelheir.models import files
from modelheir.runs.outputs import check_outputs
from modelheir.screen import percent, say

__all__ = ["ImportConfig", "main"]

_CHECKPOINTS = (".pth.tar", ".pth", ".pt")


@dataclasses.dataclass(frozen=True)
class ImportConfig:
    """Settings of ``import``."""

    out: str = ""  #: file to write; empty takes FILE's name with the ending .parquet or .safetensors
    ids: str = ""  #: text file with one sample id a line, in the order of the rows; empty numbers the rows


SPEC = Spec(
    command="import",
    about="Turn a .result file into predictions (Parquet), or a .pth.tar, .pth or .pt file into weights (safetensors).",
    configs={"": ImportConfig},
    words="FILE",
    epilog="Only tensors, numbers, text and lists of them are read: a file with anything else is refused.",
)


def main(argv: list[str]) -> int:
    """Convert one file."""
    said = parse(SPEC, argv)
    (name,), config = said.words, said.configs[""]
    path = Path(name)
    if not path.is_file():
        raise InputError(f"{path} is missing.")
    need_train("reading files of PyTorch")
    if path.name.endswith(".result"):
        return _result(path, config)
    ending = next((ending for ending in _CHECKPOINTS if path.name.endswith(ending)), None)
    if ending is None:
        raise InputError(f"{path}: expected a name ending with .result, {', '.join(_CHECKPOINTS)}.")
    if config.ids:
        raise InputError("--ids belongs to .result files: a checkpoint has no rows.")
    out = _target(config, path, ending, ".safetensors")
    state = files.read_checkpoint(path)
    runs.save_weights(out, state)
    say(f"{len(state):,} tensors, {sum(value.numel() for value in state.values()):,} numbers, written to {out}")
    return 0


def _result(path: Path, config: ImportConfig) -> int:
    out = _target(config, path, ".result", ".parquet")
    found: Any = files.read_result(path)
    if config.ids:
        found = dataclasses.replace(found, sample_id=_ids(Path(config.ids), len(found)))
    runs.write_predictions(out, found)
    right = float((found.prediction == found.label).mean()) if len(found) else None
    say(f"{len(found):,} images, accuracy {percent(right)}, written to {out}")
    return 0


def _target(config: ImportConfig, path: Path, ending: str, new: str) -> Path:
    if config.out and not config.out.endswith(new):
        raise InputError(f"--out {config.out}: the name must end with {new}.")
    out = Path(config.out) if config.out else path.with_name(path.name.removesuffix(ending) + new)
    check_outputs([out], [path, *([Path(config.ids)] if config.ids else [])])
    return out


def _ids(path: Path, count: int) -> Any:
    import numpy as np

    if not path.is_file():
        raise InputError(f"--ids {path} is missing.")
    try:
        ids = path.read_text(encoding="utf-8").removesuffix("\n").split("\n")
    except UnicodeDecodeError as error:
        raise InputError(
            f"--ids {path} is not UTF-8 ({error.reason} at byte {error.start}): save it as UTF-8."
        ) from error
    if len(ids) != count or len(set(ids)) != count:
        several = len(ids) - len(set(ids))
        raise InputError(f"--ids {path} has {len(ids)} lines ({several} repeated), and the file has {count} rows.")
    return np.array(ids)
