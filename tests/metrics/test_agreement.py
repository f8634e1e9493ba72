import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from modelheir.metrics.agreement import agreement, cohen_kappa, disagreement_in_correctness
from modelheir.metrics.flips import flip_rates

rows = st.lists(st.tuples(*[st.integers(0, 3)] * 3), min_size=2, max_size=30)


@pytest.mark.extras
@settings(deadline=None, max_examples=25)
@given(rows)
def test_against_scikit_learn_and_flips(found):
    from sklearn.metrics import cohen_kappa_score

    old, new, label = np.array(found).T
    if len(set(old) | set(new)) > 1:
        assert cohen_kappa(old, new) == pytest.approx(cohen_kappa_score(old, new))
    rates = flip_rates(old, new, label)
    assert agreement(old, new) == pytest.approx(1 - rates["churn"])
    assert disagreement_in_correctness(old, new, label) == pytest.approx(rates["nfr"] + rates["pfr"])


def test_edges():
    assert cohen_kappa([2, 2], [2, 2]) == 1
    with pytest.raises(ValueError, match="at least one image"):
        agreement([], [])
    with pytest.raises(ValueError, match="shapes must be equal"):
        agreement([1], [1, 2])
