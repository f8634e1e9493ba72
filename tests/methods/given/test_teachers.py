"""Old models of every origin become teachers of data whose classes have names of their own."""

import dataclasses
import importlib

import numpy as np
import pytest
import torch
from PIL import Image

from modelheir import inference
from modelheir.assemble import predict
from modelheir.checks import InputError
from modelheir.config.inputs import InputConfig
from modelheir.data import open_splits
from modelheir.data.images import ArrayPixels
from modelheir.models import build
from modelheir.runs import read_predictions, write_predictions
from modelheir.types import Predictions


def names(world):
    return world.given().data.classes


def test_published_weights_are_a_teacher(world, monkeypatch):
    """``--old tv:NAME``: the library's weights, their own normalisation and size, classes by name."""
    import torchvision

    from modelheir.models.bodies import library

    theirs = torchvision.models.squeezenet1_1(weights=None).eval()
    monkeypatch.setattr("torchvision.models._api.load_state_dict_from_url", lambda *args, **kwargs: theirs.state_dict())
    told = library.published("tv:squeezenet1_1")
    words = (*names(world), *told.classes[3:])
    facts = library.Published(told.image_size, told.mean, told.std, words)
    monkeypatch.setattr(importlib.import_module("modelheir.models.files.load"), "published", lambda spec: facts)
    given = world.given(old=["tv:squeezenet1_1"])
    stream = given.data.stream()
    teacher, batch = given.old.teacher(stream), next(stream.epoch(0))
    assert teacher.classes == words
    small = torch.nn.functional.interpolate(batch.inputs, size=(224, 224), mode="bilinear", antialias=True)
    with torch.no_grad():
        expected = theirs(torchvision.transforms.functional.normalize(small, told.mean, told.std))
    torch.testing.assert_close(teacher(batch).logits, expected, rtol=1e-3, atol=1e-4)
    world.run("upgrade", "x", given=given, distance__loss="logit_difference")


@pytest.mark.parametrize("count", [2, 3, 5])
def test_a_checkpoint_without_names_is_matched_by_the_common_prefix(world, tmp_path, count):
    numbered = [str(number) for number in range(count)]
    old = build("convnet", classes=numbered, image_size=8, seed=4)
    torch.save({"state_dict": old.state_dict()}, tmp_path / "old.pth")
    given = world.given(old=[f"file:{tmp_path / 'old.pth'}:convnet"])
    (found,) = given.old.models
    ours = names(world)
    assert found.classes == (*ours[:count], *numbered[3:])
    world.run("upgrade", "x", given=given)


def test_other_names_are_taken_in_order_only_where_the_user_says_so(world, caplog):
    old, ours = world.save_model("words", classes=("x", "y", "z")), ", ".join(names(world))
    with pytest.raises(InputError) as caught:
        _ = world.given(old=[old]).old.models
    assert str(caught.value) == (
        f"the data and --old {old} share no class name: the data has {ours}, --old {old} has x, y, z; give both the "
        "same names, or match them in order with --classes by-order."
    )
    assert world.given(old=[old], rule="by-order").old.models[0].classes == names(world)
    pairs = ", ".join(f"{a} = {b}" for a, b in zip("xyz", names(world), strict=True))
    assert f"words: classes by order: {pairs}." in caplog.text
    fewer = world.save_model("fewer", classes=("x", names(world)[0]))  # by name this would be the second column
    assert world.given(old=[fewer], rule="by-order").old.models[0].classes == names(world)[:2]


def test_stored_outputs_follow_the_same_rule(world, tmp_path):
    ids = world.given().data.stream("train", train=False).ids
    logits = np.random.default_rng(0).normal(size=(len(ids), 2)).astype(np.float32)
    said = Predictions(ids, np.full(len(ids), -1), logits.argmax(1), logits=logits)
    columns = {}
    for rule, classes in (("by-name", None), ("by-name", names(world)[1::-1]), ("by-order", ("x", "y"))):
        write_predictions(tmp_path / "old.parquet", dataclasses.replace(said, classes=classes))
        given = world.given(old=[str(tmp_path / "old.parquet")], rule=rule)
        columns[classes] = given.old.teacher(given.data.stream("train", train=False)).classes
    assert columns == {None: names(world)[:2], names(world)[1::-1]: names(world)[1::-1], ("x", "y"): names(world)[:2]}
    given = world.given(old=[str(tmp_path / "old.parquet")])
    with pytest.raises(InputError, match="share no class name"):
        given.old.teacher(given.data.stream("train", train=False))


def test_a_chain_of_versions_of_other_architectures(world):
    """Every earlier version is a teacher, each with its own architecture and weight."""
    chain = [
        world.save_model(f"v{number}", seed=number, model=model) for number, model in enumerate(("mlp", "convnet"))
    ]
    given = world.given(old=[*chain, world.old], weights=(1.0, 1.0, 2.0))
    batch = next(given.data.stream().epoch(0))
    logits = [model.eval()(batch.inputs).logits for model in given.old.models]
    expected = (logits[0] + logits[1] + 2 * logits[2]) / 4
    torch.testing.assert_close(given.old.teacher(given.data.stream())(batch).logits, expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("views", ["centre", "ten_crop"])
@pytest.mark.parametrize("loader", ["resident", "streaming"])
@pytest.mark.parametrize(
    ("height", "width", "size", "resize"),
    [(8, 8, 0, 0), (8, 8, 0, 10), (12, 9, 8, 0), (80, 80, 72, 0), (70, 90, 66, 0), (70, 90, 66, 70), (90, 70, 16, 33)],
)
def test_a_teacher_that_is_asked_once_saw_the_pictures_of_training(
    world, monkeypatch, views, loader, height, width, size, resize
):
    pixels = np.random.default_rng(0).integers(0, 256, (20, height, width, 3), dtype=np.uint8)
    inputs = InputConfig(augment="none", image_size=size, resize=resize, views=views, loader=loader, workers=0)
    given = world.given(inputs=inputs)
    images = dataclasses.replace(given.data.splits["train"].subset(np.arange(20)), pixels=ArrayPixels(pixels))
    seen = {}

    def predict(model, stream, runtime, **settings):
        for batch in stream.epoch(0):
            seen.update(zip(stream.ids[batch.index], batch.inputs, strict=True))
        return Predictions(stream.ids, stream.labels, stream.labels, logits=np.zeros((20, 3), np.float32))

    monkeypatch.setattr("modelheir.inference.evaluate.predict_model", predict)
    monkeypatch.setitem(vars(inference), "predict_model", predict)
    given = world.changed(given, splits={"train": dataclasses.replace(images, rows=np.arange(20))})
    stream = given.data.stream()
    assert given.data.fixed_view
    given.old.frozen(given.old.models, stream)
    (batch,) = stream.epoch(3)  # shuffled, 16 of the 20
    for name, shown in zip(stream.ids[batch.index], batch.inputs, strict=True):
        assert torch.equal(shown, seen[name])


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_outputs_are_computed_in_the_precision_of_the_run_with_features_on_request(world, precision):
    given = world.given()
    model, stream = given.old.models[0], given.data.stream(train=False)
    old = dataclasses.replace(given.old, precision=precision)
    found = old.predict(model, stream)
    with torch.no_grad(), torch.autocast("cpu", torch.bfloat16, enabled=precision == "bf16"):
        outputs = [model.eval()(batch.inputs) for batch in stream.epoch(0)]
    np.testing.assert_array_equal(found.logits, torch.cat([one.logits.float() for one in outputs]))
    assert found.features is None
    features = old.predict(model, stream, features=True).features
    np.testing.assert_array_equal(features, torch.cat([one.features.float() for one in outputs]))


def test_a_teacher_that_is_asked_once_keeps_features_and_weights(world):
    given = world.given(inputs=InputConfig(augment="none"), old=[world.old, world.save_model("b")], weights=(1.0, 3.0))
    stream = given.data.stream()
    batch = next(stream.epoch(0))
    a, b = (model.eval()(batch.inputs) for model in given.old.models)
    found = given.old.teacher(stream)(batch)
    torch.testing.assert_close(found.features, (a.features + 3 * b.features) / 4)
    torch.testing.assert_close(found.logits, (a.logits + 3 * b.logits) / 4)


def test_weights_are_one_a_model_and_kinds_are_not_mixed(world, tmp_path):
    stream = world.given().data.stream()
    for old in ([world.old], [world.old, world.old]):
        given = world.given(old=old, weights=(1.0, 2.0, 3.0))
        with pytest.raises(InputError, match=f"^--old_weights gives 3 weights for {len(old)} old models"):
            given.old.teacher(stream)
    with pytest.raises(InputError, match=r"^--old mixes models and files of predictions"):
        world.given(old=[world.old, str(tmp_path / "old.parquet")]).old.teacher(stream)


def test_one_class_list_is_asked_for_where_it_must_be_the_datas(world):
    """``same``: others are refused. ``any``: nothing is asked, and nothing renamed."""
    two, three = world.save_model("two", classes=names(world)[:2]), world.save_model("three", classes=("x", "y", "z"))
    for address, rule, expected in ((two, "any", names(world)[:2]), (three, "any", ("x", "y", "z"))):
        (found,) = dataclasses.replace(world.given(old=[address]).old, classes=rule).models
        assert found.classes == expected
    for address in (two, three):
        with pytest.raises(InputError):
            _ = dataclasses.replace(world.given(old=[address]).old, classes="same").models


def test_models_matched_by_name_keep_their_names_and_nothing_is_said(world, caplog):
    two = world.save_model("by-name", classes=names(world)[1::-1])
    assert world.given(old=[two]).old.models[0].classes == names(world)[1::-1]
    assert "by-name: classes by order" not in caplog.text


def test_an_old_model_that_knows_nothing_is_no_teacher(world, tmp_path):
    import modelheir

    with pytest.raises(InputError, match="allow_weak_teacher"):
        modelheir.train(
            "upgrade",
            data="synthetic:n=96,classes=3,size=8",
            model="mlp",
            epochs=1,
            old=[world.old],
            out=str(tmp_path / "run"),
            quiet=True,
        )


def test_evaluation_with_ten_crops_leaves_teachers_their_one_view(world):
    inputs = InputConfig(augment="none", views="ten_crop", resize=10)
    given = world.given(inputs=inputs)
    assert len(next(given.data.evaluation()["val"].epoch(0)).inputs) == 10
    stream = given.data.stream("val", train=False)
    assert next(stream.epoch(0)).inputs.shape == (len(stream.ids), 3, 8, 8)
    world.run("upgrade", "x", given=given)


@pytest.fixture
def damaged(tmp_path):
    """Write 24 pictures a split; one of each split has a good header and a cut body."""
    rng = np.random.default_rng(0)
    for split, ending in (("train", "png"), ("val", "jpg"), ("test", "png")):
        for i in range(24):
            file = tmp_path / "images" / split / "xyz"[i % 3] / f"{i}.{ending}"
            file.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(rng.integers(0, 256, (24, 24, 3), dtype=np.uint8)).save(file)
            if i == 5:
                file.write_bytes(file.read_bytes()[:-100])
    return f"folder:{tmp_path / 'images'}"


@pytest.mark.parametrize("method", ["upgrade", "elodi", "bct", "interpolate", "self_distill"])
@pytest.mark.parametrize(("augment", "loader"), [("none", "streaming"), ("none", "resident"), ("crop", "streaming")])
def test_a_cut_file_in_each_split_stops_no_method(world, damaged, caplog, method, augment, loader):
    inputs = InputConfig(augment=augment, loader=loader, workers=0, image_size=8, resident_gib=0, max_bad_share=0.05)
    splits = open_splits(damaged, inputs)
    old = world.save_model("words", classes=splits["train"].classes[: 2 if method == "bct" else 3])
    epochs = 3 if method == "self_distill" else world.fit.epochs
    fit = dataclasses.replace(world.fit, epochs=epochs, batch_size=12, accumulate=2)
    given = world.given(inputs=inputs, fit=fit, old=[old], splits=splits)
    settings = {"elodi": {"members": 1}, "self_distill": {"length": 1}}.get(method, {})
    done = list(world.run(method, "x", given=given, **settings).values())[-1]
    for name in ("val", "test"):
        found = read_predictions(done.folder / "predictions" / f"{name}.parquet")
        assert len(found) == 23
        assert not [one for one in found.sample_id if "/5." in one]
    for name in ("train/z/5.png", "val/z/5.jpg", "test/z/5.png"):
        assert f"1 of 24 images cannot be decoded ({name}" in caplog.text


def test_stored_predictions_teach_only_what_their_model_knows(world, tmp_path):
    """A file that ``predict`` wrote for a model of fewer classes teaches as the model itself does."""
    given = world.given()
    old = build(
        "convnet", classes=names(world)[1::-1], image_size=given.data.image_size, seed=3
    )  # in another order too
    images = given.data.splits["train"]
    found = predict(old, "synthetic:n=96,classes=3,size=8", split="train", inputs=given.data.inputs, device="cpu")
    assert found.sample_id.tolist() == images.ids.tolist()
    write_predictions(tmp_path / "old.parquet", found)
    stream = given.data.stream(train=False)
    stored = world.given(old=[str(tmp_path / "old.parquet")]).old.teacher(stream)
    assert stored.classes == names(world)[:2]
    batch = next(stream.epoch(0))
    expected = old.eval()(batch.inputs).logits[:, [1, 0]].detach()
    torch.testing.assert_close(stored(batch).logits, expected, atol=1e-5, rtol=1e-5)


def test_stored_predictions_need_no_row_for_an_undecodable_image(world, damaged, tmp_path):
    inputs = InputConfig(
        augment="none", loader="streaming", workers=0, image_size=8, resident_gib=0, max_bad_share=0.05
    )
    splits = open_splits(damaged, inputs)
    given = world.given(inputs=inputs, old=[str(tmp_path / "old.parquet")], splits=splits)
    ids = [name for name in splits["train"].ids if "/5." not in name]
    logits = np.arange(69, dtype=np.float32).reshape(23, 3)
    label = np.full(23, 2)
    write_predictions(tmp_path / "old.parquet", Predictions(np.array(ids), label, label, logits=logits))
    stream = given.data.stream()
    teacher = given.old.teacher(stream)
    seen = 0
    for epoch in range(4):
        for batch in stream.epoch(epoch):
            names = [str(name) for name in stream.ids[batch.index]]
            assert teacher(batch).logits.tolist() == [logits[ids.index(name)].tolist() for name in names]
            seen += len(batch)
    assert seen == 4 * 16
    write_predictions(tmp_path / "old.parquet", Predictions(np.array(ids[1:]), label[1:], label[1:], logits=logits[1:]))
    with pytest.raises(InputError, match="stored outputs lack"):
        given.old.teacher(stream)


def test_stored_probabilities_of_unknown_classes_teach_nothing(world, tmp_path):
    given = world.given()
    images = given.data.splits["train"]
    probabilities = np.tile(np.array([0.75, 0.25, 0.0], np.float32), (len(images), 1))
    found = Predictions(
        images.ids, images.labels, np.zeros(len(images), int), probabilities=probabilities, classes=names(world)
    )
    write_predictions(tmp_path / "old.parquet", found)
    stream = given.data.stream(train=False)
    stored = world.given(old=[str(tmp_path / "old.parquet")]).old.teacher(stream)
    assert stored.classes == names(world)[:2]
    logits = stored(next(stream.epoch(0))).logits
    torch.testing.assert_close(logits.softmax(1), torch.tensor([[0.75, 0.25]]).expand(len(logits), 2))
