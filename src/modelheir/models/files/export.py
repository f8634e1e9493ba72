r"""Write a classifier for others to run: safetensors with its description, or ONNX; and prove that it says the same.

Both take float images in 0..1, ``(N, 3, H, W)``; normalisation is inside. Safetensors holds weights, and whoever builds
the model from them takes what it needs. An ONNX file gives one of :data:`OUTPUTS`:

.. math::
    \text{softmax}_c = \frac{e^{z_c}}{\sum_k e^{z_k}}, \qquad \text{sigmoid}_c = \frac{1}{1 + e^{-z_c}}

of the logits ``z``, ``(N, C)``; sigmoid is for classes that do not exclude each other.
"""

from __future__ import annotations

import json
import warnings
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from modelheir.checks import InputError, one_of
from modelheir.extras import need
from modelheir.models.blends.dawin import need_one_network
from modelheir.models.files.checkpoint import SPEC
from modelheir.models.files.load import load
from modelheir.runs.files import replace_file, write_json
from modelheir.runs.tensors import save_weights
from modelheir.types import Outputs

__all__ = ["OUTPUTS", "export_onnx", "export_safetensors", "parity_check"]

#: what an exported graph may give: name -> what it is of the model's outputs
OUTPUTS: Mapping[str, Callable[[Outputs], Tensor]] = {
    "logits": lambda found: found.logits,
    "softmax": lambda found: found.logits.softmax(dim=1),
    "sigmoid": lambda found: found.logits.sigmoid(),
    "features": lambda found: found.features,
}


class _Giving(nn.Module):
    """A model that gives one of its outputs."""

    def __init__(self, model: nn.Module, output: str) -> None:
        super().__init__()
        self.model, self.output = model, output

    def forward(self, images: Tensor) -> Tensor:
        return OUTPUTS[self.output](self.model(images))


def export_safetensors(model: Any, path: Path | str) -> None:
    """Write weights with the model's description in the header, and the description beside them as ``.json``.

    ``load("file:PATH")`` builds the model again from this one file.
    """
    path = Path(path)
    save_weights(path, model.state_dict(), {SPEC: json.dumps(model.spec)})
    write_json(path.with_suffix(".json"), model.spec)


def export_onnx(model: Any, path: Path | str, image_size: int = 0, *, output: str = "logits") -> None:
    """Write an ONNX file: input ``images``, one output, any batch size.

    The file says what it gives: the output is called as ``output`` says, and the metadata has ``output`` and
    ``classes``, a JSON list.

    Args:
        model: A classifier on the CPU; exported in evaluation mode and left as it was.
        path: The file to write, whole or not at all.
        image_size: Height and width of the input, in pixels; 0 is the size that the model was made for.
        output: A name of :data:`OUTPUTS`: logits or probabilities ``(N, C)``, or features ``(N, D)``, the input of the
            classifier layer.

    Raises:
        InputError: If the ``export`` extra is not installed, the size is not known, or there is no such output.
    """
    one_of(OUTPUTS, output=output)
    need("export", "ONNX", "onnx", "onnxscript")
    need_one_network(model, "this model", "an ONNX file")
    size = _size(model, image_size)
    modes = [(module, module.training) for module in model.modules()]
    try:
        for module, _ in modes:
            module.training = False
        with warnings.catch_warnings(), torch.no_grad():
            warnings.simplefilter("ignore")  # the exporter's own deprecations
            program = torch.onnx.export(
                _Giving(model, output),
                (torch.zeros(2, 3, size, size),),
                input_names=["images"],
                output_names=[output],
                dynamic_shapes=({0: torch.export.Dim("batch", min=1)},),
                dynamo=True,
                verbose=False,
            )
    finally:
        for module, mode in modes:
            module.training = mode
    assert program is not None
    program.model.metadata_props.update(output=output, classes=json.dumps(list(model.classes)))
    replace_file(Path(path), lambda temporary: program.save(str(temporary), external_data=False))


def parity_check(
    model: Any,
    path: Path | str,
    *,
    tolerance: float = 1e-4,
    image_size: int = 0,
    images: Tensor | None = None,
    output: str = "logits",
) -> float:
    """Compare an exported file with the model on a few images.

    Args:
        model: The classifier that was exported.
        path: A ``.onnx`` or ``.safetensors`` file.
        tolerance: Largest absolute difference of a value, ``>= 0``.
        image_size: As for :func:`export_onnx`.
        images: What to compare on, ``(N, 3, H, W)`` in 0..1; ``None`` draws three images of noise, always the same.
        output: What is compared; an ``.onnx`` file must give it.

    Returns:
        The largest absolute difference of a value.

    Raises:
        InputError: If it is above ``tolerance``, or the file cannot be run.
    """
    path = Path(path)
    if images is None:
        size = _size(model, image_size)
        images = torch.rand(3, 3, size, size, generator=torch.Generator().manual_seed(0))
    ours = OUTPUTS[output](_evaluate(model, images))
    if path.suffix == ".onnx":
        need("export", "checking ONNX", "onnxruntime")
        import onnxruntime

        session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
        (given,) = session.get_outputs()
        if given.name != output:
            raise InputError(f"{path} gives {given.name}, not {output}: compare that, or export again.")
        theirs = torch.from_numpy(session.run([output], {"images": images.numpy()})[0])
    else:
        theirs = OUTPUTS[output](_evaluate(load(f"file:{path}"), images))
    if theirs.shape != ours.shape:
        raise InputError(f"{path} gives {output} of shape {tuple(theirs.shape)}, the model {tuple(ours.shape)}.")
    difference = float((ours - theirs).abs().max())
    if not difference <= tolerance:
        raise InputError(
            f"{path} differs from the model by up to {difference:.3g} in its {output}, more than {tolerance:g}: "
            "do not ship it; export again, or allow more."
        )
    return difference


@torch.no_grad()
def _evaluate(model: Any, images: Tensor) -> Outputs:
    modes = [(module, module.training) for module in model.modules()]
    try:
        for module, _ in modes:
            module.training = False
        return model(images)
    finally:
        for module, mode in modes:
            module.training = mode


def _size(model: Any, image_size: int) -> int:
    size = image_size or int(model.spec["image_size"])
    if not size:
        raise InputError("the model does not say its image size: give image_size.")
    return size
