import numpy as np
import pytest
import torch

from modelheir.objective.meta.targets import make_targets, others, taught_loss


@pytest.fixture
def generator():
    return torch.Generator().manual_seed(0)


def test_the_mean_of_the_others_logits_is_the_geometric_mean_of_their_probabilities(draw, log_softmax):
    logits = draw(3, 5, 4, dtype=torch.float64)
    logs = np.stack([log_softmax(one.numpy()) for one in logits])
    for view, found in enumerate(others(logits)):
        rest = [number for number in range(3) if number != view]
        mean = np.exp(logs[rest].mean(0))
        np.testing.assert_allclose(found.softmax(1), mean / mean.sum(1, keepdims=True), rtol=1e-10)


def test_two_views_teach_each_other_and_none_itself(draw):
    logits = draw(2, 5, 4)
    torch.testing.assert_close(others(logits), logits.flip(0))
    with pytest.raises(ValueError, match="views must be >= 2"):
        others(logits[:1])


def test_each_kind_is_what_it_says(draw, generator):
    logits = draw(2, 6, 4, dtype=torch.float64)
    p = logits.softmax(2)
    assert torch.equal(make_targets(logits, kind="argmax", generator=generator).targets, logits.argmax(2))
    torch.testing.assert_close(make_targets(logits, kind="soft", temperature=9.0, generator=generator).targets, p)
    sharp = make_targets(logits, kind="sharpened", temperature=0.5, generator=generator).targets
    torch.testing.assert_close(sharp, p.square() / p.square().sum(2, keepdim=True))
    assert make_targets(logits, kind="soft", generator=generator).kept.all()


def test_labels_are_drawn_as_often_as_they_are_probable_all_in_one_call(draw, generator, monkeypatch):
    """Q-25: one call on the device, where the earlier program copied every row to the host."""
    logits = draw(2, 3, 4)
    calls, multinomial = [], torch.multinomial
    monkeypatch.setattr(torch, "multinomial", lambda *a, **k: calls.append(a) or multinomial(*a, **k))
    many = logits.repeat(1, 20_000, 1)
    drawn = make_targets(many, kind="sampled", generator=generator).targets.view(2, 20_000, 3)
    assert len(calls) == 1
    shares = torch.nn.functional.one_hot(drawn, 4).double().mean(1)
    torch.testing.assert_close(shares, logits.softmax(2).double(), atol=0.015, rtol=0)


def test_draws_come_from_the_generator_alone(draw):
    logits = draw(2, 50, 4)
    one, same, other = (
        make_targets(logits, kind="sampled", generator=torch.Generator().manual_seed(seed)).targets
        for seed in (1, 1, 2)
    )
    assert torch.equal(one, same)
    assert not torch.equal(one, other)


def test_confidence_is_of_the_probabilities_before_the_temperature(generator):
    p = torch.tensor([[[0.7, 0.3], [0.6, 0.4], [0.1, 0.9]]])
    for kind in ("sampled", "argmax", "soft", "sharpened"):
        found = make_targets(p.log(), kind=kind, temperature=0.1, confidence=0.65, generator=generator)
        assert found.kept.tolist() == [[True, False, True]]


def test_samples_that_are_not_taught_cost_nothing_and_count_in_the_mean(draw):
    logits, kept = draw(4, 3).requires_grad_(), torch.tensor([True, False, True, False])
    labels = torch.tensor([0, 1, 2, 0])
    soft = torch.nn.functional.one_hot(labels, 3).float()
    wanted = torch.nn.functional.cross_entropy(logits, labels, reduction="none") * kept
    for targets in (labels, soft):
        torch.testing.assert_close(taught_loss(logits, targets, kept), wanted)
    taught_loss(logits, labels, kept).sum().backward()
    assert logits.grad.abs().sum(1).gt(0).tolist() == kept.tolist()


def test_says_what_is_wrong(draw, generator):
    with pytest.raises(ValueError, match="kind must be one of sampled, argmax, soft, sharpened, got 'hard'"):
        make_targets(draw(1, 2, 3), kind="hard", generator=generator)
    with pytest.raises(ValueError, match="temperature must be > 0"):
        make_targets(draw(1, 2, 3), kind="soft", temperature=0, generator=generator)
    with pytest.raises(ValueError, match="confidence must be from 0 to 1"):
        make_targets(draw(1, 2, 3), kind="soft", confidence=2, generator=generator)
