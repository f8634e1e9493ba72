"""Old models of every origin become teachers of data whose classes have names of their own."""

import sys

import pytest
import torch

from modelheir.models import build


def names(world):
    return world.parts().classes


def test_published_weights_are_a_teacher(world, monkeypatch):
    """``--old tv:NAME``: the library's weights, their own normalisation and size, classes by name."""
    import torchvision

    from modelheir.models import library

    theirs = torchvision.models.squeezenet1_1(weights=None).eval()
    monkeypatch.setattr("torchvision.models._api.load_state_dict_from_url", lambda *args, **kwargs: theirs.state_dict())
    told = library.published("tv:squeezenet1_1")
    words = (*names(world), *told.classes[3:])
    facts = library.Published(told.image_size, told.mean, told.std, words)
    monkeypatch.setattr(sys.modules["modelheir.models.load"], "published", lambda spec: facts)
    parts = world.parts(old=["tv:squeezenet1_1"])
    stream = parts.stream()
    teacher, batch = parts.teacher(stream), next(stream.epoch(0))
    assert teacher.classes == words
    small = torch.nn.functional.interpolate(batch.images, size=(224, 224), mode="bilinear", antialias=True)
    with torch.no_grad():
        expected = theirs(torchvision.transforms.functional.normalize(small, told.mean, told.std))
    torch.testing.assert_close(teacher(batch).logits, expected, rtol=1e-3, atol=1e-4)
    world.run("upgrade", "x", parts=parts, distance__loss="logit_difference")


@pytest.mark.parametrize("count", [2, 3, 5])
def test_a_checkpoint_without_names_is_matched_by_the_common_prefix(world, tmp_path, count):
    numbered = [str(number) for number in range(count)]
    old = build("convnet", classes=numbered, image_size=8, seed=4)
    torch.save({"state_dict": old.state_dict()}, tmp_path / "old.pth")
    parts = world.parts(old=[f"file:{tmp_path / 'old.pth'}:convnet"])
    (found,) = parts.old_models()
    ours = names(world)
    assert found.classes == (*ours[:count], *numbered[3:])
    world.run("upgrade", "x", parts=parts)


def test_other_names_for_as_many_classes_are_taken_in_order_and_it_is_said(world, caplog):
    old = world.save_model("words", classes=("x", "y", "z"))
    assert world.parts(old=[old]).old_models()[0].classes == names(world)
    pairs = ", ".join(f"{a} = {b}" for a, b in zip("xyz", names(world), strict=True))
    assert f"words shares no class name with the data; classes by order: {pairs}." in caplog.text
    fewer = world.save_model("fewer", classes=("x", "y"))  # names of its own, and not as many: not ours to guess
    assert world.parts(old=[fewer]).old_models()[0].classes == ("x", "y")


def test_a_chain_of_versions_of_other_architectures(world):
    """Every earlier version is a teacher, each with its own architecture and weight."""
    import dataclasses

    chain = [
        world.save_model(f"v{number}", seed=number, model=model) for number, model in enumerate(("mlp", "convnet"))
    ]
    parts = dataclasses.replace(world.parts(old=[*chain, world.old]), old_weights=(1.0, 1.0, 2.0))
    batch = next(parts.stream().epoch(0))
    logits = [model.eval()(batch.images).logits for model in parts.old_models()]
    expected = (logits[0] + logits[1] + 2 * logits[2]) / 4
    torch.testing.assert_close(parts.teacher(parts.stream())(batch).logits, expected, rtol=1e-4, atol=1e-5)
