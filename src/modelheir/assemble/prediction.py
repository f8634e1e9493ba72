"""Use a trained model: predict a split, evaluate many models into one cache, export."""

from __future__ import annotations

import functools
import hashlib
import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from modelheir.checks import InputError, one_of

if TYPE_CHECKING:
    from modelheir.config.inputs import InputConfig
    from modelheir.data import ImageSet
    from modelheir.models import Classifier
    from modelheir.types import Predictions

__all__ = ["evaluate", "export", "predict"]


def predict(
    model: str | Classifier,
    data: str = "digits",
    *,
    split: str = "test",
    inputs: InputConfig | None = None,
    device: str = "auto",
    batch_size: int = 256,
    precision: str = "fp32",
    features: bool = False,
    ten_crop: bool = False,
    crops: Path | str | None = None,
    advance: Callable[[int], None] | None = None,
) -> Predictions:
    """Run a model over one split, each sample once.

    Args:
        model: A run folder, ``file:``, ``tv:`` or ``timm:`` name, or a loaded classifier.
        data: A data source, such as ``folder:DIR``.
        split: ``train``, ``val``, ``test`` or ``unlabelled``; all are read with the evaluation transform.
        inputs: How images are read; ``None`` takes the run's own settings where the model is a run, else defaults.
        device: ``auto``, ``cpu``, ``cuda`` or ``mps``.
        batch_size: Images a forward pass.
        precision: ``fp32``, ``bf16`` or ``fp16``.
        features: Keep the penultimate features too.
        ten_crop: Average the logits over ten crops (corners and centre, and their mirror images).
        crops: With ``ten_crop``, an ``.npz`` file for the logits of every crop, ``(N, 10, C)``.
        advance: Called with the number of images after each batch.

    Returns:
        Predictions whose logits stand in the order of the data's classes.

    Raises:
        InputError: If the model and the data do not fit each other, or ``crops`` is given without ``ten_crop``.
    """
    from modelheir.config.inputs import InputConfig
    from modelheir.data import open_splits

    if crops is not None and not (ten_crop and str(crops).endswith(".npz")):
        raise InputError(f"crops = {str(crops)!r}: it needs ten_crop, and a file name that ends with .npz.")
    settings = inputs or _run_inputs(model) or InputConfig()
    splits = open_splits(data, settings, labelled=False)
    one_of(splits, split=split)
    return _predict(model, splits[split], settings, device, batch_size, precision, features, ten_crop, advance, crops)


def _predict(
    model: str | Classifier,
    images: ImageSet,
    inputs: InputConfig,
    device: str,
    batch_size: int,
    precision: str,
    features: bool,
    ten_crop: bool,
    advance: Callable[[int], None] | None,
    crops: Path | str | None = None,
) -> Predictions:
    import dataclasses

    from modelheir.assemble.crops import CropLogits
    from modelheir.data import make_stream
    from modelheir.engine.evaluate import average_views, evaluation, predict_stream
    from modelheir.engine.runtime import Runtime
    from modelheir.models import load
    from modelheir.runs.crops import write_crops

    runtime = Runtime(device)
    network = load(model, names=images.classes or None) if isinstance(model, str) else model
    if not images.classes:  # unlabelled images alone
        images = dataclasses.replace(images, classes=tuple(network.classes))
    order = _class_order(network, images)
    network.to(runtime.device)
    stream = make_stream(
        images,
        config=dataclasses.replace(inputs, views="ten_crop") if ten_crop else inputs,
        batch_size=batch_size,
        train=False,
        seed=0,
        device=runtime.device,
        rank=runtime.rank,
        world=runtime.world,
    )

    kept = CropLogits() if crops is not None else None

    def ordered(shown: Any) -> Any:
        outputs = network(shown)
        return outputs if order is None else outputs._replace(logits=outputs.logits[:, order])

    def run(batch: Any) -> Any:
        return average_views(ordered, batch) if kept is None else kept.average(ordered, batch)  # type: ignore[arg-type]

    with evaluation([network]):
        found = predict_stream(run, stream, runtime, precision=precision, features=features, advance=advance)
    if kept is not None:
        values = kept.together(runtime)
        if runtime.main:
            write_crops(crops, found.sample_id, values, classes=images.classes)  # type: ignore[arg-type]
    return found


def _class_order(model: Classifier, images: ImageSet) -> list[int] | None:
    """Return the model's column of each data class, or ``None`` where the order is the same already."""
    ours, theirs = tuple(images.classes), tuple(model.classes)
    if ours == theirs:
        return None
    if set(ours) <= set(theirs):
        return [theirs.index(name) for name in ours]
    if len(ours) == len(theirs) and not set(ours) & set(theirs):
        return None  # another naming of as many classes (ImageNet ids against words): taken in order
    missing = [name for name in ours if name not in theirs]
    raise InputError(
        f"the data has {len(missing)} classes that the model does not know: {', '.join(missing[:5])}"
        f"{', ...' if len(missing) > 5 else ''}. The model knows {len(theirs)}."
    )


def _run_inputs(model: str | Classifier) -> InputConfig | None:
    """Read the image settings of the run that a model came from."""
    if not isinstance(model, str):
        return None
    from modelheir.config.inputs import InputConfig
    from modelheir.config.run import from_mapping, read_yaml
    from modelheir.runs.folder import RunFolder

    path = RunFolder(model.removeprefix("run:").split("#")[0]).config
    return from_mapping(InputConfig, read_yaml(path).get("inputs", {})) if path.is_file() else None


def evaluate(
    models: Sequence[str],
    data: str = "digits",
    *,
    cache: Path | str,
    split: str = "test",
    inputs: InputConfig | None = None,
    device: str = "auto",
    batch_size: int = 256,
    old: str | None = None,
    ten_crop: bool = False,
    features: bool = False,
    advance: Callable[[str, int], None] | None = None,
) -> list[dict[str, Any]]:
    """Evaluate many models on one split; each is run once and its predictions are kept in ``cache``.

    A model whose weights or description have changed since is run again.

    Args:
        models: Run folders, ``file:``, ``tv:`` or ``timm:`` names.
        data: A data source.
        cache: Folder of the kept predictions, one Parquet file a model and data set.
        split: The split to evaluate.
        inputs: How images are read.
        device: ``auto``, ``cpu``, ``cuda`` or ``mps``.
        batch_size: Images a forward pass.
        old: The model that the flip rates are against; one of ``models`` or another.
        ten_crop: Average the logits over ten crops.
        features: Keep the penultimate features in the cached files too.
        advance: Called with the model and the number of images after each batch.

    Returns:
        One row a model: ``model``, ``n``, ``accuracy``, ``top5``, ``file`` and, with ``old``, ``nfr`` and ``pfr``.
    """
    from modelheir.config.inputs import InputConfig
    from modelheir.data import fingerprint, open_splits
    from modelheir.metrics.accuracy import top_k_accuracy
    from modelheir.metrics.flips import negative_flip_rate, positive_flip_rate
    from modelheir.runs import read_predictions, write_predictions

    settings = inputs or InputConfig()
    splits = open_splits(data, settings)
    one_of(splits, split=split)
    images = splits[split]
    key = f"{fingerprint(images)}|{split}|{settings}|{ten_crop}|{features}"

    def one(model: str) -> tuple[Path, Predictions]:
        digest = hashlib.sha256(f"{key}|{_model_key(model)}".encode()).hexdigest()[:12]
        path = Path(cache) / f"{re.sub(r'[^A-Za-z0-9._-]+', '_', model)}-{digest}.parquet"
        if not path.is_file():
            found = _predict(
                model,
                images,
                settings,
                device,
                batch_size,
                "fp32",
                features,
                ten_crop,
                functools.partial(advance, model) if advance else None,
            )
            path.parent.mkdir(parents=True, exist_ok=True)
            write_predictions(path, found)
        return path, read_predictions(path)

    before = one(old)[1] if old else None
    rows: list[dict[str, Any]] = []
    for model in models:
        path, found = one(model)
        known = found.label >= 0
        label, prediction = found.label[known], found.prediction[known]
        row: dict[str, Any] = {"model": model, "n": int(known.sum()), "accuracy": float((prediction == label).mean())}
        if found.logits is not None and found.logits.shape[1] > 5:
            row["top5"] = float(top_k_accuracy(found.logits[known], label, k=5))
        if before is not None:
            row["nfr"] = float(negative_flip_rate(before.prediction[known], prediction, label))
            row["pfr"] = float(positive_flip_rate(before.prediction[known], prediction, label))
        rows.append({**row, "file": str(path)})
    return rows


def _model_key(model: str) -> str:
    """Tell two states of one model apart, by the content of the files that it is read from."""
    from modelheir.models.load import files_of

    digests: list[str] = []
    for path in files_of(model):
        if path.is_file():
            with path.open("rb") as handle:
                digests.append(hashlib.file_digest(handle, "sha256").hexdigest())
    return "|".join([model, *digests])


def export(
    model: str, out: Path | str, *, to: Sequence[str] = ("safetensors",), tolerance: float = 1e-4
) -> dict[str, Any]:
    """Write a trained model for others to run, and prove that it still says the same.

    Args:
        model: A run folder or any other model spec.
        out: Folder for ``model.safetensors`` with ``model.json``, and ``model.onnx``.
        to: Any of ``safetensors`` and ``onnx``. Both take float images in 0..1 and give logits.
        tolerance: Largest absolute difference of a logit allowed between the model and its export.

    Returns:
        ``{format: {"file": ..., "max_difference": ...}}``.

    Raises:
        InputError: If a format is unknown, its extra is not installed, or the export differs.
    """
    from modelheir.models import export as exports
    from modelheir.models import load

    for name in to:
        one_of(("safetensors", "onnx"), format=name)
    network, folder = load(model), Path(out)
    folder.mkdir(parents=True, exist_ok=True)
    found: dict[str, Any] = {}
    for name in to:
        write = exports.export_onnx if name == "onnx" else exports.export_safetensors
        path = folder / f"model.{name}"
        write(network, path)
        found[name] = {"file": str(path), "max_difference": exports.parity_check(network, path, tolerance=tolerance)}
    return found
