import builtins
import json
import sys

import numpy as np
import pytest
import scipy.special
import torch

from modelheir.checks import InputError
from modelheir.config.network import NetworkConfig
from modelheir.models import build, state_hash
from modelheir.models.backward_compatible import transplant
from modelheir.models.files.export import OUTPUTS, export_onnx, export_safetensors, parity_check

CLASSES = ("a", "b", "c")
SETTINGS = NetworkConfig(kwargs={"width": 4, "blocks": 2}, embedding=5, mean=(0.4,) * 3, std=(0.2,) * 3)


def small(seed=0):
    return build("convnet", classes=CLASSES, image_size=8, config=SETTINGS, seed=seed)


def test_safetensors_says_the_same(tmp_path):
    model = small()
    export_safetensors(model, tmp_path / "model.safetensors")
    assert parity_check(model, tmp_path / "model.safetensors") == 0
    assert json.loads((tmp_path / "model.json").read_text())["classes"] == list(CLASSES)


def test_onnx_says_the_same_for_any_batch(tmp_path):
    model, path = small(), tmp_path / "model.onnx"
    before = state_hash(model)
    export_onnx(model, path)
    assert parity_check(model, path) < 1e-5
    for count in (1, 7):
        assert parity_check(model, path, images=torch.rand(count, 3, 8, 8)) < 1e-5
    assert model.training
    assert state_hash(model) == before
    assert [file.name for file in tmp_path.iterdir()] == ["model.onnx"]  # weights inside, nothing half-written


def test_a_transplanted_head_exports(tmp_path):
    model = transplant(small(0), small(1), alpha=0.5)
    export_onnx(model, tmp_path / "model.onnx")
    assert parity_check(model, tmp_path / "model.onnx") < 1e-5
    export_safetensors(model, tmp_path / "model.safetensors")
    assert parity_check(model, tmp_path / "model.safetensors") == 0


ORACLES = {
    "logits": lambda found: found.logits.numpy(),
    "softmax": lambda found: scipy.special.softmax(found.logits.numpy(), axis=1),
    "sigmoid": lambda found: scipy.special.expit(found.logits.numpy()),
    "features": lambda found: found.features.numpy(),
}


@pytest.mark.parametrize("output", OUTPUTS)
def test_the_graph_gives_what_was_asked_for_and_says_so(output, tmp_path):
    import onnxruntime

    model, path = small(), tmp_path / "model.onnx"
    export_onnx(model, path, output=output)
    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    assert [one.name for one in session.get_outputs()] == [output]
    told = session.get_modelmeta().custom_metadata_map
    assert (told["output"], json.loads(told["classes"])) == (output, list(CLASSES))
    images = torch.rand(5, 3, 8, 8, generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        expected = ORACLES[output](model.eval()(images))
    (found,) = session.run(None, {"images": images.numpy()})
    assert found.shape == {"features": (5, 5)}.get(output, (5, 3))
    np.testing.assert_allclose(found, expected, atol=1e-5)
    assert parity_check(model, path, output=output, images=images) < 1e-5


def test_what_is_compared_is_what_is_exported(tmp_path):
    model, path = small(), tmp_path / "model.onnx"
    export_onnx(model, path, output="softmax")
    with pytest.raises(InputError, match=r"model.onnx gives softmax, not logits: compare that, or export again"):
        parity_check(model, path)
    with torch.no_grad():
        model.head.bias += torch.tensor([5.0, 0.0, 0.0])
    with pytest.raises(InputError, match=r"differs from the model by up to 0\.\d+ in its softmax"):
        parity_check(model, path, output="softmax")
    with pytest.raises(InputError, match=r"unknown output 'softmx'. Did you mean 'softmax'"):
        export_onnx(model, path, output="softmx")


@pytest.mark.slow
@pytest.mark.parametrize("name", ["tv:resnet18", "tv:mobilenet_v2"])
def test_library_network(tmp_path, name):
    model = build(name, classes=CLASSES, image_size=64)
    export_onnx(model, tmp_path / "model.onnx")
    assert parity_check(model, tmp_path / "model.onnx") < 1e-4


def test_a_difference_stops(tmp_path):
    model = small()
    export_safetensors(model, tmp_path / "model.safetensors")
    with torch.no_grad():
        model.head.bias += 1
    with pytest.raises(InputError, match="differs from the model by up to 1 "):
        parity_check(model, tmp_path / "model.safetensors")
    with torch.no_grad():
        model.head.bias += float("nan")
    with pytest.raises(InputError, match="differs from the model by up to nan"):
        parity_check(model, tmp_path / "model.safetensors")


def test_other_classes_stop(tmp_path):
    export_safetensors(small(), tmp_path / "model.safetensors")
    other = build("convnet", classes=("a", "b"), image_size=8, config=SETTINGS)
    with pytest.raises(InputError, match=r"shape \(3, 3\), the model \(3, 2\)"):
        parity_check(other, tmp_path / "model.safetensors")


def test_a_missing_extra_is_named(tmp_path, monkeypatch):
    for name in ("onnx", "onnxscript"):
        monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(
        InputError, match=r"ONNX needs .*pip install 'modelheir\[export\]' \(missing: onnx, onnxscript\)"
    ):
        export_onnx(small(), tmp_path / "model.onnx")
    assert builtins.list(tmp_path.iterdir()) == []


def test_an_unknown_size_is_asked_for(tmp_path):
    model = build("convnet", classes=CLASSES, image_size=0)
    with pytest.raises(InputError, match="give image_size"):
        export_onnx(model, tmp_path / "model.onnx")
