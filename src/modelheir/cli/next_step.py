"""The command that comes after a training, word for word as it can be run: with every setting that the run had."""

from __future__ import annotations

import dataclasses
import json
import shlex
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from modelheir.address import parse_address
from modelheir.assemble.resolved import choose
from modelheir.assemble.run_settings import run_settings
from modelheir.checks import InputError
from modelheir.classes import BY_NAME
from modelheir.config.describe import settings
from modelheir.config.inputs import InputConfig
from modelheir.config.mapping import to_mapping
from modelheir.config.run import TrainConfig
from modelheir.runs.folder import RunFolder
from modelheir.runs.predictions import read_predictions
from modelheir.runs.teacher_cache.manifest import read_manifest

if TYPE_CHECKING:
    from modelheir.data import ImageSet

__all__ = ["NEXT_METHOD", "next_compare", "next_distill", "next_report", "next_train"]

NEXT_METHOD = "upgrade"  #: what comes after a model that had no older one


def next_train(path: Path, config: TrainConfig, usual: TrainConfig, train: ImageSet | None = None) -> str:
    """Return the command that trains the next version of a run with the run's own settings.

    Args:
        path: The run folder.
        config: Its settings.
        usual: Those that ``train NEXT_METHOD`` has by itself. They need no words, and neither does what it would choose
            by itself for this data, such as the network's name in a run's own ``config.yaml``.
        train: The training images, which tell what would be chosen; without them every setting is said.
    """
    config = config if train is None else _shortest(config, usual, train)
    words = ["modelheir", "train", NEXT_METHOD, "--old", f"run:{path}"]
    for one in settings(TrainConfig):
        value = _value(config, one.key)
        if one.key not in ("old", "out") and value != _value(usual, one.key):
            words += _flag(one.key, value)
    free = _free(path.parent / NEXT_METHOD)
    return shlex.join(words if str(free) == usual.out else [*words, "--out", str(free)])


def _shortest(config: TrainConfig, usual: TrainConfig, train: ImageSet) -> TrainConfig:
    """Return settings of the same meaning with as many as possible as usual."""
    different = [one.key for one in settings(TrainConfig) if _value(config, one.key) != _value(usual, one.key)]
    if all(_value(usual, key) for key in different):  # none is left open by itself, so none would be chosen
        return config
    meant = choose(config, train)
    for key in different:
        shorter = _with(config, key, _value(usual, key))
        if choose(shorter, train) == meant:
            config = shorter
    return config


def _with(config: Any, key: str, value: Any) -> Any:
    name, _, rest = key.partition(".")
    return dataclasses.replace(config, **{name: _with(getattr(config, name), rest, value) if rest else value})


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
    old, place = parse_address(config.old[0]), shlex.quote(str(path))
    if old.kind == "cache":  # it holds what models said of training images: the first of them is compared
        old = parse_address(read_manifest(old.path).teachers[0]["address"])
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


def next_distill(teacher: str, data: str, inputs: InputConfig, manifest: Path) -> str:
    """Return the command that trains a student on a selected list, beside the data and the splits it keeps clear of.

    >>> next_distill("run:v1", "folder:good", InputConfig(split_seed=3), Path("m.parquet"))
    'modelheir train distill --teacher run:v1 --data folder:good --inputs.split_seed 3 --unlabelled manifest:m.parquet'
    """
    words, usual = ["modelheir", "train", "distill", "--teacher", teacher, "--data", data], to_mapping(InputConfig())
    for name, value in to_mapping(inputs).items():
        if name in _SPLIT and value != usual[name]:
            words += [f"--inputs.{name}", json.dumps(value) if isinstance(value, list) else str(value)]
    return shlex.join([*words, "--unlabelled", f"manifest:{manifest}"])


def next_report(path: Path) -> str:
    """Return the command that writes the page of a run that nothing is compared with.

    >>> next_report(Path("runs/pair"))
    'modelheir report runs/pair --html runs/pair/report.html --split val'
    """
    words = ["modelheir", "report", str(path), "--html", str(path / "report.html")]
    return shlex.join(words if RunFolder(path).predictions("test").is_file() else [*words, "--split", "val"])


def _same_images(old: Path, new: Path) -> bool:
    """Tell whether two files of predictions are about the same images."""
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
    brought = run_settings(old).get("inputs", {})
    usual, flags = {**to_mapping(InputConfig()), **brought}, list[str]()
    for name, value in to_mapping(config.inputs).items():
        if name in (_SPLIT if brought else (*_SPLIT, *_SEEN)) and value != usual[name]:
            flags += [f"--inputs.{name}", json.dumps(value) if isinstance(value, list) else str(value)]
    return flags
