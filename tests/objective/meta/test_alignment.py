import numpy as np
import torch
from hypothesis import given
from hypothesis import strategies as st

from modelheir.objective.meta import DistributionAlignment


@given(st.integers(0, 99), st.floats(0.0, 1.0))
def test_it_is_the_written_rule(seed, decay):
    """By NumPy: the running mean, the ratio, the normalisation."""
    rng = np.random.default_rng(seed)
    prior, batches = rng.dirichlet(np.ones(4)), rng.dirichlet(np.ones(4), size=(3, 2))
    alignment = DistributionAlignment(torch.tensor(prior), teachers=2, decay=decay)
    for batch in batches:
        alignment.add(torch.tensor(batch))
    mean = np.average(batches, axis=0, weights=decay ** np.arange(3)[::-1].astype(float))
    p = rng.dirichlet(np.ones(4), size=(2, 5))
    wanted = p * ((prior + 1e-6) / (mean + 1e-6))[:, None]
    wanted /= wanted.sum(2, keepdims=True)
    found = (torch.tensor(p).log() + alignment.shift()[:, None]).softmax(2)
    np.testing.assert_allclose(found, wanted, rtol=1e-6)


def test_nothing_is_shifted_before_anything_was_seen_or_where_the_mean_is_the_prior():
    prior = torch.tensor([0.2, 0.8])
    alignment = DistributionAlignment(prior, teachers=1)
    torch.testing.assert_close(alignment.shift(), torch.zeros(1, 2))
    alignment.add(prior[None])
    torch.testing.assert_close(alignment.shift(), torch.zeros(1, 2))


def test_a_class_that_is_never_said_is_raised_by_a_finite_number():
    alignment = DistributionAlignment(torch.tensor([0.5, 0.5]), teachers=1)
    alignment.add(torch.tensor([[1.0, 0.0]]))
    assert alignment.shift().isfinite().all()
    other = DistributionAlignment(torch.tensor([0.5, 0.5]), teachers=1)
    other.load_state_dict({k: v.clone() for k, v in alignment.state_dict().items()})
    assert torch.equal(other.shift(), alignment.shift())
