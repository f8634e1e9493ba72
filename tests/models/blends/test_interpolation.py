import copy
import dataclasses

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from modelheir.checks import InputError
from modelheir.config.network import NetworkConfig
from modelheir.models.blends.averages import soup
from modelheir.models.blends.interpolation import (
    align_state,
    copy_weights,
    interpolate,
    interpolate_models,
    recalibrate,
)
from modelheir.models.bodies.thin import resnet10thin_wb
from modelheir.models.classifier import Classifier
from modelheir.types import Batch

ABC, N = ("a", "b", "c"), 5


def classifier(classes=ABC, *, seed=0, norm="batch", width=6):
    torch.manual_seed(seed)
    body = resnet10thin_wb(widths=(4, 4, 4, width), stem="small", norm=norm)
    spec = {
        "classes": classes,
        "network": dataclasses.asdict(NetworkConfig()),
        "resolution": 0,
        "image_size": 8,
        "mean": [0.5] * 3,
        "std": [0.5] * 3,
    }
    model = Classifier(body, nn.Linear(width, len(classes)), spec=spec)
    model.train()(torch.rand(N, 3, 8, 8))  # moves the running statistics, so that they differ between seeds
    return model.eval()


def batch(n=N, seed=9, size=8):
    images = torch.rand(n, 3, size, size, generator=torch.Generator().manual_seed(seed))
    return Batch(inputs=images, labels=torch.zeros(n, dtype=torch.long), index=torch.arange(n))


@pytest.mark.parametrize("with_fisher", [False, True])
def test_the_ends_are_the_models_themselves_bit_for_bit(with_fisher):
    old, new, x = classifier(seed=1), classifier(seed=2), batch().inputs
    fisher = None
    if with_fisher:
        fisher = {name: torch.rand_like(p) * (torch.rand_like(p) > 0.3) for name, p in old.named_parameters()}
    for alpha, end in ((1.0, old), (0.0, new)):
        model = interpolate_models(old, new, alpha, fisher=fisher)
        assert torch.equal(model(x).logits, end(x).logits)


@settings(deadline=None, max_examples=25)
@given(st.floats(0, 1), st.integers(0, 2**31))
def test_the_formula_against_numpy(alpha, seed):
    rng = np.random.default_rng(seed)
    old, new = rng.normal(size=(3, 4)), rng.normal(size=(3, 4))
    fisher = rng.exponential(size=(3, 4)) + 0.01
    plain = interpolate({"w": torch.tensor(old)}, {"w": torch.tensor(new)}, alpha)["w"]
    np.testing.assert_allclose(plain, alpha * old + (1 - alpha) * new, atol=1e-6)
    weighted = interpolate(
        {"w": torch.tensor(old)}, {"w": torch.tensor(new)}, alpha, fisher={"w": torch.tensor(fisher)}
    )["w"]
    expected = (alpha * fisher * old + (1 - alpha) * new) / (alpha * fisher + 1 - alpha)
    np.testing.assert_allclose(weighted, expected, atol=1e-5)


def test_fisher_of_ones_is_plain():
    old, new = classifier(seed=1), classifier(seed=2)
    ones = {name: torch.ones_like(p) for name, p in old.named_parameters()}
    plain = interpolate_models(old, new, 0.37).state_dict()
    weighted = interpolate_models(old, new, 0.37, fisher=ones).state_dict()
    torch.testing.assert_close(weighted, plain)


def test_step_counters_and_half_precision_keep_their_types():
    old = {"n": torch.tensor(7), "h": torch.tensor([2.0], dtype=torch.float16)}
    new = {"n": torch.tensor(3), "h": torch.tensor([0.0], dtype=torch.float16)}
    state = interpolate(old, new, 0.5)
    assert (int(state["n"]), state["h"].dtype, float(state["h"])) == (3, torch.float16, 1.0)
    assert int(interpolate(old, new, 1.0)["n"]) == 7


def test_rows_of_classes_are_matched_by_name_and_new_ones_are_the_new_models():
    old = classifier(("c", "a", "z"), seed=1)
    new = classifier(("a", "b", "c", "d"), seed=2)
    fisher = {name: torch.full_like(p, 3.0) for name, p in old.named_parameters()}
    w = 0.25 * 3 / (0.25 * 3 + 0.75)
    for importance, weight in ((None, 0.25), (fisher, w)):
        head = interpolate_models(old, new, 0.25, fisher=importance).head
        assert torch.equal(head.weight[[1, 3]], new.head.weight[[1, 3]])
        assert torch.equal(head.bias[[1, 3]], new.head.bias[[1, 3]])
        expected = weight * old.head.weight[[1, 0]] + (1 - weight) * new.head.weight[[0, 2]]
        torch.testing.assert_close(head.weight[[0, 2]], expected)
        expected = weight * old.head.bias[[1, 0]] + (1 - weight) * new.head.bias[[0, 2]]
        torch.testing.assert_close(head.bias[[0, 2]], expected)


def test_another_order_of_the_same_classes_moves_the_head_rows_only():
    old, new = classifier(("b", "c", "a"), seed=1, width=3), classifier(ABC, seed=2, width=3)
    state = align_state(old.state_dict(), old, new)
    assert torch.equal(state["head.weight"], old.head.weight[[2, 0, 1]])
    same = [name for name in state if not name.startswith("head")]
    assert all(torch.equal(state[name], old.state_dict()[name]) for name in same)


def test_members_of_a_joint_head_keep_their_blocks():
    old, new = classifier(("a", "b"), seed=1), classifier(("b", "n", "a"), seed=2)
    old.head, new.head = nn.Linear(6, 2 * 2), nn.Linear(6, 2 * 3)
    state = align_state(old.state_dict(), old, new)["head.bias"]
    o, n = old.head.bias, new.head.bias
    torch.testing.assert_close(state, torch.stack([o[1], n[1], o[0], o[3], n[4], o[2]]))


def test_several_new_models_are_averaged_first():
    old, news = classifier(seed=1), [classifier(seed=s) for s in (2, 3, 4)]
    mean = soup([one.state_dict() for one in news])
    expected = torch.stack([one.head.weight for one in news]).mean(dim=0)
    torch.testing.assert_close(mean["head.weight"], expected)
    model = interpolate_models(old, news, 0.5)
    torch.testing.assert_close(model.head.weight, (old.head.weight + expected) / 2)
    assert torch.equal(interpolate_models(old, news[:1], 0.0)(batch().inputs).logits, news[0](batch().inputs).logits)


def test_a_grown_model_starts_from_the_old_weights():
    old, new = classifier(("c", "a"), seed=1), classifier(ABC, seed=2)
    fresh = new.head.weight[1].detach().clone()
    assert copy_weights(old, new) is new
    x = batch().inputs
    torch.testing.assert_close(new(x).logits[:, [2, 0]], old(x).logits)
    assert torch.equal(new.head.weight[1], fresh)


def test_models_without_a_class_in_common_are_refused():
    with pytest.raises(InputError, match=r"share no class name: the old model has 0, 1, 2, the new model has a, b, c;"):
        interpolate_models(classifier(("0", "1", "2")), classifier(), 0.5)


def test_inputs_stay_what_they_were():
    old, new = classifier(seed=1), classifier(seed=2)
    before = copy.deepcopy((old.state_dict(), new.state_dict()))
    model = interpolate_models(old, new, 0.5)
    with torch.no_grad():
        for p in model.parameters():
            p.zero_()
    torch.testing.assert_close((old.state_dict(), new.state_dict()), before, atol=0, rtol=0)


def test_every_image_counts_the_same_in_the_statistics():
    model, parts = classifier(seed=1), [batch(n, seed=n) for n in (6, 4, 2)]
    seen = [model.body.conv1(model.prepare(one.inputs)) for one in parts]
    recalibrate(model, parts)
    means, variances = (np.array([f(x.detach().double().numpy()) for x in seen]) for f in (_mean, _variance))
    weights = np.array([6, 4, 2]) / 12
    np.testing.assert_allclose(model.body.bn1.running_mean, weights @ means, rtol=1e-4, atol=1e-6)
    np.testing.assert_allclose(model.body.bn1.running_var, weights @ variances, rtol=1e-4)


def _mean(x):
    return x.mean(axis=(0, 2, 3))


def _variance(x):
    return x.var(axis=(0, 2, 3), ddof=1)


def test_a_last_batch_of_one_image_is_left_out():
    """The last layers of a small picture are one pixel: one image has no variance there."""
    model, without, parts = classifier(seed=1), classifier(seed=1), [batch(n, seed=n) for n in (4, 3, 1)]
    recalibrate(model, parts)
    recalibrate(without, parts[:2])
    torch.testing.assert_close(model.state_dict(), without.state_dict(), atol=0, rtol=0)


def test_batches_of_one_image_each_all_count():
    model, ones = classifier(seed=1), [batch(1, seed=s, size=16) for s in (1, 2, 3)]
    mean = torch.stack([model.body.conv1(model.prepare(one.inputs)).mean(dim=(0, 2, 3)) for one in ones]).mean(dim=0)
    recalibrate(model, ones)
    torch.testing.assert_close(model.body.bn1.running_mean, mean)


def test_statistics_become_the_mean_over_equal_batches():
    model = classifier(seed=1)
    batches = [batch(seed=s) for s in (1, 2, 3)]
    means = []
    for one in batches:
        x = model.body.conv1(model.prepare(one.inputs))
        means.append(x.mean(dim=(0, 2, 3)))
    momentum = model.body.bn1.momentum
    modes = {part: part.training for part in model.modules()}
    assert recalibrate(model, batches) == sum(isinstance(m, nn.BatchNorm2d) for m in model.modules())
    torch.testing.assert_close(model.body.bn1.running_mean, torch.stack(means).mean(dim=0))
    assert model.body.bn1.momentum == momentum
    assert {part: part.training for part in model.modules()} == modes


def test_a_net_without_statistics_is_left_alone():
    model = classifier(norm="identity")
    before = copy.deepcopy(model.state_dict())
    assert recalibrate(model, [batch()]) == 0
    torch.testing.assert_close(model.state_dict(), before, atol=0, rtol=0)


def test_other_architectures_are_refused():
    with pytest.raises(InputError, match="only models of one architecture"):
        interpolate_models(classifier(), classifier(width=8), 0.5)
    with pytest.raises(InputError, match="the new model has no"):
        interpolate_models(classifier(), classifier(norm="identity"), 0.5)
    with pytest.raises(InputError, match=r"the old model lacks \d+ tensors"):
        interpolate_models(classifier(norm="identity"), classifier(), 0.5)
    with pytest.raises(InputError, match="same classes in the same order"):
        interpolate_models(classifier(), [classifier(), classifier(("b", "a", "c"))], 0.5)


def test_wrong_arguments():
    with pytest.raises(ValueError, match="alpha must be from 0 to 1, got 2"):
        interpolate({}, {}, 2)
    with pytest.raises(ValueError, match="1 differ, such as 'w'"):
        interpolate({"w": torch.zeros(1)}, {}, 0.5)
    with pytest.raises(ValueError, match=r"shapes of 'w' must be equal: old is \(1,\), new is \(2,\)"):
        interpolate({"w": torch.zeros(1)}, {"w": torch.zeros(2)}, 0.5)
