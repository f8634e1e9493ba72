"""One step as an ordinary model: the same outputs, and from disk again."""

import pytest
import torch
from torch import nn

from modelheir.checks import InputError
from modelheir.models import Classifier, layers, load, parameter_counts, stages
from modelheir.models.blends.line import model_between
from modelheir.models.bodies.blocks import FAMILIES
from modelheir.models.files.export import export_safetensors
from modelheir.models.over_time import before_newest, publish
from modelheir.runs.files import write_json
from modelheir.runs.folder import RunFolder
from modelheir.runs.tensors import save_weights

MODES = {
    "separate": {},
    "side": {"mode": "side_tune"},
    "side, all layers": {"mode": "side_tune", "all_layers_efficient": True},
    "low rank": {"mode": "low_rank_adapt", "adapter_rank": 2},
    "low rank, all layers": {"mode": "low_rank_adapt", "adapter_rank": 2, "all_layers_efficient": True},
    "low rank, multiplied": {"mode": "low_rank_adapt", "adapter_rank": 2, "adapter_mode": "multiply"},
}


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("name", FAMILIES)
def test_every_step_has_the_same_outputs_and_comes_back_from_a_run_folder(name, mode, over_time, images, tmp_path):
    model = over_time(name, separate="all:layer1", **MODES[mode]).eval()
    for step in range(3):
        found = publish(model, step)
        assert isinstance(found, Classifier)
        folder = RunFolder(tmp_path / str(step))
        folder.path.mkdir()
        write_json(folder.model, found.spec)
        save_weights(folder.weights, found.state_dict())
        for one in (found, load(f"run:{folder.path}", classes=("a", "b", "c"))):
            expected, got = model(images, step), one.eval()(images)
            torch.testing.assert_close(got.logits, expected.logits, atol=1e-4, rtol=1e-4)
            torch.testing.assert_close(got.features, expected.features, atol=1e-4, rtol=1e-4)
        if "side" not in mode or step == 0:
            assert "side" not in found.spec
            assert found.state_dict().keys() == publish(model, 0).state_dict().keys()


def test_a_model_with_side_modules_has_layers_and_can_have_another_head(over_time, images, tmp_path):
    model = over_time("blocks_densenet", mode="side_tune", all_layers_efficient=True)
    found = publish(model)
    assert found.spec["side"] == {"sizes": "", "further": {"conv1": 2, "layer1": 2, "fc": 2}}
    assert list(layers(found)) == ["conv1", "layer1", "fc"]
    assert parameter_counts(found)["total"].all == sum(p.numel() for p in model.parameters()) - 2 * 3  # one bias
    assert all(key.startswith(("head.", "body.neck.")) for key in stages(found)[-1])
    assert found.feature_size == 3 * 576
    export_safetensors(found, tmp_path / "m.safetensors")
    again = load(f"file:{tmp_path / 'm.safetensors'}").eval()
    torch.testing.assert_close(again(images).logits, model.eval()(images).logits, atol=1e-4, rtol=1e-4)
    other = load(f"file:{tmp_path / 'm.safetensors'}", classes=("x", "y"), replace_head=True).eval()
    assert other(images).logits.shape == (6, 2)
    torch.testing.assert_close(other(images).features, again(images).features)


def test_dropout_that_was_changed_stays_changed(over_time):
    model = over_time()
    model.dropout = 0.25
    assert publish(model).body.dropout == 0.25


def test_a_published_model_with_side_modules_is_no_start_for_another_time(over_time):
    from modelheir.models.over_time import OverTime

    with pytest.raises(InputError, match="several inputs or side modules"):
        OverTime(publish(over_time(mode="side_tune")), [[0, 0, 0]])


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("name", FAMILIES)
def test_the_step_before_stands_in_the_architecture_of_the_newest(name, mode, over_time, images):
    """What the added side modules say, times 0, is the step before; times 1, with the newest weights, the newest."""
    model = over_time(name, separate="all:layer1", **MODES[mode]).eval()
    for part in model.modules():
        if isinstance(part, nn.BatchNorm2d):  # so that a silent module is not one by chance
            part.bias.data.fill_(0.3)
    found, added = before_newest(model)
    newest = publish(model)
    assert found.state_dict().keys() == newest.state_dict().keys()
    assert bool(added) == ("side" in mode)
    for v, step in ((0, 1), (1, 2)):
        got = model_between(found, newest, v, added=added)(images)
        torch.testing.assert_close(got.logits, model(images, step).logits, atol=1e-4, rtol=1e-4)
    assert all(path.endswith(".parts.2") or path.endswith(".parts.1") for path in added)
