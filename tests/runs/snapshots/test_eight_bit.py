"""Weights in eight bits: against NumPy, within half a level, and what is not coded stays as it is."""

import numpy as np
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from modelheir.runs.snapshots import decode, encode
from modelheir.runs.tensors import load_weights, save_weights


def by_hand(weight):
    """Return a weight after coding, channel by channel in float64."""
    out = np.empty(weight.shape)
    for i, row in enumerate(weight.astype(np.float64)):
        low, step = row.min(), (row.max() - row.min()) / 255
        out[i] = low if step == 0 else low + step * np.rint((row - low) / step)
    return out


def test_it_is_the_code_of_each_channel(draw):
    weight = draw(3, 4, 2, 2) * torch.tensor([1.0, 1e-3, 50.0]).reshape(3, 1, 1, 1) + 0.1
    found = decode(encode({"w": weight}))["w"]
    assert found.shape == weight.shape
    np.testing.assert_allclose(found.numpy(), by_hand(weight.numpy()), rtol=1e-5, atol=1e-7)


@settings(deadline=None)
@given(
    rows=st.integers(1, 4), columns=st.integers(1, 9), scale=st.sampled_from([1e-6, 1.0, 1e4]), seed=st.integers(0, 99)
)
def test_a_weight_is_off_by_half_a_level_at_most_and_codes_are_stable(rows, columns, scale, seed):
    weight = torch.randn(rows, columns, generator=torch.Generator().manual_seed(seed)) * scale
    once = decode(encode({"w": weight}))["w"]
    span = (weight.amax(1) - weight.amin(1))[:, None]
    assert ((once - weight).abs() <= span / 510 + 1e-6 * weight.abs().max()).all()
    assert torch.equal(once.amin(1), weight.amin(1))  # the least of a channel keeps its bits


def test_what_has_one_dimension_or_is_no_weight_stays(draw):
    state = {"bias": draw(5), "count": torch.tensor(7), "half": draw(3).bfloat16(), "flat": torch.full((2, 3), 0.3)}
    found = decode(encode(state))
    assert torch.equal(found["bias"], state["bias"])
    assert torch.equal(found["count"], state["count"])
    assert found["count"].dtype == torch.int64
    assert torch.equal(found["half"], state["half"].float())
    assert torch.equal(found["flat"], state["flat"])  # one level is enough
    assert list(found) == list(state)


def test_a_file_of_codes_is_a_quarter_and_reads_as_weights(tmp_path, draw):
    state = {"model/w": draw(64, 512), "model/b": draw(64)}
    save_weights(tmp_path / "whole.safetensors", state)
    save_weights(tmp_path / "codes.safetensors", encode(state))
    found = load_weights(tmp_path / "codes.safetensors")
    assert found["model/w"].dtype == torch.float32
    torch.testing.assert_close(found["model/w"], state["model/w"], rtol=0, atol=0.02)
    sizes = [(tmp_path / name).stat().st_size for name in ("whole.safetensors", "codes.safetensors")]
    assert sizes[1] < 0.28 * sizes[0]


def test_a_weight_whose_name_ends_so_is_no_scale(draw):
    state = {"odd#scale": draw(3)}
    assert torch.equal(decode(state)["odd#scale"], state["odd#scale"])
