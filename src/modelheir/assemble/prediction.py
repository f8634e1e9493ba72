"""Use a trained model: predict a split, evaluate many models into one cache, export."""

from __future__ import annotations

import functools
import hashlib
import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from modelheir.checks import InputError, one_of
from modelheir.metrics.unknown_classes import GAP, unknown_classes

if TYPE_CHECKING:
    from torch import Tensor

    from modelheir.config.inputs import InputConfig
    from modelheir.data import ImageSet
    from modelheir.models import Classifier
    from modelheir.types import Predictions

__all__ = ["evaluate", "export", "predict"]


def predict(
    model: str | Classifier,
    data: str = "digits",
    *,
    split: str = "auto",
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
        split: ``train``, ``val``, ``test`` or ``unlabelled``; ``auto`` is the data's only split, else ``test``.
        inputs: How images are read; ``None`` takes the run's own settings where the model is a run, else defaults. An
            ``image_size`` of 0 is the size that the model was made for, where it says one.
        device: ``auto``, ``cpu``, ``cuda`` or ``mps``.
        batch_size: Images a forward pass.
        precision: ``fp32``, ``bf16`` or ``fp16``.
        features: Keep the penultimate features too.
        ten_crop: Average the logits over ten crops (corners and centre, and their mirror images).
        crops: With ``ten_crop``, an ``.npz`` file for the logits of every crop, ``(N, 10, C)``.
        advance: Called with the number of images after each batch.

    Returns:
        Predictions whose logits stand in the order of the data's classes. A class that the model does not know has a
        logit far below all others (:func:`~modelheir.metrics.unknown_classes.unknown_classes` names it).

    Raises:
        InputError: If model and data share no class, or ``crops`` is given without ``ten_crop``.
    """
    from modelheir.config.inputs import InputConfig
    from modelheir.data import open_splits

    if crops is not None and not (ten_crop and str(crops).endswith(".npz")):
        raise InputError(f"crops = {str(crops)!r}: it needs ten_crop, and a file name that ends with .npz.")
    settings = inputs or _run_inputs(model) or InputConfig()
    splits = open_splits(data, settings, labelled=False)
    if split == "auto":
        split = "test" if len(splits) > 1 else next(iter(splits))
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
    if not inputs.image_size and not network.spec["resolution"]:
        inputs = dataclasses.replace(inputs, image_size=network.image_size)
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
        return outputs if order is None else outputs._replace(logits=_in_order(outputs.logits.float(), order))

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
    """Return the model's column of each data class, -1 where it has none; ``None`` where the order is the same."""
    ours, theirs = tuple(images.classes), tuple(model.classes)
    if ours == theirs:
        return None
    if set(ours) & set(theirs):
        return [theirs.index(name) if name in theirs else -1 for name in ours]
    if len(ours) == len(theirs) and not set(ours) & set(theirs):
        return None  # another naming of as many classes (ImageNet ids against words): taken in order
    raise InputError(
        f"the model knows none of the data's {len(ours)} classes ({ours[0]!r}, ...; the model's are {theirs[0]!r}, "
        "...): give data with the same class names."
    )


def _in_order(logits: Tensor, order: Sequence[int]) -> Tensor:
    """Take columns in this order, and below all of them for -1."""
    import torch

    known = logits[:, [column for column in order if column >= 0]]
    below = known.amin(dim=1, keepdim=True) - GAP
    return torch.cat([logits, below], dim=1)[:, list(order)]  # -1 is the last column


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
    cache: Path | str = "runs/cache",
    split: str = "test",
    inputs: InputConfig | Mapping[str, InputConfig] | None = None,
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
        inputs: How images are read: for all models, or by model; where absent, as :func:`predict` reads them.
        device: ``auto``, ``cpu``, ``cuda`` or ``mps``.
        batch_size: Images a forward pass.
        old: The model that the flip rates are against; one of ``models`` or another.
        ten_crop: Average the logits over ten crops.
        features: Keep the penultimate features in the cached files too.
        advance: Called with the model and the number of images after each batch.

    Returns:
        One row a model: ``model``, ``n``, ``accuracy``, ``top5``, with ``old`` ``nfr``, ``pfr`` and ``accuracy_gain``,
        each with its 95 % interval under ``..._interval``; ``file``; and ``unknown`` where the data has classes that
        the model does not know: their images count as wrong.

    Raises:
        InputError: If a model and the data do not fit each other (``old`` is named where it is that one), or a model's
            own settings split the data otherwise than the old model's.
    """
    from modelheir.analysis.evaluation import evaluation_row
    from modelheir.config.inputs import InputConfig
    from modelheir.data import fingerprint, open_splits
    from modelheir.runs import read_predictions, write_predictions

    @functools.cache
    def opened(settings: InputConfig) -> tuple[ImageSet, str]:
        splits = open_splits(data, settings)
        one_of(splits, split=split)
        return splits[split], f"{fingerprint(splits[split])}|{split}|{settings}|{ten_crop}|{features}"

    def one(model: str) -> tuple[Path, Predictions]:
        given = inputs.get(model) if isinstance(inputs, Mapping) else inputs
        settings = given or _run_inputs(model) or InputConfig()
        images, key = opened(settings)
        digest = hashlib.sha256(f"{key}|{_model_key(model)}".encode()).hexdigest()[:12]
        path = Path(cache) / f"{re.sub(r'[^A-Za-z0-9._-]+', '_', model)}-{digest}.parquet"
        if not path.is_file():
            report = functools.partial(advance, model) if advance else None
            found = _predict(model, images, settings, device, batch_size, "fp32", features, ten_crop, report)
            path.parent.mkdir(parents=True, exist_ok=True)
            write_predictions(path, found)
        return path, read_predictions(path)

    try:
        before = one(old)[1] if old else None
    except InputError as error:
        raise InputError(f"the old model {old}: {error}") from error
    rows: list[dict[str, Any]] = []
    for model in models:
        path, found = one(model)
        row = evaluation_row(model, found, before, old_name=f"the old model {old}")
        if missing := unknown_classes(found.logits, found.classes):
            row["unknown"] = list(missing)
        rows.append({**row, "file": str(path)})
    return rows


def _model_key(model: str) -> str:
    """Tell two states of one model apart, by the content of the files that it is read from."""
    from modelheir.models.files.load import files_of

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
    from modelheir.models import load
    from modelheir.models.files import export as exports

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
