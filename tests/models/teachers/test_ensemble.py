import numpy as np
import pytest
import torch
from torch import nn

from modelheir.checks import InputError
from modelheir.config.network import NetworkConfig
from modelheir.losses import kl_distillation
from modelheir.models import Ensemble, StoredOutputs, build, state_hash
from modelheir.types import Batch, Outputs, Predictions

CLASSES = ("a", "b", "c")


class Constant(nn.Module):
    """A teacher that always says the same."""

    def __init__(self, value, width=2, classes=CLASSES):
        super().__init__()
        self.value, self.classes, self.feature_size = value, classes, width
        self.spec = {"image_size": 0}

    def forward(self, images):
        count = len(images)
        logits = torch.full((count, len(self.classes)), float(self.value))
        return Outputs(logits, torch.full((count, self.feature_size), float(self.value)))


def batch(images, index=None):
    labels = torch.zeros(len(images), dtype=torch.int64)
    return Batch(images, labels, torch.arange(len(images)) if index is None else torch.tensor(index))


def test_first_weight_counts():
    teacher = Ensemble([Constant(3), Constant(0)], [2, 1])
    found = teacher(batch(torch.rand(5, 3, 8, 8)))
    torch.testing.assert_close(found.logits, torch.full((5, 3), 2.0))
    torch.testing.assert_close(found.features, torch.full((5, 2), 2.0))


def test_zero_weight_of_the_first_counts_too():
    assert Ensemble([Constant(3), Constant(1)], [0, 1])(batch(torch.rand(1, 3, 8, 8))).logits[0, 0] == 1


def test_features_of_several_widths_are_the_first_members():
    teacher = Ensemble([Constant(3, width=2), Constant(0, width=4)])
    found = teacher(batch(torch.rand(5, 3, 8, 8)))
    assert teacher.feature_size == 2
    torch.testing.assert_close(found.features, torch.full((5, 2), 3.0))
    torch.testing.assert_close(found.logits, torch.full((5, 3), 1.5))


def test_members_of_other_architecture_normalisation_and_size():
    one = build("convnet", classes=CLASSES, image_size=8, config=NetworkConfig(mean=(0.5,) * 3, std=(0.5,) * 3))
    two = build("resnet8", classes=CLASSES, image_size=16, seed=1)
    images = torch.rand(4, 3, 8, 8)
    found = Ensemble([one, two], [1, 3])(batch(images))
    large = nn.functional.interpolate(images, size=(16, 16), mode="bilinear", antialias=True)
    expected = 0.25 * one.eval()(images).logits + 0.75 * two.eval()(large).logits
    torch.testing.assert_close(found.logits, expected)
    assert not found.logits.requires_grad


@torch.no_grad()
def test_a_member_of_smaller_images_sees_them_at_its_own_size():
    old = build("convnet", classes=CLASSES, image_size=8).eval()
    assert old.resolution == 0  # the net itself takes any size
    images = torch.rand(4, 3, 32, 32)
    small = nn.functional.interpolate(images, size=(8, 8), mode="bilinear", antialias=True)
    torch.testing.assert_close(Ensemble([old])(batch(images)).logits, old(small).logits)
    assert not torch.allclose(old(images).logits, old(small).logits)


def test_average_of_probabilities_against_numpy():
    members = [build("convnet", classes=CLASSES, image_size=8, seed=seed) for seed in (0, 1)]
    images = torch.rand(4, 3, 8, 8)
    found = Ensemble(members, [1, 2], average="probabilities")(batch(images)).logits.numpy()
    exps = [np.exp(member(images).logits.detach().numpy()) for member in members]
    mean = sum(w * e / e.sum(1, keepdims=True) for w, e in zip((1 / 3, 2 / 3), exps, strict=True))
    np.testing.assert_allclose(np.exp(found), mean, rtol=1e-5)


class Said(Constant):
    """A teacher that always says these logits."""

    def forward(self, images):
        return Outputs(self.value.expand(len(images), -1), torch.zeros(len(images), self.feature_size))


@pytest.mark.parametrize("weights", [(1, 0), (1, 3)])
def test_average_of_probabilities_is_finite_where_a_probability_underflows(weights):
    given = np.array([[120.0, 0.0, -90.0], [0.0, 1.0, -400.0]])  # the last class is beyond float32 for both
    members = [Said(torch.tensor(row, dtype=torch.float32)) for row in given]
    found = Ensemble(members, weights, average="probabilities")(batch(torch.rand(2, 3, 8, 8))).logits
    exact = np.exp(given.astype(np.longdouble) - given.max(1, keepdims=True))
    exact /= exact.sum(1, keepdims=True)
    expected = np.log(np.average(exact, axis=0, weights=weights))
    np.testing.assert_allclose(found.numpy(), np.tile(expected.astype(float), (2, 1)), rtol=1e-5, atol=1e-6)
    assert kl_distillation(torch.zeros(2, 3), found, temperature=1.0).isfinite().all()


@pytest.mark.parametrize("policy", ["eval", "batch"])
def test_members_stay_byte_identical(policy):
    model = build("convnet", classes=CLASSES, image_size=8, config=NetworkConfig(dropout=0.5))
    before = state_hash(model)
    teacher = Ensemble([model], batch_norm=policy)
    nn.ModuleDict({"teacher": teacher}).train()
    images = torch.rand(16, 3, 8, 8)
    first = teacher(batch(images)).logits
    torch.testing.assert_close(teacher(batch(images)).logits, first)  # no dropout, no drift
    assert state_hash(model) == before
    assert not any(module.training for module in teacher.modules())
    assert not any(parameter.requires_grad for parameter in teacher.parameters())


def test_batch_statistics_are_those_of_the_batch():
    model = build("convnet", classes=CLASSES, image_size=8)
    images = torch.rand(16, 3, 8, 8)
    expected = model.train()(images).logits.detach()
    stored = Ensemble([build("convnet", classes=CLASSES, image_size=8)])(batch(images)).logits
    found = Ensemble([model], batch_norm="batch")(batch(images)).logits
    torch.testing.assert_close(found, expected)
    assert not torch.allclose(found, stored)


def test_low_precision_gives_float32():
    model = build("convnet", classes=CLASSES, image_size=8)
    images = torch.rand(4, 3, 8, 8)
    exact = Ensemble([model])(batch(images)).logits
    found = Ensemble([model], precision="bf16")(batch(images)).logits
    assert found.dtype == torch.float32
    torch.testing.assert_close(found, exact, rtol=0.1, atol=0.05)
    assert not torch.equal(found, exact)


@pytest.mark.parametrize(
    ("members", "weights", "message"),
    [
        ([], None, "at least one"),
        ([Constant(1), Constant(1, classes=("a", "c", "b"))], None, "one class list"),
        ([Constant(1)], [1, 2], "2 weights for 1 teachers"),
        ([Constant(1), Constant(2)], [0, 0], "not all zero"),
        ([Constant(1), Constant(2)], [2, -1], ">= 0"),
        ([Constant(1), Constant(2)], [1, float("nan")], "finite"),
    ],
)
def test_mistakes(members, weights, message):
    with pytest.raises(InputError, match=message):
        Ensemble(members, weights)


def test_several_views_are_refused():
    with pytest.raises(ValueError, match="one view"):
        Ensemble([Constant(1)])(Batch((torch.rand(1, 3, 8, 8),) * 2, torch.zeros(1), torch.zeros(1)))


def predictions(ids, **values):
    count = len(ids)
    return Predictions(np.array(ids), np.zeros(count, np.int64), np.zeros(count, np.int64), **values)


def test_stored_rows_follow_the_ids_not_the_order():
    logits = np.arange(12, dtype=np.float32).reshape(4, 3)
    stored = predictions(["w", "x", "y", "z"], logits=logits, classes=CLASSES, features=logits[:, :2] * 10)
    teacher = StoredOutputs.from_predictions(stored, np.array(["z", "w", "y"]))
    found = teacher(batch(torch.rand(2, 3, 8, 8), index=[2, 0]))
    np.testing.assert_array_equal(found.logits.numpy(), logits[[2, 3]])
    np.testing.assert_array_equal(found.features.numpy(), logits[[2, 3], :2] * 10)
    assert (teacher.classes, teacher.feature_size) == (CLASSES, 2)
    assert teacher.state_dict() == {}


@pytest.mark.parametrize("kind", ["logits", "probabilities"])
def test_a_sample_that_no_batch_shows_may_be_missing_and_has_no_outputs(kind):
    values = np.array([[0.25, 0.75], [0.5, 0.5]], np.float32)
    stored = predictions(["a", "c"], features=values, **{kind: values})
    teacher = StoredOutputs.from_predictions(stored, np.array(["a", "b", "c"]), unseen=["b", "c"])
    found = teacher(batch(torch.rand(3, 3, 8, 8)))
    for part in found.logits, found.features:
        assert part.isnan().all(dim=1).tolist() == [False, True, False]
    np.testing.assert_array_equal(found.features.numpy()[[0, 2]], values)
    with pytest.raises(InputError, match=r"lack 1 of 2 samples \(b\)"):
        StoredOutputs.from_predictions(stored, np.array(["a", "b"]), unseen=["c"])


def test_stored_probabilities_become_logits():
    p = np.array([[0.2, 0.8], [1.0, 0.0]])
    teacher = StoredOutputs.from_predictions(predictions(["a", "b"], probabilities=p), np.array(["a", "b"]))
    found = teacher(batch(torch.rand(2, 3, 8, 8)))
    torch.testing.assert_close(found.logits.softmax(1), torch.tensor(p, dtype=torch.float32))
    assert found.logits.isfinite().all()
    assert found.features.shape == (2, 0)
    assert teacher.classes == ("0", "1")


def test_stored_mistakes():
    stored = predictions(["a", "b"], logits=np.zeros((2, 3), np.float32))
    with pytest.raises(InputError, match=r"lack 2 of 3 samples \(c, d\)"):
        StoredOutputs.from_predictions(stored, np.array(["a", "c", "d"]))
    with pytest.raises(InputError, match="neither logits nor probabilities"):
        StoredOutputs.from_predictions(predictions(["a"]), np.array(["a"]))
    with pytest.raises(InputError, match="more than once"):
        StoredOutputs.from_predictions(predictions(["a", "a"], logits=np.zeros((2, 3))), np.array(["a"]))
    with pytest.raises(ValueError, match="2 class names for 3 logits"):
        StoredOutputs(np.array(["a"]), torch.zeros(1, 3), classes=("x", "y"))
