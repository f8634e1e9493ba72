import numpy as np
import pytest
from scipy.cluster.vq import kmeans2

from modelheir.analysis.slices.clusters import k_means, nearest_centre, project


@pytest.mark.extras
@pytest.mark.parametrize(("width", "most"), [(7, 3), (60, 5), (5, 9)])
def test_axes_are_those_of_pca(width, most):
    from sklearn.decomposition import PCA

    rng = np.random.default_rng(0)
    values = rng.normal(size=(300, width)) * 3.0 ** -np.arange(width) + 50
    rows, fit = rng.permutation(300), np.arange(0, 300, 2)
    found = project(values.astype(np.float32), rows, fit, most=most)
    reference = PCA(min(most, width), svd_solver="full").fit(values[rows[fit]])
    wanted = reference.transform(values[rows])
    assert found.shape == wanted.shape
    for k in range(min(most, width, 4)):  # the later ones are below the rounding of float32 around 50
        sign = np.sign(found[:, k] @ wanted[:, k])
        np.testing.assert_allclose(sign * found[:, k], wanted[:, k], atol=2e-3 * np.abs(wanted[:, 0]).max())


def test_values_on_disk_are_read_in_blocks(tmp_path):
    values = np.random.default_rng(0).normal(size=(9000, 6)).astype(np.float32)
    np.save(tmp_path / "x.npy", values)
    mapped = np.load(tmp_path / "x.npy", mmap_mode="r")
    rows, fit = np.arange(9000)[::-1], np.arange(500)
    assert (project(mapped, rows, fit, most=2) == project(values, rows, fit, most=2)).all()


def test_a_far_group_is_a_cluster():
    rng = np.random.default_rng(0)
    truth = rng.integers(0, 5, 600)
    points = (rng.normal(size=(600, 3)) * 0.1 + rng.normal(size=(5, 3))[truth] * 10).astype(np.float32)
    centres = k_means(points, 5)
    of = nearest_centre(points, centres)
    assert len({(a, b) for a, b in zip(truth, of, strict=True)}) == 5
    again, _ = kmeans2(points, centres, minit="matrix", iter=5)  # SciPy would not move them
    np.testing.assert_allclose(again, centres, atol=1e-4)


def test_nearest_is_the_smallest_distance():
    rng = np.random.default_rng(1)
    points, centres = rng.normal(size=(9001, 4)), rng.normal(size=(13, 4))
    far = ((points[:, None] - centres) ** 2).sum(2)
    assert (nearest_centre(points, centres) == far.argmin(1)).all()


def test_edges():
    same = np.ones((6, 2), np.float32)
    assert k_means(same, 3).tolist() == [[1, 1]] * 3
    assert k_means(same[:1], 1).tolist() == [[1, 1]]
    points = np.random.default_rng(0).normal(size=(50, 2)).astype(np.float32)
    assert (k_means(points, 7) == k_means(points, 7)).all()
    with pytest.raises(ValueError, match="count must be from 1 to 6"):
        k_means(same, 7)
    with pytest.raises(ValueError, match="two dimensions"):
        project(np.ones(3), np.arange(3), np.arange(3))
    with pytest.raises(ValueError, match="most must be"):
        project(same, np.arange(6), np.arange(6), most=0)
