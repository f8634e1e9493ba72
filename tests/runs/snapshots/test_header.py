"""The header of a snapshot names what was trained; a file that is none is told."""

import subprocess
import sys

import pytest
import torch

from modelheir.checks import InputError
from modelheir.runs.snapshots import trained_names, write_header
from modelheir.runs.tensors import save_weights


def test_names_come_back_in_their_order(tmp_path):
    path, names = tmp_path / "a.safetensors", ["model/b", "model/a"]
    save_weights(path, {name: torch.zeros(2) for name in [*names, "model/mean"]}, write_header(names))
    assert trained_names(path) == tuple(names)


def test_a_file_of_weights_alone_says_none(tmp_path):
    save_weights(tmp_path / "a.safetensors", {"model/a": torch.zeros(2)})
    assert trained_names(tmp_path / "a.safetensors") == ()


@pytest.mark.parametrize("about", [write_header(["model/b"]), {"trained": "["}, {"trained": '{"model/a": 1}'}])
def test_a_header_that_does_not_fit_is_told(about, tmp_path):
    save_weights(tmp_path / "a.safetensors", {"model/a": torch.zeros(2)}, about)
    with pytest.raises(InputError, match="its header names trained weights that it does not hold"):
        trained_names(tmp_path / "a.safetensors")


def test_a_file_that_is_cut_short_is_told(tmp_path):
    path = tmp_path / "a.safetensors"
    save_weights(path, {"model/a": torch.zeros(200)})
    path.write_bytes(path.read_bytes()[:-90])
    with pytest.raises(InputError, match="is not a whole safetensors file"):
        trained_names(path)
    with pytest.raises(InputError, match=r"b\.safetensors is not a whole safetensors file"):
        trained_names(tmp_path / "b.safetensors")


def test_the_header_is_read_without_torch():
    code = "import sys, modelheir.runs.snapshots.header; print('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "False\n"
