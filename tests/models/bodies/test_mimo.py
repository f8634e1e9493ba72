import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from modelheir.config.network import NetworkConfig
from modelheir.models.bodies.mimo import average_members, join_members, repeat_members, split_members, widen_input
from modelheir.models.bodies.thin import resnet10thin_wb
from modelheir.models.building import build


@settings(deadline=None, max_examples=25)
@given(st.integers(1, 3), st.integers(1, 7), st.floats(0, 1), st.integers(0, 2**31))
def test_every_member_sees_every_image_once_and_logits_come_home(members, n, repetition, seed):
    torch.manual_seed(seed)
    images = torch.arange(n, dtype=torch.float32).view(n, 1, 1, 1).expand(n, 2, 3, 5)
    joined, order = join_members(images, members=members, repetition=repetition)
    assert joined.shape == (n, members * 2, 3, 5)
    assert order.sort(dim=1).values.tolist() == [list(range(n))] * members
    assert order[0].tolist() == list(range(n))
    same = (order == order[0]).all(dim=0).sum()
    assert same >= round(repetition * n)
    # a head that answers with the number of the image each member saw: logits must return to their own rows
    logits = joined[:, ::2, 0, 0].repeat_interleave(4, dim=1)
    parts = split_members(logits, order)
    assert len(parts) == members
    for part in parts:
        assert part.shape == (n, 4)
        assert part[:, 0].tolist() == list(range(n))


def test_no_repetition_moves_images_and_full_repetition_none():
    torch.manual_seed(0)
    images = torch.zeros(50, 1, 2, 2)
    _, moved = join_members(images, members=2, repetition=0.0)
    _, still = join_members(images, members=3, repetition=1.0)
    assert (moved[1] != moved[0]).sum() > 40
    assert torch.equal(still, torch.arange(50).expand(3, 50))


@pytest.mark.parametrize("members", [1, 2, 3])
def test_shapes_of_a_training_and_an_evaluation_pass(members):
    torch.manual_seed(0)
    n, classes = 5, 7
    body = widen_input(resnet10thin_wb(widths=(4, 4, 6, 8), stem="small"), members=members)
    head = nn.Linear(body.feature_size, members * classes)
    images = torch.randn(n, 3, 8, 8)
    joined, order = join_members(images, members=members, repetition=0.4)
    parts = split_members(head(body(joined)), order)
    assert [part.shape for part in parts] == [(n, classes)] * members
    labels = torch.randint(classes, (n,))
    sum(nn.functional.cross_entropy(part, labels) for part in parts).backward()
    assert all(p.grad is not None for p in [*body.parameters(), *head.parameters()])

    body.eval()
    logits = head(body(repeat_members(images, members=members)))
    mean = average_members(logits, members=members)
    assert mean.shape == (n, classes)
    expected = sum(logits[:, m * classes : (m + 1) * classes] for m in range(members)) / members
    torch.testing.assert_close(mean, expected)


def test_one_member_is_the_plain_net():
    images, body = torch.randn(4, 3, 8, 8), resnet10thin_wb(stem="small")
    joined, order = join_members(images, members=1)
    assert torch.equal(joined, images)
    assert widen_input(body, members=1) is body
    logits = torch.randn(4, 6)
    assert torch.equal(split_members(logits, order)[0], logits)
    assert torch.equal(average_members(logits, members=1), logits)


@pytest.mark.parametrize("members", [2, 3])
def test_kept_weights_give_the_same_features_for_a_repeated_image(members):
    torch.manual_seed(0)
    body, x = resnet10thin_wb(), torch.randn(2, 3, 32, 32)
    before = body(x)
    widen_input(body, members=members, keep_weights=True)
    torch.testing.assert_close(body(repeat_members(x, members=members)), before, atol=1e-5, rtol=1e-5)


def test_fresh_weights_keep_the_size_of_the_output():
    torch.manual_seed(0)
    net = nn.Sequential(nn.Conv2d(8, 64, 3, bias=False))
    before = net(torch.randn(4, 8, 16, 16)).std()
    after = widen_input(net, members=3)(torch.randn(4, 24, 16, 16)).std()
    assert abs(after / before - 1) < 0.1


def test_a_net_without_a_first_convolution():
    with pytest.raises(ValueError, match="begins with a plain convolution"):
        widen_input(nn.Sequential(nn.Flatten(), nn.Linear(4, 2)), members=2)


def test_logits_that_do_not_divide():
    with pytest.raises(ValueError, match="7 logits do not divide among 2 members"):
        average_members(torch.zeros(3, 7), members=2)


@pytest.mark.parametrize("members", [1, 2, 3])
def test_a_built_classifier_has_aligned_members(members):
    classes = ("a", "b", "c", "d")
    model = build("convnet", classes=classes, image_size=8, config=NetworkConfig(mimo_members=members))
    images = torch.rand(5, 3, 8, 8)
    found = model.train()(images)
    assert found.logits.shape == (5, 4)
    assert [part.shape for part in found.auxiliary] == [(5, 4)] * (members - 1)
    evaluated = model.eval()(images)
    assert evaluated.auxiliary == ()
    once = model(images[:1])  # at test time an image's answer does not depend on its neighbours
    torch.testing.assert_close(once.logits[0], evaluated.logits[0], atol=1e-5, rtol=1e-5)
