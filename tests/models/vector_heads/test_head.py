"""A head on vectors from outside: outputs, members, refusals."""

import pytest
import torch
from torch.func import functional_call, jvp
from torch.nn import functional

from modelheir.checks import InputError
from modelheir.config.vector_head import VectorHeadConfig
from modelheir.models import Moments, build_vector_head, joined_logits, joined_uncertainty

CLASSES = ["a", "b", "c"]
SMALL = {"linear": {}, "mlp": {"hidden": (6,)}, "fcnn": {"hidden": (6, 5)}}


def head(kind="linear", width=4, moments=None, **settings):
    config = VectorHeadConfig(kind=kind, **{**SMALL[kind], **settings})
    return build_vector_head(config, width=width, classes=CLASSES, moments=moments)


@pytest.mark.parametrize("kind", SMALL)
def test_outputs_are_a_classifiers(draw, kind):
    made = head(kind, temperature=2.0).eval()
    outputs = made(draw(5, 4))
    assert outputs.logits.shape == (5, 3)
    torch.testing.assert_close(made.layers.last(outputs.features) / 2, outputs.logits)
    assert outputs.auxiliary == ()
    assert (made.classes, made.class_list, made.width, made.image_size) == (("a", "b", "c"), ("a", "b", "c"), 4, 0)
    made.rename(["x", "y", "z"])
    assert made.spec["classes"] == ["x", "y", "z"]
    assert made.uncertainty(draw(5, 4)).shape == (5,)


@pytest.mark.parametrize("kind", SMALL)
@pytest.mark.parametrize("training", [True, False])
def test_several_members_are_joined_in_both_modes(draw, kind, training):
    made = head(kind, members=4).train(training)
    x = draw(5, 4)
    outputs, own = made(x), made.member_logits(x)
    assert own.shape == (4, 5, 3)
    torch.testing.assert_close(outputs.logits, joined_logits(own))
    torch.testing.assert_close(made.uncertainty(x), joined_uncertainty(own))
    assert len(outputs.auxiliary) == (4 if training else 0)
    if training:
        torch.testing.assert_close(torch.stack(outputs.auxiliary), own)
    assert not torch.equal(own[0], own[1])
    assert torch.equal(outputs.features, x)


def test_every_member_learns_from_the_joined_logits(draw):
    made = head("mlp", members=3)
    functional.cross_entropy(made(draw(5, 4)).logits, torch.tensor([0, 1, 2, 0, 1])).backward()
    assert all(p.grad.flatten(1).abs().sum(1).gt(0).all() for p in made.parameters())


def test_vectors_are_scaled_before_the_layers(draw):
    x, moments = draw(5, 4), Moments(torch.full((4,), 2.0), torch.full((4,), 3.0))
    made, plain = head(moments=moments), head(normalise="none")
    torch.testing.assert_close(made(x).logits, plain((x - 2) / 3).logits)
    torch.testing.assert_close(head(normalise="l2")(x).logits, plain(functional.normalize(x)).logits)


def test_empty_batches_and_whole_numbers_are_taken():
    made = head("mlp").eval()
    assert made(torch.zeros(0, 4)).logits.shape == (0, 3)
    torch.testing.assert_close(made(torch.ones(1, 4, dtype=torch.int64)).logits, made(torch.ones(1, 4)).logits)


def test_images_and_other_vectors_are_refused():
    for given in (torch.zeros(2, 3, 8, 8), torch.zeros(2, 5), torch.zeros(4), [1.0]):
        with pytest.raises(InputError, match=r"reads stored vectors of 4 numbers, shape \(N, 4\)"):
            head()(given)


@pytest.mark.filterwarnings("ignore:`torch.jit.script`:FutureWarning")  # torch's own forward derivatives use it
@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize(("kind", "members"), [("linear", 1), ("mlp", 3), ("fcnn", 1), ("fcnn", 3)])
def test_forward_derivatives_with_respect_to_the_weights(draw, kind, members, training):
    """As feedback without sampling takes them; in training batch norms need buffers of the call's own."""
    made = head(kind, members=members).double().train(training)
    x = draw(9, 4, dtype=torch.float64)
    weights = {name: value.detach() for name, value in made.named_parameters()}
    direction = {name: torch.ones_like(value) for name, value in weights.items()}

    def logits(given):
        buffers = {name: value.clone() for name, value in made.named_buffers()}
        return functional_call(made, (given, buffers), (x,)).logits

    _, slope = jvp(logits, (weights,), (direction,))
    up, down = (logits({name: value + sign * 1e-6 for name, value in weights.items()}) for sign in (1, -1))
    torch.testing.assert_close(slope, (up - down) / 2e-6, rtol=1e-6, atol=1e-6)
