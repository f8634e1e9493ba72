"""What is averaged: by name, in the classes of the last, each read when asked for; what does not fit is named."""

import gc
import json
import shutil
import weakref

import pytest
import torch
from safetensors.torch import load_file, save_file

from modelheir import models
from modelheir.address import parse_address
from modelheir.assemble.averaging.members import open_models, open_snapshots
from modelheir.checks import InputError
from modelheir.models import blends
from modelheir.runs.folder import RunFolder

CLASSES = ("class0", "class1", "class2")


def opened(*addresses, rule="by-name", classes=CLASSES):
    return open_models(addresses, data_classes=classes, rule=rule)


@pytest.fixture
def changed(kept, tmp_path):
    """Copy run ``a`` with other weights or another description."""

    def change(name, weights=lambda state: state, spec=lambda spec: spec):
        folder = RunFolder(tmp_path / name)
        shutil.copytree(parse_address(kept.a).place, folder.path)
        save_file(weights(load_file(folder.weights)), folder.weights)
        folder.model.write_text(json.dumps(spec(json.loads(folder.model.read_text()))))
        return f"run:{folder.path}"

    return change


def test_classes_of_the_data_are_those_of_the_runs(kept):
    assert models.load(kept.a).classes == CLASSES


def test_rows_of_the_classifier_are_brought_to_the_order_of_the_last(kept, changed):
    order = [2, 0, 1]

    def turned(state):
        heads = {name: value[order] for name, value in state.items() if name.startswith("head.")}
        return {**state, **heads}

    other = changed("turned", turned, lambda spec: {**spec, "classes": [CLASSES[number] for number in order]})
    found = opened(other, kept.a)
    own = models.load(kept.a).state_dict()
    for name, value in found.read(0).items():
        assert torch.equal(value, own[name]), name
    with pytest.raises(InputError, match="hold the same weights"):
        found.check()


def test_other_classes_are_named(kept, changed):
    other = changed("renamed", spec=lambda spec: {**spec, "classes": ["class0", "class1", "pig"]})
    with pytest.raises(InputError, match=r"does not know 1 of the data's classes .class2.: give data of the classes"):
        opened(kept.a, other)
    with pytest.raises(InputError, match="tell other classes apart: only one of them knows pig, class2"):
        opened(kept.a, other, classes=("class0", "class1")).check()


def test_another_architecture_is_named(kept, tmp_path):
    made = models.build("mlp", classes=CLASSES, image_size=8)
    folder = RunFolder(tmp_path / "mlp")
    folder.path.mkdir()
    folder.model.write_text(json.dumps(made.spec))
    save_file(made.state_dict(), folder.weights)
    with pytest.raises(InputError, match=r"run:.*mlp and run:.*b are not of one architecture \(.*\), and only such"):
        opened(f"run:{folder.path}", kept.b).check()


def test_missing_tensors_are_named(kept, changed):
    name = next(name for name in load_file(RunFolder(parse_address(kept.a).place).weights) if name.endswith("weight"))
    other = changed("short", lambda state: {key: value for key, value in state.items() if key != name})
    with pytest.raises(InputError, match=f"1 missing .{name}."):
        opened(other, kept.b).check()


@pytest.mark.parametrize("value", [float("nan"), float("-inf")])
def test_weights_that_are_not_finite_are_named(kept, changed, value):
    other = changed("burst", lambda state: {**state, "head.bias": torch.full_like(state["head.bias"], value)})
    with pytest.raises(InputError, match=r"burst holds weights that are not finite \(head.bias\): leave it out"):
        opened(other, kept.b).check()


def test_models_that_see_images_otherwise_are_refused(kept, changed):
    other = changed("dark", spec=lambda spec: {**spec, "mean": [0.1, 0.1, 0.1]})
    with pytest.raises(InputError, match=r"see images otherwise .mean = "):
        opened(other, kept.b).check()


def test_one_model_under_two_names_is_refused(kept):
    with pytest.raises(InputError, match=r"and file:.* hold the same weights: an average counts each model once"):
        opened(
            kept.a, kept.b, f"file:{RunFolder(parse_address(kept.a).place).weights}:convnet", rule="by-order"
        ).check()


def test_a_model_that_is_several_is_refused(kept, monkeypatch):
    model = models.load(kept.a)

    def several(address):
        return blends.DaWin(model, model)

    monkeypatch.setattr("modelheir.assemble.averaging.members.models.load", several, raising=False)
    with pytest.raises(InputError, match="an average needs one network"):
        opened(kept.a, kept.b)


def test_models_by_order_take_the_datas_names(kept):
    place = RunFolder(parse_address(kept.b).place).weights
    found = opened(kept.a, f"file:{place}:convnet", rule="by-order")
    assert found.like.classes == CLASSES
    found.check()


def test_snapshots_come_in_the_order_of_the_training(kept):
    found = open_snapshots(kept.start, data_classes=CLASSES)
    steps = [int(name.removeprefix("step ")) for name in found.names]
    assert steps == sorted(steps)
    assert len(steps) == 5  # the start is one
    assert (found.in_time, found.own) == (True, kept.start)
    last = load_file(RunFolder(parse_address(kept.start).place).stage(0, "train").snapshot(steps[-1]))
    for name, value in found.read(4).items():
        assert torch.equal(value, last[f"model/{name}"])
    found.check()
    by_stage = open_snapshots(f"{kept.start}#train", data_classes=CLASSES)
    assert by_stage.names == found.names
    assert by_stage.own == f"{kept.start}#train"


def test_the_stage_is_the_old_model_where_the_run_has_come_to_none(kept, tmp_path):
    place = tmp_path / "cut"
    shutil.copytree(parse_address(kept.start).place, place)
    RunFolder(place).model.unlink()
    assert open_snapshots(f"run:{place}", data_classes=CLASSES).own == f"run:{place}#train"


def test_runs_without_snapshots_are_told_how_to_keep_some(kept, tmp_path):
    with pytest.raises(InputError, match=r"has kept no snapshots, .* --fit.snapshots.every_epochs 1"):
        open_snapshots(kept.a, data_classes=CLASSES)
    place = tmp_path / "one"
    shutil.copytree(parse_address(kept.start).place, place)
    for _, path in RunFolder(place).stage(0, "train").snapshots()[1:]:
        path.unlink()
    with pytest.raises(InputError, match="has kept only 1 snapshot"):
        open_snapshots(f"run:{place}#train", data_classes=CLASSES)
    with pytest.raises(InputError, match="has no stage 'nope'"):
        open_snapshots(f"{kept.start}#nope", data_classes=CLASSES)
    with pytest.raises(InputError, match="does not exist"):
        open_snapshots(f"run:{tmp_path / 'nowhere'}", data_classes=CLASSES)
    with pytest.raises(InputError, match=r"does not know 1 of the data's classes \(pig\)"):
        open_snapshots(kept.start, data_classes=(*CLASSES, "pig"))


def test_snapshots_of_another_network_are_named_by_their_file(kept, tmp_path):
    place = tmp_path / "mixed"
    shutil.copytree(parse_address(kept.start).place, place)
    path = RunFolder(place).stage(0, "train").snapshots()[2][1]
    state = load_file(path)
    save_file({name: value for name, value in state.items() if name != "model/head.bias"}, path)
    with pytest.raises(InputError, match=rf"{path.name} does not fit convnet.*1 missing .head.bias."):
        open_snapshots(f"run:{place}", data_classes=CLASSES).check()


def test_models_are_read_one_at_a_time(kept, monkeypatch):
    """However many there are: a mean of five holds one of them at a time."""
    alive = []
    real = models.load

    def load(address):
        model = real(address)
        alive.append(weakref.ref(model))
        return model

    found = opened(kept.a, kept.b)
    monkeypatch.setattr("modelheir.assemble.averaging.members.models.load", load, raising=False)

    def read():
        for _ in range(5):
            gc.collect()
            assert sum(one() is not None for one in alive) <= 1
            yield found.read(0)

    blends.average_states(read())
    assert len(alive) == 5
