"""Write a trained model for other programs, and show that the export says the same."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Annotated

from modelheir import assemble
from modelheir.address import parse_address
from modelheir.checks import Above, InputError, one_of
from modelheir.cli.settings import parse
from modelheir.cli.spec import Spec
from modelheir.screen import show_table

__all__ = ["FORMATS", "ExportConfig", "main"]

FORMATS = ("safetensors", "onnx")


@dataclasses.dataclass(frozen=True)
class ExportConfig:
    """Settings of ``export``."""

    to: tuple[str, ...] = FORMATS  #: formats, with commas or spaces: onnx, safetensors
    out: str = ""  #: folder to write; empty is export in the run folder, or export here
    tolerance: Annotated[float, Above(0)] = 1e-4  #: largest difference of a logit between model and export


SPEC = Spec(
    command="export",
    about="Write MODEL as ONNX and safetensors. Both take images from 0 to 1 (N, 3, H, W) and give logits.",
    configs={"": ExportConfig},
    words="MODEL",
    epilog="ONNX needs two extras: pip install 'modelheir[train,export]'.",
)


def main(argv: list[str]) -> int:
    """Export and print the largest difference of each format."""
    said = parse(SPEC, argv)
    (model,), config = said.words, said.configs[""]
    formats = [name for word in config.to for name in word.split(",") if name]
    if not formats:
        raise InputError(f"--to names no format. Known: {', '.join(FORMATS)}.")
    for name in formats:
        one_of(FORMATS, format=name)
    out = Path(config.out) if config.out else (parse_address(model).run or Path()) / "export"
    found = assemble.export(model, out, to=formats, tolerance=config.tolerance)
    rows = [[name, f"{about['max_difference']:.2e}", about["file"]] for name, about in found.items()]
    show_table("", ["format", "largest difference of a logit", "file "], rows)
    return 0
