"""Train one method from its settings to a finished run folder."""

from __future__ import annotations

import dataclasses
import functools
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from modelheir.checks import InputError, unknown, validate
from modelheir.classes import BY_NAME
from modelheir.config.unread import refuse_unread
from modelheir.runs.files import read_json, write_json, write_text
from modelheir.runs.folder import RunFolder

if TYPE_CHECKING:
    from modelheir.config.run import TrainConfig
    from modelheir.data import ImageSet
    from modelheir.data.fingerprints import Fingerprint
    from modelheir.engine.runtime import Runtime
    from modelheir.methods import Method
    from modelheir.types import StageResult

__all__ = ["default_model", "train"]

#: settings that say where or how loudly a run happens, and do not change its numbers
_PRIVATE = ("out", "device", "quiet", "trackers", "allow_weak_teacher")


def default_model(image_size: int) -> str:
    """Return a sensible network for an image size in pixels: small images keep their resolution through the stem."""
    if image_size <= 16:
        return "convnet"
    return "resnet8" if image_size <= 64 else "tv:resnet18"


def train(method: str, config: TrainConfig, method_config: Any = None, *, command: Sequence[str] = ()) -> Path:
    """Train ``method`` and return its run folder; run again with the same settings and data, it resumes.

    Args:
        method: A name of ``methods.METHODS``.
        config: Data, model, old models, seeds and the groups ``inputs``, ``network``, ``fit``.
        method_config: The method's own ``Config``; ``None`` takes its defaults.
        command: What was typed, for ``environment.json``.

    Raises:
        InputError: If something the user gave does not fit (before the first batch where possible), or the folder
            holds a run with other settings or on other data; such a folder is left as it is.
    """
    from modelheir.methods import METHODS

    if method not in METHODS:
        raise unknown("method", method, METHODS)
    chosen = METHODS[method]
    settings = chosen.config() if method_config is None else method_config
    validate(config)
    validate(settings, "method")
    refuse_unread(settings, chosen.config(), "method")
    if chosen.needs_old and not config.old:
        raise InputError(
            f"train {method} needs --old, the model in production: run:DIR, file:PATH, tv:NAME, timm:NAME."
        )
    if config.classes != BY_NAME and not config.old:
        raise InputError(f"classes = {config.classes!r} is about the classes of --old, and there is no --old.")

    from modelheir.data import fingerprint, open_splits
    from modelheir.engine.runtime import Runtime

    runtime = Runtime(config.device)
    folder = RunFolder(config.out or f"runs/{method}")
    resolved = _resolved(method, config, settings)
    if runtime.main:
        _accept(folder, resolved, _resolved(method, type(config)(), type(settings)()))
    splits = open_splits(config.data, config.inputs)
    data = {name: fingerprint(images) for name, images in splits.items()}
    work = functools.partial(_train, chosen, config, settings, folder, runtime, splits, data)
    if not runtime.main:
        runtime.wait()  # until the main process holds the folder
        return work()
    _accept_data(folder, data)
    with folder.locked():
        _write_config(folder, resolved)
        if folder.status().get("state") == "finished":
            runtime.wait()
            return work()
        folder.set_status("running")
        runtime.wait()
        try:
            path = work(command)
        except KeyboardInterrupt:
            folder.set_status("interrupted")
            raise
        except Exception as error:
            if isinstance(error, InputError) and not folder.begun:  # nothing is trained yet, so nothing is left behind
                folder.clear()
            else:
                folder.set_status("failed", reason=str(error))
            raise
        folder.set_status("finished")
        return path


def _train(
    method: Method,
    config: TrainConfig,
    settings: Any,
    folder: RunFolder,
    runtime: Runtime,
    splits: Mapping[str, ImageSet],
    data: Mapping[str, Fingerprint],
    command: Sequence[str] = (),
) -> Path:
    if folder.status().get("state") == "finished":
        return folder.path
    from modelheir.assemble.announce import announced, check_teacher
    from modelheir.data import resolve
    from modelheir.engine.evaluate import predict_model
    from modelheir.engine.progress import make_progress
    from modelheir.engine.stages import run_plan
    from modelheir.methods.given.parts import Parts
    from modelheir.runs.environment import environment
    from modelheir.runs.trackers import Trackers

    def predict(model: Any, stream: Any, features: bool = False) -> Any:
        return predict_model(model, stream, runtime, precision=config.fit.precision, features=features)

    size = resolve(config.inputs, splits["train"]).image_size  # of every split, whatever its own images are
    parts = Parts(
        splits=splits,
        inputs=dataclasses.replace(config.inputs, image_size=size),
        network=config.network,
        fit=config.fit,
        model=config.model or default_model(size),
        asked=config.model,
        old=tuple(config.old),
        old_weights=tuple(config.old_weights),
        class_rule=config.classes,
        seed=config.seed,
        init_seed=config.seed if config.init_seed is None else config.init_seed,
        data_seed=config.seed if config.data_seed is None else config.data_seed,
        device=runtime.device,
        rank=runtime.rank,
        world=runtime.world,
        predict=predict,
    )
    seeds = {"seed": parts.seed, "init_seed": parts.init_seed, "data_seed": parts.data_seed}
    about = environment(
        command=command,
        device=str(runtime.device),
        processes=runtime.world,
        seeds=seeds,
        data=data,
    )
    if runtime.main:
        write_json(folder.environment, about)
    with make_progress(quiet=config.quiet or not runtime.main) as progress:
        if config.old:
            check_teacher(parts, progress.note, allow_weak=config.allow_weak_teacher)
        plan = announced(method.plan(settings, parts), parts, config.data, progress.note)
        with Trackers(config.trackers if runtime.main else (), folder.path if runtime.main else None, about) as log:
            done = run_plan(
                plan, folder, runtime=runtime, fit_config=config.fit, seed=config.seed, log=log, progress=progress
            )
    if runtime.main:
        _publish(folder, [one for one in done.values() if not one.skipped][-1])
    runtime.wait()
    return folder.path


def _resolved(method: str, config: TrainConfig, settings: Any) -> dict[str, Any]:
    """Return every setting of the run as plain values, in the shape that ``--config`` reads."""
    from modelheir.config.run import to_mapping

    return {"train": method, **to_mapping(config), "method": to_mapping(settings)}


def _write_config(folder: RunFolder, resolved: Mapping[str, Any]) -> None:
    import yaml

    write_text(folder.config, yaml.safe_dump(dict(resolved), sort_keys=False, allow_unicode=True))


def _accept(folder: RunFolder, resolved: Mapping[str, Any], defaults: Mapping[str, Any]) -> None:
    """Refuse a folder that holds a trained stage of other settings, naming the first that differs.

    A setting that an older version wrote nothing about had its default.
    """
    import yaml

    if not folder.config.is_file() or not _trained(folder):
        return
    before = _flat(yaml.safe_load(folder.config.read_text(encoding="utf-8")) or {})
    now, usual = _flat(resolved), _flat(defaults)
    for key in {**before, **now}:
        old, new = before.get(key, usual.get(key)), now.get(key)
        if old != new and key.split(".")[0] not in _PRIVATE:
            raise InputError(
                f"{folder.path} holds a run with {key} = {old!r}, and this one has {new!r}: give another --out, "
                "or the same settings to resume."
            )


def _accept_data(folder: RunFolder, data: Mapping[str, Fingerprint]) -> None:
    """Refuse a folder that holds a trained stage of other data, naming the first split that differs."""
    if not folder.environment.is_file() or not _trained(folder):
        return
    before: dict[str, Any] = read_json(folder.environment).get("data") or dict(data)  # none noted: nothing to hold
    for name in {**before, **data}:
        old, new = ({**found.get(name, {}), "name": ""} for found in (before, data))
        if old != new:
            raise InputError(
                f"{folder.path} holds a run on other data: the {name} split has changed since it was trained. Give "
                "another --out, or restore the data to resume."
            )


def _trained(folder: RunFolder) -> bool:
    return folder.begun or folder.status().get("state") == "finished"


def _flat(tree: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for key, value in tree.items():
        name = f"{prefix}{key}"
        if isinstance(value, Mapping) and value:
            flat |= _flat(value, f"{name}.")
        else:
            flat[name] = list(value) if isinstance(value, tuple) else value
    return flat


def _publish(folder: RunFolder, last: StageResult) -> None:
    """Copy the last stage's model and predictions to where a reader looks first."""
    from modelheir.metrics.intervals import wilson
    from modelheir.runs.predictions import read_predictions
    from modelheir.runs.tensors import save_weights

    write_json(folder.model, last.describe["model"])
    save_weights(folder.weights, last.weights(last.publish))
    rows: dict[str, Any] = {}
    for source in sorted((last.folder / "predictions").glob("*.parquet")):
        target = folder.predictions(source.stem)
        target.parent.mkdir(exist_ok=True)
        shutil.copyfile(source, target)
        found = read_predictions(target)
        known = found.label >= 0
        count = int(known.sum())
        shares = {"accuracy": float((found.prediction == found.label)[known].mean())} if count else {}
        if f"{source.stem}/top5" in last.metrics:
            shares["top5"] = last.metrics[f"{source.stem}/top5"]
        for name, share in shares.items():
            rows[f"{source.stem}/{name}"] = {
                "value": share,
                "unit": "fraction",
                "direction": "higher is better",
                "count": count,
                "interval": wilson(round(share * count), count),
                "confidence": 0.95,
            }
    losses = {key: value for key, value in last.metrics.items() if key.endswith("/loss")}
    for key, value in losses.items():
        rows[key] = {"value": value, "unit": "nats", "direction": "lower is better"}
    write_json(folder.result, {**rows, **last.describe.get("rows", {})})
