"""The command that comes after a training, word for word as it can be run: with every setting that the run had."""

from __future__ import annotations

import json
import shlex
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from modelheir.address import parse_address
from modelheir.checks import InputError
from modelheir.classes import BY_NAME
from modelheir.config.describe import settings
from modelheir.config.mapping import to_mapping
from modelheir.config.run import TrainConfig

__all__ = ["NEXT_METHOD", "next_compare", "next_train"]

NEXT_METHOD = "upgrade"  #: what comes after a model that had no older one


def next_train(path: Path, config: TrainConfig, usual: TrainConfig) -> str:
    """Return the command that trains the next version of a run with the run's own settings.

    Args:
        path: The run folder.
        config: Its settings.
        usual: Those that ``train NEXT_METHOD`` has by itself, which need no words.
    """
    words = ["modelheir", "train", NEXT_METHOD, "--old", f"run:{path}"]
    for one in settings(TrainConfig):
        value = _value(config, one.key)
        if one.key not in ("old", "out") and value != _value(usual, one.key):
            words += _flag(one.key, value)
    free = _free(path.parent / NEXT_METHOD)
    return shlex.join(words if str(free) == usual.out else [*words, "--out", str(free)])


def _value(config: Any, key: str) -> Any:
    for name in key.split("."):
        config = getattr(config, name)
    return config


def _flag(key: str, value: Any) -> list[str]:
    """Write one setting as ``train`` reads it; lists and mappings as JSON, which holds what is empty or has a dash."""
    if isinstance(value, tuple | dict):
        return [f"--{key}", json.dumps(value, ensure_ascii=False)]
    return [f"--{key}", str(value).lower() if isinstance(value, bool) else str(value)]


def _free(place: Path) -> Path:
    """Return ``place``, or the first of ``place_2``, ``place_3`` ... where a run stands there already."""
    numbered: Iterable[Path] = (place.with_name(f"{place.name}_{number}") for number in range(2, 10**6))
    return place if not place.exists() else next(one for one in numbered if not one.exists())


def next_compare(path: Path, config: TrainConfig) -> str:
    """Return the command that compares the first old model with the run, after one for its predictions if needed."""
    from modelheir.runs.folder import RunFolder

    old, place = parse_address(config.old[0]), shlex.quote(str(path))
    where = old.path
    after = f"{place} --html {place}/compare.html"
    split = "test" if RunFolder(path).predictions("test").is_file() else "val"
    if old.kind == "predictions":
        if _same_images(where, RunFolder(path).predictions(split)):
            return f"modelheir compare {shlex.quote(str(where))} {after}"
        return f"modelheir compare OLD.parquet {after} (OLD.parquet: what the old model says on the {split} split)"
    if (
        old.run == where
        and not old.stage
        and _same_images(RunFolder(where).predictions(split), RunFolder(path).predictions(split))
    ):
        return f"modelheir compare {shlex.quote(str(where))} {after}"
    words = ["modelheir", "predict", old.text, "--data", config.data, *_input_flags(old.text, config)]
    words += ["--split", split] if split != "test" else []
    words += ["--classes", config.classes] if config.classes != BY_NAME else []
    words += ["--device", config.device] if config.device != "auto" else []
    stored = str(path / "old.parquet")
    return f"{shlex.join([*words, '--out', stored])} && modelheir compare {shlex.quote(stored)} {after}"


def _same_images(old: Path, new: Path) -> bool:
    """Tell whether two files of predictions are about the same images."""
    from modelheir.runs.predictions import read_predictions

    if not (old.is_file() and new.is_file()):
        return False
    try:
        ids = [set(read_predictions(path, columns=()).sample_id) for path in (old, new)]
        return ids[0] == ids[1]
    except InputError:
        return False


#: settings that decide which images a split holds, and those that decide how the model sees them
_SPLIT = (
    *("root", "max_bad_share", "max_megapixels", "val_fraction", "test_fraction", "keep_together", "split_seed"),
    "train_classes",
)
_SEEN = ("image_size", "resize", "views")


def _input_flags(old: str, config: TrainConfig) -> list[str]:
    """Return the flags with which ``predict`` reads the run's split; a run sees its images as it was trained to."""
    from modelheir.assemble.run_settings import run_settings
    from modelheir.config.inputs import InputConfig

    brought = run_settings(old).get("inputs", {})
    usual, flags = {**to_mapping(InputConfig()), **brought}, list[str]()
    for name, value in to_mapping(config.inputs).items():
        if name in (_SPLIT if brought else (*_SPLIT, *_SEEN)) and value != usual[name]:
            flags += [f"--inputs.{name}", json.dumps(value) if isinstance(value, list) else str(value)]
    return flags
