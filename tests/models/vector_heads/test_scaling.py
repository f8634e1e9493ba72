"""Mean and deviation in blocks against scikit-learn, the scaling of vectors, and what is refused."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.preprocessing import StandardScaler, normalize

from modelheir.checks import InputError
from modelheir.models import Moments, vector_moments
from modelheir.models.vector_heads.scaling import Scaling


def vectors(rows=40, width=5, seed=0):
    rng = np.random.default_rng(seed)
    return rng.normal(size=(rows, width)) * [1, 10, 0.01, 1, 1] + [0, 100, 5, -3, 0]


@settings(deadline=None, max_examples=25)
@given(st.lists(st.integers(0, 40), max_size=4))
def test_blocks_of_any_lengths_give_scikit_learns_moments(cuts):
    given_vectors = vectors()
    found = vector_moments(np.split(given_vectors, sorted(cuts)))
    expected = StandardScaler().fit(given_vectors)
    np.testing.assert_allclose(found.mean, expected.mean_, rtol=1e-6, atol=1e-6)
    np.testing.assert_allclose(found.deviation, expected.scale_, rtol=1e-6)


def test_standard_is_scikit_learns_and_l2_too():
    given_vectors = vectors()
    made = Scaling("standard", 5, vector_moments([given_vectors])).double()
    expected = StandardScaler().fit_transform(given_vectors)
    np.testing.assert_allclose(made(torch.tensor(given_vectors)), expected, rtol=1e-5, atol=1e-4)
    found = Scaling("l2", 5)(torch.tensor(given_vectors))
    np.testing.assert_allclose(found, normalize(given_vectors), rtol=1e-12)
    assert Scaling("none", 5)(torch.ones(1, 5)).tolist() == [[1.0] * 5]


def test_a_number_that_never_varies_is_only_shifted_and_zeros_stay_zeros():
    still = np.full((7, 1), 0.1, dtype=np.float32)
    found = vector_moments([still, still])
    assert found.deviation.tolist() == [1.0]
    alone = vector_moments([np.array([[2.0, -1.0]])])
    assert (alone.mean.tolist(), alone.deviation.tolist()) == ([2.0, -1.0], [1.0, 1.0])
    assert Scaling("l2", 3)(torch.zeros(1, 3)).tolist() == [[0.0] * 3]


def test_large_offsets_lose_nothing():
    given_vectors = np.random.default_rng(1).normal(size=(1000, 1)) + 1e5
    found = vector_moments(np.split(given_vectors, 10))
    assert found.deviation.item() == pytest.approx(given_vectors.std(), rel=1e-6)


def test_moments_are_weights_and_half_precision_stays():
    made = Scaling("standard", 2, Moments(torch.tensor([1.0, 2.0]), torch.tensor([2.0, 4.0])))
    again = Scaling("standard", 2)
    assert again(torch.ones(1, 2)).tolist() == [[1.0, 1.0]]
    again.load_state_dict(made.state_dict())
    half = torch.tensor([[3.0, 10.0]], dtype=torch.float16)
    assert again(half).tolist() == [[1.0, 2.0]]
    assert again(half).dtype == torch.float16
    assert [*Scaling("l2", 2).state_dict(), *Scaling("none", 2).state_dict()] == []


def test_bad_vectors_and_settings_are_refused():
    with pytest.raises(InputError, match="no vector to take the mean"):
        vector_moments([np.zeros((0, 3))])
    with pytest.raises(InputError, match="number 1 of a training vector is not finite"), np.errstate(invalid="ignore"):
        vector_moments([np.array([[0.0, np.nan, 1.0]]), np.zeros((2, 3))])
    with pytest.raises(ValueError, match="two dimensions"):
        vector_moments([np.zeros(3)])
    with pytest.raises(ValueError, match="lengths must be equal"):
        vector_moments([np.zeros((2, 3)), np.zeros((2, 4))])
    with pytest.raises(InputError, match="Did you mean 'standard'"):
        Scaling("standards", 3)
    with pytest.raises(ValueError, match="mean is"):
        Scaling("standard", 3, Moments(torch.zeros(2), torch.ones(2)))
