"""``export``: formats, the folder, and the parity shown."""

from pathlib import Path

import pytest

import modelheir.assemble
from modelheir.checks import InputError, OneOf
from modelheir.cli import export
from modelheir.config.describe import settings
from modelheir.models.files import OUTPUTS


@pytest.mark.parametrize("words", [["--to", "onnx,safetensors"], ["--to", "onnx", "--to", "safetensors"]])
def test_formats_and_parity(words, calls, tmp_path, capsys):
    calls.replace(modelheir.assemble, "export", {"onnx": {"file": "m.onnx", "max_difference": 1.25e-6}})
    assert export.main([f"run:{tmp_path}", *words]) == 0
    (model, out), named = calls["export"]
    assert (model, out, named["to"]) == (f"run:{tmp_path}", tmp_path / "export", ["onnx", "safetensors"])
    assert "1.25e-06" in capsys.readouterr().out


def test_other_models_go_below_the_current_folder(calls):
    calls.replace(modelheir.assemble, "export", {})
    export.main(["tv:resnet18"])
    assert calls["export"][0][1] == Path("export")


def test_an_output_is_for_onnx_alone(calls, capsys):
    calls.replace(modelheir.assemble, "export", {"onnx": {"file": "m.onnx", "max_difference": 1e-7}})
    assert export.main(["tv:resnet18", "--output", "softmax"]) == 0
    assert calls["export"][1] == {"to": ["onnx"], "output": "softmax", "tolerance": 1e-4}
    assert "largest difference of softmax" in capsys.readouterr().out
    with pytest.raises(InputError, match="Did you mean 'softmax'"):
        export.main(["tv:resnet18", "--output", "sofmax"])


def test_the_outputs_are_those_of_the_export():
    (output,) = [one for one in settings(export.ExportConfig) if one.key == "output"]
    assert output.limit == OneOf(*OUTPUTS)


def test_unknown_format():
    with pytest.raises(InputError, match=r"unknown format 'onx'\. Did you mean 'onnx'"):
        export.main(["tv:x", "--to", "onx"])
