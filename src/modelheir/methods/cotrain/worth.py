"""What the views of the first seed are worth, alone and together, on the reporting images: told, and choosing nothing.

Co-training rests on views that each tell the class and err apart; here is how far these do.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from modelheir import analysis
from modelheir.types import Predictions

if TYPE_CHECKING:
    from modelheir.data import VectorSet
    from modelheir.methods.cotrain.build import Build, Done
    from modelheir.models import VectorHead

__all__ = ["worth_of_views"]


def worth_of_views(build: Build, done: Done, chosen: Mapping[str, VectorHead]) -> tuple[dict[str, Any], list[str]]:
    """Judge the views by their heads on the labels alone, where these were trained.

    Args:
        build: The first seed's pieces.
        done: Finished stages.
        chosen: Heads of the chosen algorithm; where they are one a view, what teaching added is told.

    Returns:
        JSON, and the same in sentences; both empty where no heads of single views were trained on the labels.
    """
    alone = done.get(f"supervised{build.suffix}")
    if alone is None:
        return {}, []
    test = _known(build.views.sets["test"])
    names = [str(one["address"]) for one in build.views.encoders]

    def scaled(heads: Mapping[str, VectorHead]) -> list[Predictions]:
        found = zip(build.logits(heads, test), build.temperatures(heads), strict=True)
        return _predictions(test, [logits / by for logits, by in found])

    def said(heads: Mapping[str, VectorHead]) -> dict[str, Predictions]:
        return dict(zip(names, scaled(heads), strict=True))

    beside = done.get(f"concatenated{build.suffix}")
    before, after = build.loaded(alone), len(chosen) > 1
    same = after and all(_equal(one, other) for one, other in zip(before.values(), chosen.values(), strict=True))
    found = analysis.view_fitness(
        said(before),
        rule=build.config.joint,  # pyright: ignore[reportArgumentType]
        prior=build.prior,
        concatenated=None if beside is None else scaled(build.loaded(beside))[0],
        taught=said(chosen) if after and not same else None,
    )
    val = _known(build.views.sets["val"])
    vectors = [np.concatenate(parts) for parts in zip(_read(val), _read(test), strict=True)]
    judged = np.arange(len(val) + len(test)) >= len(val)
    translated = analysis.view_translations(
        dict(zip(names, vectors, strict=True)), np.concatenate([val.labels, test.labels]), judged
    )
    told = {"fitness": found.to_json(), "translations": [one.to_json() for one in translated]}
    lines = [*found.sentences(), *(one.sentence() for one in translated)]
    return told, [re.sub("^the ", "The ", line) for line in lines]


def _known(vectors: VectorSet) -> VectorSet:
    return vectors.subset(vectors.labels >= 0)


def _read(vectors: VectorSet) -> tuple[np.ndarray, ...]:
    return vectors.read(np.arange(len(vectors)))


def _predictions(vectors: VectorSet, logits: Sequence[np.ndarray]) -> list[Predictions]:
    return [
        Predictions(vectors.ids, vectors.labels, one.argmax(1), logits=one, classes=vectors.classes) for one in logits
    ]


def _equal(one: VectorHead, other: VectorHead) -> bool:
    mine, theirs = one.state_dict(), other.state_dict()
    return mine.keys() == theirs.keys() and all(bool((mine[key].cpu() == theirs[key].cpu()).all()) for key in mine)
