import numpy as np
import pytest

C = 4


@pytest.fixture
def worked():
    """Two models on eight images, worked out by hand: two flips each way, accuracy 3/4 before and after."""
    label = np.array([0, 1, 2, 3, 0, 1, 2, 3])
    old = np.array([0, 1, 2, 0, 0, 2, 2, 3])
    new = np.array([0, 1, 1, 3, 0, 1, 2, 0])
    return old, new, label
