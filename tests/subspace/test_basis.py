"""A basis on disk: whole or absent, the same when read, and refused with other snapshots."""

import json

import numpy as np
import pytest
from safetensors.numpy import load_file

from modelheir.checks import InputError
from modelheir.shard import Shard
from modelheir.subspace import Basis, Layout, StackedRows, deviations, pca, random_basis

LAYOUT = Layout(("a", "b"), ((2, 3), (5,)))


@pytest.fixture
def made():
    values = np.random.default_rng(0).standard_normal((6, 11)).astype(np.float32)
    return pca(StackedRows(values, LAYOUT), 4)


def test_products_are_numpys(made):
    rng = np.random.default_rng(1)
    gradient, step = rng.standard_normal(11), rng.standard_normal(4)
    assert made.project(gradient) == pytest.approx(made.components @ gradient, rel=1e-5)
    assert made.expand(step) == pytest.approx(made.components.T @ step, rel=1e-4, abs=1e-6)
    assert made.project(made.expand(step)) == pytest.approx(step, abs=1e-6)
    residual = gradient - made.expand(made.project(gradient))
    assert made.project(residual) == pytest.approx(np.zeros(4), abs=1e-6)
    inside = made.project(gradient)
    assert (gradient**2).sum() == pytest.approx((inside**2).sum() + (residual**2).sum(), rel=1e-5)


def test_rows_are_the_directions_of_each_parameter(made):
    rows = made.rows()
    assert {name: part.shape for name, part in rows.items()} == {"a": (4, 2, 3), "b": (4, 5)}
    assert np.array_equal(rows["a"][2].reshape(-1), made.components[2, :6])
    assert np.shares_memory(rows["b"], made.components)


@pytest.mark.parametrize("world", [1, 3, 8])
def test_directions_shared_among_processes_are_those_of_one(world):
    """Q-5: none is lost where their number is no multiple of the processes', and a process may hold none."""
    whole = random_basis(Layout(("w",), ((90,),)), 30, seed=0)
    rng = np.random.default_rng(0)
    gradient, step = rng.standard_normal(90), rng.standard_normal(30)
    held = [Shard(number, world).rows(30) for number in range(1, world + 1)]
    parts = [whole.part(own) for own in held]
    assert np.concatenate([part.project(gradient) for part in parts]) == pytest.approx(
        whole.project(gradient), abs=1e-5
    )
    together = sum(part.expand(step[own.start : own.stop]) for part, own in zip(parts, held, strict=True))
    assert together == pytest.approx(whole.expand(step), abs=1e-5)
    assert len(whole.part(range(3, 3))) == 0


@pytest.mark.parametrize("kind", ["pca", "random", "deviations"])
def test_what_is_saved_is_read_again(kind, tmp_path):
    values = np.random.default_rng(0).standard_normal((6, 11))
    if kind == "pca":
        basis = pca(StackedRows(values, LAYOUT), 4)  # in float64
    elif kind == "random":
        basis = random_basis(LAYOUT, 3, seed=1)
    else:
        basis = deviations(StackedRows(values.astype(np.float32), LAYOUT))
    basis.save(tmp_path / "x" / "y")
    found = Basis.load(tmp_path / "x" / "y", fingerprint=basis.fingerprint)
    for name in ("components", "singular_values", "explained", "mixture"):
        assert np.array_equal(getattr(found, name), getattr(basis, name)), name
        assert getattr(found, name).dtype == getattr(basis, name).dtype
    assert (found.layout, found.kind, found.fingerprint) == (LAYOUT, kind, basis.fingerprint)
    assert found.blocks == basis.blocks == ((0, 1) if kind == "deviations" else ())
    assert (found.mean is None) == (basis.mean is None) == (kind == "random")
    if basis.mean is not None:
        assert np.array_equal(found.mean, basis.mean)
    assert isinstance(found.components, np.memmap)
    assert not found.components.flags.writeable
    anyone = load_file(tmp_path / "x" / "y" / "basis.safetensors")
    assert np.array_equal(anyone["components"], basis.components)
    with (tmp_path / "x" / "y" / "basis.safetensors").open("rb") as handle:
        assert int.from_bytes(handle.read(8), "little") % 8 == 0  # numbers are aligned
    told = json.loads((tmp_path / "x" / "y" / "basis.json").read_text())
    assert (told["kind"], told["names"], told["count"]) == (kind, ["a", "b"], len(basis))
    assert told["explained"] == pytest.approx(list(basis.explained))


def test_many_columns_are_copied_in_parts(monkeypatch, made, tmp_path):
    monkeypatch.setattr("modelheir.subspace.basis._COLUMNS", 3)
    made.save(tmp_path)
    found = Basis.load(tmp_path)
    assert np.array_equal(found.components, made.components)
    assert np.array_equal(found.mean, made.mean)


def test_a_basis_of_other_snapshots_is_refused(made, tmp_path):
    made.save(tmp_path)
    with pytest.raises(InputError, match=r"basis.safetensors is a basis of other snapshots than those at hand. Delete"):
        Basis.load(tmp_path, fingerprint="0" * 64)
    assert len(Basis.load(tmp_path, fingerprint=made.fingerprint)) == 4
    assert len(Basis.load(tmp_path)) == 4


def test_a_basis_that_is_missing_or_damaged_is_refused(made, tmp_path):
    """Q-10, Q-13: no marker says that a file is whole; its own table does."""
    with pytest.raises(InputError, match="is missing: no basis was saved there"):
        Basis.load(tmp_path)
    made.save(tmp_path)
    path = tmp_path / "basis.safetensors"
    whole = path.read_bytes()
    for damaged, says in (
        (whole[:-1], "cut short"),
        (whole[:20], "header is longer"),
        (whole.replace(b"modelheir_basis", b"something_other"), "modelheir_basis"),
        (whole.replace(b'\\"count\\": 4', b'\\"count\\": 3'), "another shape"),
        (whole.replace(b'"shape": [4, 11]', b'"shape": [4, 10]'), "damaged"),
        (whole.replace(b'"F32"', b'"F16"'), "F16"),
    ):
        assert damaged != whole
        path.write_bytes(damaged)
        with pytest.raises(InputError, match=f"not a whole basis .*{says}.*made again"):
            Basis.load(tmp_path)


def test_what_stops_the_writing_leaves_the_old_file(made, tmp_path, monkeypatch):
    made.save(tmp_path)
    before = (tmp_path / "basis.safetensors").read_bytes()

    def stopped(self, start):
        raise KeyboardInterrupt

    monkeypatch.setattr(Basis, "_columns", stopped)
    with pytest.raises(KeyboardInterrupt):
        made.part(range(2)).save(tmp_path)
    assert (tmp_path / "basis.safetensors").read_bytes() == before
    assert len(list(tmp_path.iterdir())) == 2


def test_snapshots_that_directions_are_made_of(made):
    values = np.random.default_rng(0).standard_normal((6, 11)).astype(np.float32)
    z = np.random.default_rng(1).standard_normal(4)
    assert made.of_snapshots(z) @ values == pytest.approx(made.expand(z), abs=1e-5)
    assert made.of_snapshots(z).sum() == pytest.approx(0, abs=1e-9)
    with pytest.raises(ValueError, match="directions of random are no sums of snapshots"):
        random_basis(LAYOUT, 2, seed=0).of_snapshots(np.ones(2))
