import pytest
import torch
import torchvision

from modelheir.checks import InputError
from modelheir.config.network import NetworkConfig
from modelheir.models import build, load, state_hash
from modelheir.models.backward_compatible import transplant
from modelheir.models.files.export import export_safetensors
from modelheir.models.files.load import files_of
from modelheir.runs.files import write_json
from modelheir.runs.folder import RunFolder
from modelheir.runs.tensors import save_weights

CLASSES = ("a", "b", "c")


def small(seed=0, classes=CLASSES, **settings):
    return build("convnet", classes=classes, image_size=8, config=NetworkConfig(**settings), seed=seed)


def write_run(path, model):
    folder = RunFolder(path)
    write_json(folder.model, model.spec)
    save_weights(folder.weights, model.state_dict())
    return folder


def moved(model):
    """Give a model weights that no seed makes."""
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(0.01 * torch.randn_like(parameter))
    return model


def test_run_folder_round_trip(tmp_path):
    model = moved(small(embedding=5, head="cosine", mean=(0.5,) * 3))
    write_run(tmp_path / "run", model)
    for spec in (f"run:{tmp_path / 'run'}", str(tmp_path / "run")):
        found = load(spec, classes=CLASSES)
        assert state_hash(found) == state_hash(model)
        assert found.spec == model.spec


def test_one_stage_of_a_run(tmp_path):
    folder = write_run(tmp_path, small())
    stage = folder.stage(1, "member_1")
    model = moved(small(seed=3))
    save_weights(stage.weights, {f"model/{key}": value for key, value in model.state_dict().items()})
    with pytest.raises(InputError, match="not finished"):
        load(f"run:{tmp_path}#member_1")
    stage.finish({"val/accuracy": 0.5}, {"model": model.spec})
    assert state_hash(load(f"run:{tmp_path}#member_1")) == state_hash(model)
    with pytest.raises(InputError, match="no stage 'x'; it has: member_1"):
        load(f"run:{tmp_path}#x")


def test_transplanted_head_comes_back(tmp_path):
    model = transplant(moved(small(1)), moved(small(2)), alpha=0.25)
    write_run(tmp_path, model)
    found = load(f"run:{tmp_path}")
    images = torch.rand(2, 3, 8, 8)
    torch.testing.assert_close(found.eval()(images).logits, model.eval()(images).logits)


def test_unfinished_and_missing_runs(tmp_path):
    with pytest.raises(InputError, match="does not exist"):
        load(f"run:{tmp_path / 'nothing'}")
    with pytest.raises(InputError, match="is no run folder"):
        load(f"run:{tmp_path}")
    RunFolder(tmp_path).config.write_text("train: finetune")
    with pytest.raises(InputError, match="no finished model"):
        load(f"run:{tmp_path}")
    with pytest.raises(InputError, match="no trained model"):
        load("resnet18")


def test_weights_of_another_network_in_a_run(tmp_path):
    folder = write_run(tmp_path, small())
    save_weights(folder.weights, small(embedding=4).state_dict())
    with pytest.raises(InputError, match=r"2 unexpected \(embedding"):
        load(f"run:{tmp_path}")


@pytest.mark.parametrize("name", ["resnet18", "squeezenet1_1", "shufflenet_v2_x0_5", "googlenet"])
@pytest.mark.parametrize("prefix", ["", "module."])
def test_a_library_checkpoint_with_and_without_prefix(tmp_path, name, prefix):
    extra = {"init_weights": True} if name == "googlenet" else {}
    theirs = torchvision.models.get_model(name, weights=None, num_classes=3, **extra)
    path = tmp_path / "checkpoint.pth.tar"
    torch.save({"state_dict": {prefix + key: value for key, value in theirs.state_dict().items()}, "epoch": 9}, path)
    config = NetworkConfig(mean=(0.0,) * 3, std=(1.0,) * 3)
    model = load(f"file:{path}:tv:{name}", config=config, names=CLASSES)
    assert model.classes == CLASSES
    images = torch.rand(2, 3, 64, 64)
    torch.testing.assert_close(model.eval()(images).logits, theirs.eval()(images))
    assert load(f"file:{path}", model=f"tv:{name}").classes == ("0", "1", "2")


def test_partial_checkpoints_are_errors(tmp_path):
    state = torchvision.models.resnet18(weights=None, num_classes=3).state_dict()
    path = tmp_path / "model.pth"
    torch.save({**{f"module.{key}": value for key, value in state.items()}, "step": torch.ones(1)}, path)
    with pytest.raises(InputError, match="no classifier layer of tv:resnet18"):
        load(f"file:{path}:tv:resnet18")
    torch.save({key: value for key, value in state.items() if "layer4" not in key}, path)
    with pytest.raises(InputError, match=r"missing \(body.layer4.*Nothing was loaded"):
        load(f"file:{path}:tv:resnet18")
    torch.save(state, path)
    with pytest.raises(InputError, match="tv:resnet34"):
        load(f"file:{path}:tv:resnet34")


def test_a_file_must_say_its_network(tmp_path):
    path = tmp_path / "model.pt"
    torch.save(small().state_dict(), path)
    with pytest.raises(InputError, match="which network"):
        load(f"file:{path}")
    assert load(f"file:{path}:convnet", image_size=8).classes == ("0", "1", "2")
    with pytest.raises(InputError, match="missing"):
        load(f"file:{tmp_path / 'none.pt'}:convnet")
    with pytest.raises(InputError, match="3 classes apart and 2"):
        load(f"file:{path}:convnet", classes=("a", "b"))


def test_our_safetensors_say_everything(tmp_path):
    model = moved(small(dropout=0.1))
    export_safetensors(model, tmp_path / "model.safetensors")
    found = load(f"file:{tmp_path / 'model.safetensors'}")
    assert found.spec == model.spec
    assert state_hash(found) == state_hash(model)


def test_other_classes_need_a_new_head(tmp_path):
    model = moved(small())
    write_run(tmp_path, model)
    with pytest.raises(InputError, match=r"knows 3 classes, and 1 of the 4 are new to it: d.*replace_head"):
        load(f"run:{tmp_path}", classes=("a", "b", "c", "d"))
    with pytest.raises(InputError, match="another order"):
        load(f"run:{tmp_path}", classes=("b", "a", "c"))
    with pytest.raises(InputError, match="needs the new class list"):
        load(f"run:{tmp_path}", replace_head=True)
    found = load(f"run:{tmp_path}", classes=("a", "b", "c", "d"), replace_head=True, seed=5)
    assert found.classes == ("a", "b", "c", "d")
    assert found.head.weight.shape[0] == 4
    torch.testing.assert_close(found.body.state_dict(), model.body.state_dict())
    again = load(f"run:{tmp_path}", classes=CLASSES, replace_head=True, seed=5)
    assert not torch.equal(again.head.weight, model.head.weight)


def test_a_file_with_a_new_head(tmp_path):
    theirs = torchvision.models.resnet18(weights=None, num_classes=7)
    torch.save(theirs.state_dict(), tmp_path / "model.pth")
    model = load(f"file:{tmp_path / 'model.pth'}:tv:resnet18", classes=CLASSES, replace_head=True)
    assert model.head.out_features == 3
    torch.testing.assert_close(model.body.conv1.weight, theirs.conv1.weight)


def test_the_files_that_a_model_is_read_from(tmp_path):
    folder = write_run(tmp_path / "run", small())
    stage = folder.stage(1, "member_1")
    save_weights(stage.weights, {f"model/{key}": value for key, value in small().state_dict().items()})
    stage.finish({}, {"model": small().spec})
    path = tmp_path / "model.pt"
    torch.save(small().state_dict(), path)
    expected = {
        f"file:{path}:convnet": {path},
        f"file:{path}": {path},
        str(path): {path},
        f"run:{folder.path}": {folder.path / "model.json", folder.path / "weights.safetensors"},
        str(folder.path): {folder.path / "model.json", folder.path / "weights.safetensors"},
        f"run:{folder.path}#member_1": {stage.path / "result.json", stage.path / "weights.safetensors"},
        "tv:resnet18": set(),
    }
    assert {spec: set(files_of(spec)) for spec in expected} == expected
    with pytest.raises(InputError, match="no stage 'x'"):
        files_of(f"run:{folder.path}#x")
    with pytest.raises(InputError, match="none does not exist"):
        files_of(f"run:{tmp_path / 'none'}#x")
