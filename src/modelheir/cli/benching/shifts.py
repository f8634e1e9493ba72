"""``bench shifts``: how large the shifts of data over time are."""

from __future__ import annotations

import math

from modelheir.bench import pictures
from modelheir.bench.pictures.settings import ShiftsConfig
from modelheir.cli.settings import parse
from modelheir.cli.spec import Spec
from modelheir.config.unread import refuse_unread
from modelheir.extras import need_train
from modelheir.screen import say, show_table

__all__ = ["main"]

SPEC = Spec(
    command="bench shifts",
    about=(
        "Measure how far the images of a step are from those of the next, and from the newest test images, as a\n"
        "multiple of what is no shift: 1 is none. Covariate: of all images; conditional: within each class."
    ),
    configs={"": ShiftsConfig},
    epilog="Ratios, distances and pictures go to OUT. docs/pictures.md says how they are computed.",
)

_NAMES = ("covariate", "conditional", "covariate_ratio", "conditional_ratio")


def main(argv: list[str]) -> int:
    """Measure, print a table a sequence, and say where the pictures are."""
    config: ShiftsConfig = parse(SPEC, argv).configs[""]
    config.check()
    refuse_unread(config, ShiftsConfig(), "")
    need_train("measuring shifts")
    found = pictures.measure_shifts(config)
    columns = ["transition", "covariate", "conditional", "covariate ratio", "conditional ratio"]
    for one in found:
        table = [[row["transition"], *(_number(row[name]) for name in _NAMES)] for row in one.rows]
        show_table(f"shifts of {one.sequence}, in levels of a pixel", columns, table)
    say(*(f"Picture: {one.picture} (numbers: {one.picture.with_suffix('.csv').name})" for one in found))
    return 0


def _number(value: float) -> str:
    return f"{value:.2f}" if math.isfinite(value) else "not defined"
