import pytest
import torch

from modelheir.objective.meta import TargetConfig
from modelheir.objective.meta.giving import Giving
from modelheir.objective.meta.targets import others


def make(meta, heads, **settings):
    config = TargetConfig(**{"kind": "soft", "confidence": 0.0, "align": False, "average_decay": 0.0, **settings})
    return Giving(heads, others, config, students=list(heads), prior=meta.prior, below=0.5, where="method")


def test_each_student_is_taught_by_the_others_alone(meta, draw):
    heads = meta.heads((4, 6, 3))
    said = draw(3, 5, meta.classes, dtype=torch.float64)
    taught = make(meta, heads)(said, meta.step(heads))
    torch.testing.assert_close(taught.targets[0], ((said[1] + said[2]) / 2).softmax(1))


def test_alignment_comes_before_what_is_drawn_kept_and_sharpened(meta, draw):
    """By hand: the pool's probabilities, divided by their mean over the batch, squared."""
    heads = meta.heads()
    said = draw(2, 400, meta.classes, dtype=torch.float64) + torch.tensor([2.0, 0, 0])
    giving = make(meta, heads, kind="sharpened", temperature=0.5, align=True, confidence=0.6)
    taught = giving(said, meta.step(heads))
    p = said.flip(0).softmax(2)
    wanted = p * (meta.prior + 1e-6) / (p.mean(1, keepdim=True) + 1e-6)
    wanted /= wanted.sum(2, keepdim=True)
    assert torch.equal(taught.kept, wanted.amax(2) >= 0.6)
    wanted = wanted.square() / wanted.square().sum(2, keepdim=True)
    torch.testing.assert_close(taught.targets, wanted)
    torch.testing.assert_close(giving.logits(said).softmax(2), wanted)


def test_what_is_watched_is_not_aligned(meta):
    heads = meta.heads()
    said = torch.zeros(2, 5, meta.classes).double() + torch.tensor([20.0, 0, 0])
    step = meta.step(heads)
    for kind in ("soft", "argmax"):
        giving = make(meta, heads, kind=kind, align=True)
        giving(said, step)
        giving.watch.check(0)
        giving(said, step)
        seen = step.observed()
        assert seen["entropy/view_0"] < 1e-3
        assert seen["commonest/view_1"] > 0.999
        assert seen["taught/view_0"] == 1
        with pytest.raises(ValueError, match="collapsed"):
            giving.watch.check(1)


def test_hard_labels_are_watched_by_their_shares(meta):
    heads, step = meta.heads(), meta.step(meta.heads())
    said = torch.tensor([[0.1, 0.0, 0.0]]).double().expand(2, 5, 3)
    for kind, low in (("soft", False), ("argmax", True)):
        make(meta, heads, kind=kind)(said, step)
        assert (step.observed()["entropy/view_0"] < 0.5) == low


def test_averaged_teachers_say_what_heads_with_their_weights_say_in_evaluation(meta):
    heads = meta.heads(dropout=0.5, norm=True)
    inputs = dict(zip(heads, meta.batches()["unlabelled"].inputs, strict=True))
    giving = make(meta, heads, average_decay=0.5)
    giving.follow()
    before = meta.weights(heads)
    wanted = torch.stack([head.eval()(inputs[name]) for name, head in heads.items()])
    with torch.no_grad():
        for head in heads.values():
            head.train()
            next(iter(head.parameters())).add_(1)
    found = giving.averaged(inputs)
    torch.testing.assert_close(found, wanted)
    assert not found.requires_grad
    giving.follow()
    assert not torch.allclose(giving.averaged(inputs), wanted)
    assert all(torch.equal(one, before[key]) for key, one in meta.weights(heads).items() if "running" in key)
    assert make(meta, heads).averaged(inputs) is None


def test_state_round_trip_goes_on_the_same(meta, draw):
    heads, said = meta.heads(), draw(2, 5, meta.classes)
    step = meta.step(heads)
    one, other = (make(meta, heads, align=True, average_decay=0.9) for _ in range(2))
    one.follow()
    one(said, step)
    other.load_state_dict({key: value.clone() for key, value in one.state_dict().items()})
    assert one.state_dict().keys() == other.state_dict().keys()
    assert torch.equal(one(said, step).targets, other(said, step).targets)
