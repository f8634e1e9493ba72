"""The fixed threshold of FixMatch, against the labels that the losses take from logits, and at the threshold."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from modelheir.losses import confident_labels
from modelheir.objective import FixedThreshold


@settings(deadline=None, max_examples=25)
@given(st.floats(0, 1), st.integers(0, 50))
def test_it_counts_who_has_a_confident_label(confidence, seed):
    logits = 2 * torch.randn(9, 4, generator=torch.Generator().manual_seed(seed))
    found = FixedThreshold(confidence).weights(logits.softmax(1), torch.arange(9))
    assert found.tolist() == (confident_labels(logits, threshold=confidence) >= 0).float().tolist()


def test_at_the_threshold_it_counts_and_half_precision_is_widened():
    even = torch.full((2, 4), 0.25, dtype=torch.float16)
    index = torch.arange(2)
    assert FixedThreshold(0.25).weights(even, index).tolist() == [1, 1]
    assert FixedThreshold(0.26).weights(even, index).tolist() == [0, 0]
    assert FixedThreshold(0.25).weights(even, index).dtype == torch.float32
    assert FixedThreshold().confidence == 0.95
    assert FixedThreshold(1.0).weights(torch.ones(3, 1), torch.arange(3)).tolist() == [1, 1, 1]


def test_no_state_and_what_is_refused():
    threshold = FixedThreshold()
    assert threshold.state_dict() == {}
    assert threshold.load_state_dict({}) is None
    with pytest.raises(ValueError, match="confidence must be from 0 to 1"):
        FixedThreshold(1.1)
    with pytest.raises(ValueError, match="probabilities must have two dimensions"):
        threshold.weights(torch.ones(3), torch.arange(3))
