"""Files of predictions as teachers: averaged, matched by class, and without the classes that a model does not know."""

import dataclasses

import numpy as np
import pytest

from modelheir.checks import InputError
from modelheir.data.decode import DecodeError
from modelheir.methods.given.stored import read_outputs, stored_outputs
from modelheir.runs import write_predictions
from modelheir.types import Predictions

CLASSES = ("cat", "dog", "owl")


def said(**values):
    """Four images: one of each class, and one unlabelled."""
    scores = values.get("logits", values.get("probabilities"))
    label = values.pop("label", np.array([2, 0, 1, -1]))
    return Predictions(np.array(list("abcd")), label, scores.argmax(1), **values)


@pytest.fixture
def read(tmp_path):
    """Return a function that writes files and reads them as outputs for CLASSES."""

    def outputs(*files, weights=None, rule="by-name"):
        paths = [tmp_path / f"{number}.parquet" for number in range(len(files))]
        for path, file in zip(paths, files, strict=True):
            write_predictions(path, file)
        return read_outputs([str(path) for path in paths], weights, CLASSES, rule=rule, flag="--method.teacher")

    return outputs


LOGITS = np.array([[1.0, 2.0, 0.5], [3.0, 1.0, 0.0], [0.0, 0.5, 2.0], [1.0, 4.0, 2.0]], np.float32)


def test_one_file_is_read_as_it_is(read):
    features = np.arange(8, dtype=np.float32).reshape(4, 2)
    found = read(said(logits=LOGITS, classes=CLASSES, features=features))
    np.testing.assert_array_equal(found.logits, LOGITS)
    np.testing.assert_array_equal(found.features, features)
    assert found.classes == CLASSES
    probabilities = np.array([[0.25, 0.5, 0.25]] * 4, np.float32)
    np.testing.assert_array_equal(read(said(probabilities=probabilities, classes=CLASSES)).probabilities, probabilities)


@pytest.mark.parametrize("count", [2, 3])
@pytest.mark.parametrize("weighted", [False, True])
def test_several_files_are_averaged(read, count, weighted):
    files = [said(logits=LOGITS * (number + 1), classes=CLASSES) for number in range(count)]
    weights = [1.0, 3.0, 4.0][:count] if weighted else None
    found = read(*files, weights=weights).logits
    np.testing.assert_allclose(found, LOGITS * np.average(np.arange(count) + 1, weights=weights), rtol=1e-6)


@pytest.mark.parametrize(
    ("classes", "width", "rule", "expected"),
    [
        (("owl", "cat"), 2, "by-name", ("owl", "cat")),
        (("owl", "fox"), 2, "by-name", ("owl", "fox")),
        (("owl", "fox"), 2, "by-order", ("cat", "dog")),
        (None, 2, "by-name", ("cat", "dog")),
        (None, 3, "by-name", CLASSES),
    ],
)
@pytest.mark.parametrize("kind", ["logits", "probabilities"])
def test_columns_get_the_names_of_the_classes_they_stand_for(read, kind, classes, width, rule, expected):
    scores = np.exp(LOGITS[:, :width])
    scores /= scores.sum(1, keepdims=True)
    found = read(said(**{kind: scores}, classes=classes, label=np.array([1, 0, 1, -1])), rule=rule)
    assert found.classes == expected
    np.testing.assert_allclose(getattr(found, kind), scores)


def test_classes_that_share_no_name_are_named_with_the_file(read):
    with pytest.raises(
        InputError, match=r"^the data and --method\.teacher .*0\.parquet share no class name: .*cat, dog"
    ):
        read(said(logits=LOGITS, classes=("x", "y", "z")))


@pytest.mark.parametrize("kind", ["logits", "probabilities"])
@pytest.mark.parametrize("unknown", [(1,), (3,), (0, 2)])
def test_columns_of_classes_that_a_model_does_not_know_are_left_out(read, kind, unknown):
    """What is left names the same class for every label and prediction, and none for a label that is left out."""
    names = ("cat", "fox", "dog", "owl")
    scores = np.array([[0.125, 0.5, 0.25, 0.125], [0.5, 0.125, 0.125, 0.25], [0.25, 0.25, 0.125, 0.375], [1, 2, 4, 1]])
    if kind == "probabilities":
        scores[:, unknown] = 0
        scores /= scores.sum(1, keepdims=True)
    else:
        scores[:, unknown] = -1000
    file = said(**{kind: scores.astype(np.float32)}, classes=names, label=np.array([3, 0, 1, -1]))
    found = read(file)
    kept = [number for number in range(4) if number not in unknown]
    assert found.classes == tuple(names[number] for number in kept)
    np.testing.assert_allclose(getattr(found, kind), getattr(file, kind)[:, kept])
    assert [found.classes[one] for one in found.prediction] == [names[one] for one in file.prediction]
    expected = [names[one] if one in kept else None for one in file.label]
    assert [found.classes[one] if one >= 0 else None for one in found.label] == expected


def test_a_class_that_one_image_alone_excludes_is_known(read):
    probabilities = np.array([[0.5, 0.5, 0.0], [0.25, 0.25, 0.5], [1.0, 0.0, 0.0], [0.5, 0.25, 0.25]], np.float32)
    assert read(said(probabilities=probabilities, classes=CLASSES)).classes == CLASSES


def test_files_of_one_list_of_known_classes_are_averaged_whatever_their_order(read):
    logits = np.concatenate([LOGITS, np.full((4, 1), -2000, np.float32)], axis=1)
    first = said(logits=logits, classes=(*CLASSES, "fox"))
    order = [3, 1, 2, 0]
    names = tuple(first.classes[number] for number in order)
    second = said(logits=logits[:, order], classes=names, label=np.array([2, 3, 1, -1]))
    found = read(first, second)
    assert found.classes == CLASSES
    np.testing.assert_allclose(found.logits, LOGITS)


@pytest.mark.parametrize("classes", [None, CLASSES])
def test_a_file_without_scores_is_no_teacher(read, world, classes):
    images = world.given().data.splits["train"].subset(np.arange(4))
    found = read(Predictions(images.ids, images.labels, images.labels, classes=classes))
    assert found.classes == CLASSES
    with pytest.raises(InputError, match="neither logits nor probabilities"):
        stored_outputs(found, images, images.ids, max_bad_share=0.0)


@pytest.mark.parametrize(("share", "taken"), [(0.125, True), (0.12, False)])
def test_as_many_undecodable_images_as_are_allowed_may_lack_outputs(world, share, taken):
    images = world.given().data.splits["train"]
    images = dataclasses.replace(images.subset(np.arange(8)), pixels=_Broken(images), rows=np.arange(8))
    logits = np.arange(14, dtype=np.float32).reshape(7, 2)
    found = Predictions(images.ids[1:], images.labels[1:], np.ones(7, int), logits=logits)
    if not taken:
        with pytest.raises(InputError, match=rf"lack 1 of 8 samples \({images.ids[0]}\)"):
            stored_outputs(found, images, images.ids, max_bad_share=share)
        return
    teacher = stored_outputs(found, images, images.ids, max_bad_share=share)
    np.testing.assert_array_equal(teacher.logits[1:], logits)
    whole = Predictions(images.ids[2:], images.labels[2:], np.ones(6, int), logits=logits[1:])
    with pytest.raises(InputError, match=rf"lack 1 of 8 samples \({images.ids[1]}\)"):  # it can be decoded
        stored_outputs(whole, images, images.ids, max_bad_share=0.5)
    some = stored_outputs(found, images, images.ids[3:], max_bad_share=0.0)  # others need no outputs
    np.testing.assert_array_equal(some.logits, logits[2:])


class _Broken:
    """Pixels whose first picture cannot be decoded."""

    def __init__(self, images):
        self.images = images

    def __len__(self):
        return len(self.images)

    def read(self, row, *args):
        if row == 0:
            raise DecodeError("cut")
        return self.images.image(row)
