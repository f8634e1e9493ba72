"""Write a trained model for other programs, and show that the export says the same."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Annotated

from modelheir import assemble
from modelheir.address import parse_address
from modelheir.checks import Above, InputError, OneOf, one_of
from modelheir.cli.settings import parse
from modelheir.cli.spec import Spec
from modelheir.screen import show_table

__all__ = ["FORMATS", "ExportConfig", "main"]

FORMATS = ("safetensors", "onnx")


@dataclasses.dataclass(frozen=True)
class ExportConfig:
    """Settings of ``export``."""

    to: tuple[
        str, ...
    ] = ()  #: formats, with commas or spaces: onnx, safetensors; empty is both, onnx alone where output is not logits
    output: Annotated[str, OneOf("logits", "softmax", "sigmoid", "features")] = (
        "logits"  #: what the ONNX file gives; softmax and sigmoid are probabilities, features the classifier's input
    )
    out: str = ""  #: folder to write; empty is export in the run folder, or export here
    tolerance: Annotated[float, Above(0)] = 1e-4  #: largest difference of a value between model and export


SPEC = Spec(
    command="export",
    about="Write MODEL as ONNX and safetensors. Both take images from 0 to 1 (N, 3, H, W); ONNX gives one output.",
    configs={"": ExportConfig},
    words="MODEL",
    epilog="ONNX needs two extras: pip install 'modelheir[train,export]'.",
)


def main(argv: list[str]) -> int:
    """Export and print the largest difference of each format."""
    said = parse(SPEC, argv)
    (model,), config = said.words, said.configs[""]
    usual = FORMATS if config.output == "logits" else ("onnx",)
    formats = [name for word in config.to or usual for name in word.split(",") if name]
    if not formats:
        raise InputError(f"--to names no format. Known: {', '.join(FORMATS)}.")
    for name in formats:
        one_of(FORMATS, format=name)
    out = Path(config.out) if config.out else (parse_address(model).run or Path()) / "export"
    found = assemble.export(model, out, to=formats, output=config.output, tolerance=config.tolerance)
    rows = [[name, f"{about['max_difference']:.2e}", about["file"]] for name, about in found.items()]
    show_table("", ["format", f"largest difference of {config.output}", "file "], rows)
    return 0
