"""Predictions to lessons: the parts in their order, what is remembered, what is refused; on any device no copy."""

import pytest
import torch

from modelheir.objective import (
    DistributionAlignment,
    FixedThreshold,
    FlexMatch,
    FreeMatch,
    PseudoLabels,
    SoftMatch,
    sharpened,
)

N, B, C = 20, 8, 3
INDEX = torch.arange(B)
SHARES = torch.tensor([0.2, 0.3, 0.5])
THRESHOLDS = {
    "fixed": lambda device=None: FixedThreshold(0.5),
    "flexmatch": lambda device=None: FlexMatch(N, C, confidence=0.6, device=device),
    "freematch": lambda device=None: FreeMatch(C, momentum=0.5, device=device),
    "softmatch": lambda device=None: SoftMatch(C, momentum=0.5, device=device),
}
every = pytest.mark.parametrize("name", THRESHOLDS)


def batches(count, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return [(2 * torch.randn(B, C, generator=generator)).softmax(1) for _ in range(count)]


def made(name, device=None, **settings):
    align = DistributionAlignment(SHARES, momentum=0.5, device=device)
    return PseudoLabels(THRESHOLDS[name](device), alignment=align, **settings)


@every
def test_weights_and_targets_are_of_aligned_predictions(name):
    whole, threshold, align = made(name, sharpen=0.5), THRESHOLDS[name](), DistributionAlignment(SHARES, momentum=0.5)
    for p in batches(3):
        lesson, aligned = whole.weights(p, INDEX), align(p)
        torch.testing.assert_close(lesson.targets, sharpened(aligned, temperature=0.5))
        torch.testing.assert_close(lesson.weights, threshold.weights(aligned, INDEX))


@every
def test_without_alignment_and_sharpening_labels_are_the_likeliest_classes(name):
    plain = PseudoLabels(THRESHOLDS[name]())
    (p,) = batches(1)
    lesson = plain.weights(p.requires_grad_(), INDEX)
    assert lesson.targets.argmax(1).tolist() == p.argmax(1).tolist()
    assert lesson.targets.sum(1).tolist() == [1] * B
    assert not lesson.targets.requires_grad
    assert not lesson.weights.requires_grad
    assert set(plain.state_dict()) == {f"threshold.{key}" for key in plain.threshold.state_dict()}


@every
def test_resuming_finds_both_parts(name):
    first, *later = batches(4)
    whole, again = made(name), made(name)
    whole.weights(first, INDEX)
    state = {key: value.clone() for key, value in whole.state_dict().items()}
    assert {"alignment.total", "alignment.weight"} <= set(state)
    again.load_state_dict(state)
    for p in later:
        one, other = whole.weights(p, INDEX), again.weights(p, INDEX)
        assert torch.equal(one.weights, other.weights)
        assert torch.equal(one.targets, other.targets)


@every
def test_none_confident(name):
    even = torch.full((B, C), 1 / C)
    lesson = PseudoLabels(THRESHOLDS[name]()).weights(even, INDEX)
    assert lesson.weights.isfinite().all()
    assert lesson.weights.sum() == (0 if name == "fixed" else B)


@every
def test_gathering_reaches_both_parts(name):
    calls = []

    def gather(part):
        calls.append(part)
        return part

    made(name).weights(batches(1)[0], INDEX, gather=gather)
    assert len(calls) == 1 + {"fixed": 0, "flexmatch": 2}.get(name, 1)


def test_refusals():
    labels = made("fixed")
    with pytest.raises(ValueError, match="probabilities has 8, index has 3"):
        labels.weights(batches(1)[0], INDEX[:3])
    with pytest.raises(ValueError, match="two dimensions"):
        labels.weights(torch.ones(3), INDEX[:3])
    with pytest.raises(ValueError, match="sharpen must be >= 0"):
        PseudoLabels(FixedThreshold(), sharpen=-0.5)


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
@every
def test_on_a_gpu_nothing_waits_for_the_host(name):
    here, there = made(name, sharpen=0.5), made(name, device="cuda", sharpen=0.5)
    index = INDEX.cuda()
    for p in batches(3):
        given = p.cuda()
        torch.cuda.set_sync_debug_mode("error")
        try:
            lesson = there.weights(given, index)
        finally:
            torch.cuda.set_sync_debug_mode("default")
        expected = here.weights(p, INDEX)
        torch.testing.assert_close(lesson.weights.cpu(), expected.weights, rtol=1e-4, atol=1e-5)
        torch.testing.assert_close(lesson.targets.cpu(), expected.targets, rtol=1e-4, atol=1e-5)
