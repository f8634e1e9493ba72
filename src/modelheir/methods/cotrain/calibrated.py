"""The stage that ends an algorithm: its best heads, each with the temperature that fits the selection images.

A view that is sure without reason would otherwise outvote the others: the product of probabilities believes each view
as far as it believes itself. Guo et al., "On Calibration of Modern Neural Networks", 2017, arXiv:1706.04599.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from modelheir.methods.given.arms import merit

if TYPE_CHECKING:
    from modelheir.methods.cotrain.build import Build, Done, Node
    from modelheir.plans import Task

__all__ = ["calibrated"]


def calibrated(build: Build, name: str, node: Node) -> Node:
    """Add the stage; nothing is trained in it. Without ``calibrate`` the stages stay as they are.

    Args:
        build: The seed's pieces.
        name: Of the algorithm.
        node: Its stages, of which the best on the selection images is taken.
    """
    if not build.config.calibrate:
        return node

    def prepare(done: Done) -> Task:
        best = max((done[one] for one in node if not done[one].skipped), key=merit)
        heads = build.loaded(best)
        found = build.temperatures(heads)
        told = {key: best.describe[key] for key in ("setting", "named") if key in best.describe}
        return build.task(heads, {}, temperatures=found, describe={**told, "from": best.name, "temperatures": found})

    return build.add(f"{name}_calibrated", prepare)
