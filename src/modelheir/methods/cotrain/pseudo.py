"""Pseudo-labels of all views together: the plainest use of a pool, and what each view is then worth as a student.

The heads that were trained on the labels name the pool together, and a new head a view learns from the labels and from
what was named. Averages over several models make better pseudo-labels than one (V-PET, 2025, over adapters and
backbones: :mod:`modelheir.methods.cotrain.tuned`); here they are over the views, by the rule ``joint``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from modelheir.checks import InputError
from modelheir.methods.cotrain.supervised import views_alone, views_task
from modelheir.metrics.joint import joint_probabilities

if TYPE_CHECKING:
    from modelheir.methods.cotrain.build import Build, Done, Node
    from modelheir.plans import Task

__all__ = ["pseudo_labels"]


def pseudo_labels(build: Build) -> Node:
    """Add the stage of heads that learn from the labels and from what all views together name."""
    (before,) = views_alone(build)

    def prepare(done: Done) -> Task:
        heads = build.loaded(done[before])
        said = [one / by for one, by in zip(build.logits(heads, build.pool), build.temperatures(heads), strict=True)]
        rule: Any = build.config.joint
        found = joint_probabilities(said, rule=rule, prior=build.prior)
        sure = np.flatnonzero(found.max(1) >= build.config.pseudo_threshold)
        if not len(sure):
            raise InputError(
                f"none of the {len(build.pool):,} images without a label reaches method.pseudo_threshold = "
                f"{build.config.pseudo_threshold} (the surest has {found.max():.3f}): lower it."
            )
        both = build.named(sure, found[sure].argmax(1))
        return views_task(build, build.heads(1), dict.fromkeys(build.names, both), describe={"named": len(sure)})

    return build.add("pseudo_label", prepare)
