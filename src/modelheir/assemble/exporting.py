"""Export a trained model for others to run, and prove that it still says the same."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from modelheir import models
from modelheir.checks import InputError, one_of
from modelheir.extras import need_train
from modelheir.models import blends, files
from modelheir.runs.folder import owner_of

__all__ = ["export"]


def export(
    model: str,
    out: Path | str,
    *,
    to: Sequence[str] = ("safetensors",),
    output: str = "logits",
    tolerance: float = 1e-4,
) -> dict[str, Any]:
    """Write a trained model for others to run, and prove that it still says the same.

    Args:
        model: A run folder or any other model spec.
        out: Folder for ``model.safetensors`` with ``model.json``, and ``model.onnx``.
        to: Any of ``safetensors`` and ``onnx``. Both take float images in 0..1.
        output: What the ONNX file gives: ``logits``; ``softmax`` or ``sigmoid``, probabilities of classes that exclude
            each other or do not; or ``features``, the input of the classifier layer.
        tolerance: Largest absolute difference of a value allowed between the model and its export.

    Returns:
        ``{format: {"file": ..., "max_difference": ...}}``.

    Raises:
        InputError: If a format or output is unknown, weights are asked for with an output, the format's extra is not
            installed, the folder cannot be written, a file of a run or the model's own would be replaced, or the export
            differs.
    """
    need_train("exporting a model")
    for name in to:
        one_of(("safetensors", "onnx"), format=name)
    one_of(files.OUTPUTS, output=output)
    if output != "logits" and "safetensors" in to:
        raise InputError(
            f"output = {output!r} is for ONNX: safetensors holds weights alone, and who loads them takes any output; "
            "export them without it."
        )
    folder = Path(out)
    _check(model, folder)
    network = models.load(model)
    if "onnx" in to:
        blends.need_one_network(network, model, "an ONNX file")
    _make(folder)
    found: dict[str, Any] = {}
    for name in to:
        path = folder / f"model.{name}"
        if name == "onnx":
            files.export_onnx(network, path, output=output)
        else:
            files.export_safetensors(network, path)
        difference = files.parity_check(network, path, tolerance=tolerance, output=output)
        found[name] = {"file": str(path), "max_difference": difference}
    return found


def _check(model: str, folder: Path) -> None:
    """Refuse a folder of an export where what it gets would replace a run's files or the model itself."""
    read = {path.resolve() for path in files.files_of(model)}
    for path in (folder / "model.safetensors", folder / "model.json", folder / "model.onnx"):
        if owner_of(path) or path.resolve() in read:
            raise InputError(f"exporting to {folder} would replace {path}: give another folder as --out.")


def _make(folder: Path) -> None:
    try:
        if folder.is_file():
            raise InputError(f"--out {folder} is a file: give a folder.")
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f"cannot write the folder {folder}: {error.strerror}. Give another --out.") from error
