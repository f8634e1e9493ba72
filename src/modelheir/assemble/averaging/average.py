"""Average models of one network into a run folder; the selection split chooses how, and the reporting split reports.

Of each way the accuracy and the flips on the selection images are kept; the reporting images are seen by three models:
the chosen one, the best alone and the old one. Nothing is written before all is known.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from modelheir import data, inference, runs
from modelheir.assemble.averaging.judging import Judge
from modelheir.assemble.averaging.result import Averaged, result_rows
from modelheir.assemble.averaging.settings import AverageConfig
from modelheir.assemble.averaging.trying import Found, try_ways
from modelheir.assemble.declared import model_digests
from modelheir.assemble.destination import check_destination
from modelheir.assemble.publish import publish
from modelheir.assemble.resolved import write_config
from modelheir.assemble.run_settings import own_data
from modelheir.assemble.same_run import accept_read, first_difference
from modelheir.checks import InputError, one_of
from modelheir.config.mapping import read_yaml, to_mapping
from modelheir.extras import need_train
from modelheir.methods.given import Data
from modelheir.runs.environment import environment
from modelheir.runs.files import write_json
from modelheir.runs.folder import RunFolder
from modelheir.runs.predictions import write_predictions
from modelheir.runs.seal import check_seal, digest, seal

if TYPE_CHECKING:
    from modelheir.assemble.averaging.members import Members
    from modelheir.data import ImageSet
    from modelheir.types import Progress

__all__ = ["average"]

_COMMAND = _STAGE = "average"


def average(config: AverageConfig, progress: Progress, *, command: Sequence[str] = ()) -> Averaged:
    """Average, choose, and write the run folder; a finished one of the same settings and models is read back.

    Args:
        config: Settings.
        progress: What a person watches.
        command: What was typed, for ``environment.json``.

    Returns:
        What was tried and what was chosen; the model is in ``config.out``.

    Raises:
        InputError: If models cannot be averaged (another architecture, other classes, weights that are not finite, one
            model twice), there are no selection images, or the folder cannot be written to without harm. Nothing is
            written then.
    """
    config.need()
    need_train("averaging models")
    runtime = inference.Runtime(config.device)
    if runtime.world > 1:
        raise InputError("average runs in one process: start it without a launcher.")
    folder, source = RunFolder(config.out), config.data or own_data(config.addresses)
    check_destination(folder, [source], [*config.addresses, *config.old])
    if _holds_run(folder) and read_yaml(folder.config).get("command") != _COMMAND:
        raise InputError(f"{folder.path} holds a run that is no average: give another --out.")
    check_seal(folder)
    splits = data.open_splits(source, config.inputs)
    for split in ("train", "val"):
        one_of(splits, split=split)
    members = _members(config, splits["train"].classes)
    config = _resolved(config, source, members, splits)
    given = Data(splits, config.inputs, config.batch_size, 0, runtime)
    wanted = {"command": _COMMAND, **to_mapping(config)}
    held = _held(config, members, splits)
    if _finished(folder, wanted, held):
        return Averaged.read(folder)
    members.check()
    judge = Judge(members, given, config.recalibrate, config.recalibrate_images)
    found = try_ways(config, judge, splits, progress)
    about = environment(
        command=command, device=str(runtime.device), processes=1, seeds={"data_seed": given.seed}, **held
    )
    with folder.locked():
        folder.set_status("running")
        write_config(folder, wanted)
        write_json(folder.environment, about)
        _write(folder, found)
        folder.set_status("finished", files=seal(folder))
    return Averaged.read(folder)


def _write(folder: RunFolder, found: Found) -> None:
    """Write the model as a stage, and as what the run came to."""
    stage = folder.stage(0, _STAGE)
    runs.save_weights(stage.weights, {f"model/{key}": value for key, value in found.model.state_dict().items()})
    metrics: dict[str, float] = {}
    for split, said in found.said.items():
        write_predictions(stage.predictions(split), said)
        metrics |= {f"{split}/{key}": value for key, value in inference.summarise(said).items()}
    stage.finish(metrics, {"model": found.model.spec, "average": found.table, "rows": result_rows(found.table)})
    publish(folder, stage.result())


def _members(config: AverageConfig, classes: tuple[str, ...]) -> Members:
    from modelheir.assemble.averaging.members import open_models, open_snapshots

    if config.snapshots:
        return open_snapshots(config.snapshots, data_classes=classes)
    return open_models(config.models, data_classes=classes, rule=config.classes)


def _resolved(config: AverageConfig, source: str, members: Members, splits: Mapping[str, ImageSet]) -> AverageConfig:
    """Return the settings with nothing left open but what the selection images decide."""
    inputs = config.inputs
    if not inputs.image_size and not members.like.spec["resolution"]:
        inputs = dataclasses.replace(inputs, image_size=members.like.image_size)
    return dataclasses.replace(config, data=source, inputs=data.resolve(inputs, splits["train"]))


def _held(config: AverageConfig, members: Members, splits: Mapping[str, ImageSet]) -> dict[str, Any]:
    """Return what is read, for ``environment.json``: fingerprints of splits, digests of the models' files."""
    digests = {
        address: {path.name: digest(path) for path in paths if path.is_file()}
        for address, paths in members.files.items()
    }
    flag = "--snapshots" if config.snapshots else "--models"
    return {
        "data": {name: data.fingerprint(images) for name, images in splits.items()},
        "models": {flag: digests, **({"--old": model_digests(config.old)} if config.old else {})},
    }


def _finished(folder: RunFolder, wanted: Mapping[str, Any], held: Mapping[str, Any]) -> bool:
    """Tell whether the folder holds this very average, and refuse one that holds another run."""
    if _holds_run(folder):
        differs = first_difference(read_yaml(folder.config), wanted)
        if differs is not None:
            raise InputError(
                f"{folder.path} holds a run with {differs[0]} = {differs[1]!r}, and this one has {differs[2]!r}: give "
                "another --out."
            )
        accept_read(folder, held)
    return folder.status().get("state") == "finished"


def _holds_run(folder: RunFolder) -> bool:
    return folder.config.is_file() and (folder.begun or folder.status().get("state") == "finished")
