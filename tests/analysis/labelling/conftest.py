import numpy as np
import pytest

from modelheir.types import Predictions

KINDS = ((0, 0), (0, 1), (1, 0), (1, 1), (1, 2))  #: what both models say of an image of class 0, by outcome


@pytest.fixture
def world():
    """Make two models, unlabelled, and the labels of all images, from outcome counts; ids are in no order."""

    def make(counts, *, classes=None, labelled=()):
        said = np.array([KINDS[kind] for kind, count in enumerate(counts) for _ in range(count)])
        rng = np.random.default_rng(0)
        said = said[rng.permutation(len(said))]
        ids = np.array([f"im{i}" for i in range(len(said))])
        order = rng.permutation(len(said))
        label = np.where(np.isin(ids, labelled), 0, -1)
        old = Predictions(ids, label, said[:, 0], classes=classes)
        new = Predictions(ids[order], label[order], said[order, 1], classes=classes)
        return old, new, (ids, np.zeros(len(ids), np.int64))

    return make
