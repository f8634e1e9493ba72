import dataclasses

import numpy as np
import pytest

from modelheir.types import Predictions

C = 5


@pytest.fixture
def make():
    """Make predictions of ``n`` images; equal seeds of the data give equal ids and labels."""

    def build(seed, *, n=120, strength=2.0, scores="logits", classes=None, order=None):
        label = np.random.default_rng(99).integers(0, C, n)
        rng = np.random.default_rng(seed)
        logits = rng.normal(size=(n, C)).astype(np.float32)
        logits[np.arange(n), label] += strength
        found = Predictions(
            sample_id=np.array([f"img{i:03d}" for i in range(n)]),
            label=label,
            prediction=logits.argmax(1),
            logits=logits if scores == "logits" else None,
            probabilities=(np.exp(logits) / np.exp(logits).sum(1, keepdims=True))
            if scores == "probabilities"
            else None,
            classes=classes,
            columns={"site": np.array(["north", "south", "west"])[np.arange(n) % 3]},
        )
        return found if order is None else take(found, np.random.default_rng(order).permutation(n))

    return build


def take(found, rows):
    changes = {
        name: getattr(found, name)[rows]
        for name in ("sample_id", "label", "prediction", "logits", "probabilities")
        if getattr(found, name) is not None
    }
    return dataclasses.replace(found, **changes, columns={k: v[rows] for k, v in found.columns.items()})


@pytest.fixture
def rows():
    return take
