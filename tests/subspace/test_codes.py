"""A basis in few bits: what it is off by, what it takes, what is read again."""

import dataclasses
import itertools
import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from modelheir.checks import InputError
from modelheir.subspace import CodedBasis, Layout, encode, random_basis
from modelheir.subspace.codes import _pack, _unpack

LAYOUT = Layout(("a", "b", "c"), ((3, 5), (1,), (13,)))
BASIS = random_basis(LAYOUT, 4, seed=0)


@settings(deadline=None)
@given(st.integers(1, 8), st.integers(0, 99))
def test_products_are_off_by_no_more_than_half_a_step_a_number(bits, seed):
    """V-8, for any gradient; and the codes are those of the formula."""
    coded = encode(BASIS, bits=bits)
    rng = np.random.default_rng(seed)
    gradient, step = rng.standard_normal(29), rng.standard_normal(4)
    sizes = np.stack([np.abs(part).sum() for part in LAYOUT.split(gradient).values()])
    slack = 1e-5
    assert (np.abs(coded.project(gradient) - BASIS.components @ gradient) <= coded.step / 2 @ sizes + slack).all()
    bound = np.repeat(np.abs(step) @ (coded.step / 2), LAYOUT.sizes)
    assert (np.abs(coded.expand(step) - step @ BASIS.components) <= bound + slack).all()
    decoded = np.concatenate([part.reshape(4, -1) for part in coded.rows().values()], axis=1)
    assert coded.project(gradient) == pytest.approx(decoded @ gradient, abs=1e-5)
    assert coded.expand(step) == pytest.approx(step @ decoded, abs=1e-5)
    for place, (name, part) in enumerate(BASIS.rows().items()):
        flat = part.reshape(4, -1).astype(np.float64)
        low, high = flat.min(axis=1, keepdims=True), flat.max(axis=1, keepdims=True)
        delta = (high - low) / (2**bits - 1)
        wanted = low + delta * np.rint((flat - low) / np.where(delta > 0, delta, 1))
        assert np.abs(coded.rows()[name].reshape(4, -1) - wanted).max() <= 1.001 * delta.max() * (bits > 6) + 1e-6
        assert coded.step[:, place] == pytest.approx(delta[:, 0], abs=1e-6)


@settings(deadline=None)
@given(st.integers(1, 8), st.data())
def test_codes_are_packed_without_gaps(bits, data):
    codes = np.array(data.draw(st.lists(st.integers(0, 2**bits - 1), min_size=1, max_size=33)), np.uint8)
    packed = _pack(codes, bits)
    assert len(packed) == -(-len(codes) * bits // 8)
    assert _unpack(packed, bits, len(codes)).tolist() == codes.tolist()
    assert "".join(f"{one:0{bits}b}" for one in codes) == "".join(f"{one:08b}" for one in packed)[: len(codes) * bits]


def test_bits_take_their_share_of_memory():
    wide = random_basis(Layout(("w",), ((8000,),)), 3, seed=0)
    assert [encode(wide, bits=bits).nbytes for bits in (1, 3, 8)] == [3 * 1000 + 24, 3 * 3000 + 24, 3 * 8000 + 24]
    errors = [np.abs(encode(wide, bits=bits).rows()["w"] - wide.components).max() for bits in range(1, 9)]
    assert all(after < before for before, after in itertools.pairwise(errors))


def test_equal_numbers_are_kept_exactly():
    flat = dataclasses.replace(BASIS, components=np.full((4, 29), 0.25, np.float32))
    coded = encode(flat, bits=1)
    assert coded.rows()["c"].tolist() == np.full((4, 13), 0.25).tolist()
    assert coded.step.max() == 0


def test_numbers_too_small_for_a_step_of_their_own_do_not_wrap_around():
    tiny = np.zeros((4, 29), np.float32)
    tiny[:, 28] = 350 * np.finfo(np.float32).smallest_subnormal
    decoded = encode(dataclasses.replace(BASIS, components=tiny), bits=8).rows()["c"]
    assert (decoded[:, 12] > decoded[:, 0]).all()


@pytest.mark.parametrize("bits", [0, 9])
def test_other_numbers_of_bits_are_refused(bits):
    with pytest.raises(ValueError, match="bits must be from 1 to 8"):
        encode(BASIS, bits=bits)


def test_what_is_saved_is_read_again_and_what_is_damaged_refused(tmp_path):
    coded = encode(BASIS, bits=3)
    coded.save(tmp_path)
    found = CodedBasis.load(tmp_path, fingerprint=BASIS.fingerprint)
    assert (found.layout, found.bits, len(found), found.width) == (LAYOUT, 3, 4, 29)
    assert np.array_equal(found.expand(np.ones(4)), coded.expand(np.ones(4)))
    with pytest.raises(InputError, match="holds a basis of other snapshots"):
        CodedBasis.load(tmp_path, fingerprint="x")
    about = json.loads((tmp_path / "codes.json").read_text())
    for key, value in (("bits", 4), ("names", ["a", "b", "d"]), ("shapes", 3)):
        (tmp_path / "codes.json").write_text(json.dumps({**about, key: value}))
        with pytest.raises(InputError, match="not a whole basis"):
            CodedBasis.load(tmp_path)
    (tmp_path / "codes.json").write_text(json.dumps(about))
    (tmp_path / "codes.safetensors").write_bytes(b"short")
    with pytest.raises(InputError, match="not a whole basis"):
        CodedBasis.load(tmp_path)
    with pytest.raises(InputError, match=r"codes.json is missing"):
        CodedBasis.load(tmp_path / "nowhere")
