"""Evaluate many models on one split into one cache of predictions."""

from __future__ import annotations

import functools
import hashlib
import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from modelheir import analysis
from modelheir import data as datasets
from modelheir.assemble.prediction import predict_images
from modelheir.assemble.run_settings import own_data, own_inputs
from modelheir.checks import InputError, one_of
from modelheir.classes import BY_NAME, RULES
from modelheir.config.inputs import InputConfig
from modelheir.extras import need_train
from modelheir.metrics.unknown_classes import unknown_classes
from modelheir.models import files
from modelheir.runs.predictions import read_predictions, write_predictions
from modelheir.runs.seal import digest

if TYPE_CHECKING:
    from modelheir.data import ImageSet
    from modelheir.types import Predictions

__all__ = ["evaluate"]


def evaluate(
    models: Sequence[str],
    data: str | None = None,
    *,
    cache: Path | str = "runs/cache",
    split: str = "test",
    classes: str = BY_NAME,
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
        models: Run folders, ``file:``, ``tv:``, ``timm:`` or ``pkg:`` names.
        data: A data source; ``None`` takes the own data of the first model that is a run.
        cache: Folder of the kept predictions, one Parquet file a model and data set.
        split: The split to evaluate.
        classes: ``by-name``, or ``by-order``: how models and data are matched, as in :func:`predict`.
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
            own settings split the data otherwise than the old model's, or no data is given and no model is a run.
    """
    need_train("running a model")
    source = own_data([*models, *([old] if old else [])]) if data is None else data
    one_of(RULES, classes=classes)

    @functools.cache
    def opened(settings: InputConfig) -> tuple[ImageSet, str]:
        splits = datasets.open_splits(source, settings)
        one_of(splits, split=split)
        return splits[
            split
        ], f"{datasets.fingerprint(splits[split])}|{split}|{settings}|{ten_crop}|{features}|{classes}"

    def one(model: str) -> tuple[Path, Predictions]:
        given = inputs.get(model) if isinstance(inputs, Mapping) else inputs
        settings = given or own_inputs(model) or InputConfig()
        images, key = opened(settings)
        state = hashlib.sha256(f"{key}|{_model_key(model)}".encode()).hexdigest()[:12]
        path = Path(cache) / f"{re.sub(r'[^A-Za-z0-9._-]+', '_', model)}-{state}.parquet"
        if not path.is_file():
            report = functools.partial(advance, model) if advance else None
            found = predict_images(
                model,
                images,
                inputs=settings,
                classes=classes,
                device=device,
                batch_size=batch_size,
                features=features,
                ten_crop=ten_crop,
                advance=report,
            )
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
        row = analysis.evaluation_row(model, found, before, old_name=f"the old model {old}")
        if missing := unknown_classes(found.logits, found.classes):
            row["unknown"] = list(missing)
        rows.append({**row, "file": str(path)})
    return rows


def _model_key(model: str) -> str:
    """Tell two states of one model apart, by the content of the files that it is read from."""
    return "|".join([model, *(digest(path) for path in files.files_of(model) if path.is_file())])
