import numpy as np
import pytest
from scipy.stats import fisher_exact, hypergeom

from modelheir.metrics.statistics.fisher import fisher_greater


@pytest.mark.parametrize(("all_hits", "all_total"), [(30, 200), (3, 40), (190, 200), (40, 40)])
def test_p_is_scipys(all_hits, all_total):
    rng = np.random.default_rng(0)
    total = rng.integers(0, all_total + 1, 50)
    hits = np.array([rng.hypergeometric(all_hits, all_total - all_hits, n) for n in total])
    found = fisher_greater(hits, total, all_hits=all_hits, all_total=all_total)
    for p, h, n in zip(found, hits, total, strict=True):
        table = [[h, n - h], [all_hits - h, all_total - all_hits - n + h]]
        np.testing.assert_allclose(p, fisher_exact(table, alternative="greater").pvalue, rtol=1e-9)


def test_large_counts_keep_their_digits():
    hits, total = np.array([700, 520]), np.array([20_000, 20_000])
    found = fisher_greater(hits, total, all_hits=25_000, all_total=1_000_000)
    np.testing.assert_allclose(found, hypergeom.sf(hits - 1, 1_000_000, 25_000, total), rtol=1e-6)
    assert found[0] < 1e-15 < found[1]


def test_the_chance_of_a_small_p_is_small():
    """Blind draws have p at or below a level no more often than the level says."""
    chances = hypergeom(100, 12, 25)
    x = np.arange(13)
    p = fisher_greater(x, np.full(13, 25), all_hits=12, all_total=100)
    for level in (0.5, 0.1, 0.05, 0.01):
        assert chances.pmf(x)[p <= level].sum() <= level + 1e-12


def test_edges_and_refusals():
    assert fisher_greater(np.array([], int), np.array([], int), all_hits=1, all_total=2).tolist() == []
    assert fisher_greater(np.array([0, 0, 2]), np.array([0, 2, 4]), all_hits=2, all_total=4).tolist() == [1, 1, 1]
    for hits, total in (([3], [2]), ([-1], [2]), ([3], [4]), ([0], [3])):
        with pytest.raises(ValueError, match="more hits or misses than there are"):
            fisher_greater(np.array(hits), np.array(total), all_hits=2, all_total=4)
    with pytest.raises(ValueError, match="shapes"):
        fisher_greater(np.array([1]), np.array([1, 2]), all_hits=2, all_total=4)
