import numpy as np
import pytest
import torch

from modelheir.objective import LogitBank


def history(visits, length, momentum):
    """One image's targets, visit by visit, from plain lists."""
    entries, targets = [], []
    for z in visits:
        targets.append(entries[-1] if len(entries) > length else None)
        past = entries[-length:]
        entries.append(momentum * np.mean(past, axis=0) + (1 - momentum) * z if len(past) == length else z)
    return targets


@pytest.mark.parametrize(("length", "momentum"), [(1, 0.5), (3, 0.2), (4, 1.0)])
def test_equals_a_queue_of_lists(length, momentum):
    rng = np.random.default_rng(0)
    samples, classes, epochs = 5, 3, 9
    logits = rng.normal(size=(epochs, samples, classes))
    bank = LogitBank(samples, classes, length=length, momentum=momentum)
    wanted = [history(logits[:, n], length, momentum) for n in range(samples)]
    for epoch in range(epochs):
        for rows in np.split(rng.permutation(samples), [3]):
            index = torch.tensor(rows)
            got = bank.targets(index)
            for row, target, weight in zip(rows, got.logits, got.weights, strict=True):
                expected = wanted[row][epoch]
                assert weight.item() == (expected is not None)
                np.testing.assert_allclose(target, 0 if expected is None else expected, rtol=1e-5, atol=1e-6)
            bank.update(index, torch.tensor(logits[epoch][rows]))


def test_no_target_is_ever_the_empty_slot():
    """The earlier system distilled one whole epoch towards zeros."""
    bank, row = LogitBank(1, 2, length=4), torch.tensor([0])
    for visit in range(12):
        target, weight = bank.targets(row)
        assert weight.item() == (visit > 4)
        if weight:
            torch.testing.assert_close(target, torch.tensor([[7.0, -3.0]]))
        bank.update(row, torch.tensor([[7.0, -3.0]]))


def test_images_are_counted_one_by_one():
    bank = LogitBank(2, 1, length=1)
    for _ in range(2):
        bank.update(torch.tensor([1]), torch.ones(1, 1))
    assert bank.targets(torch.tensor([0, 1])).weights.tolist() == [0.0, 1.0]


def test_state_round_trip_goes_on_the_same(draw):
    a, b = LogitBank(4, 3, length=2), LogitBank(4, 3, length=2)
    index = torch.arange(4)
    for _ in range(3):
        a.update(index, draw(4, 3))
    b.load_state_dict({name: value.clone() for name, value in a.state_dict().items()})
    step = draw(4, 3)
    a.update(index, step)
    b.update(index, step)
    assert torch.equal(a.targets(index).logits, b.targets(index).logits)
    assert torch.equal(a.targets(index).weights, b.targets(index).weights)


def test_keeps_no_graph_and_takes_half(draw):
    bank = LogitBank(2, 3, length=1, dtype=torch.float16)
    for _ in range(2):
        bank.update(torch.tensor([0, 1]), draw(2, 3).requires_grad_())
    assert not bank.entries.requires_grad
    assert (bank.entries.dtype, bank.visits.dtype) == (torch.float16, torch.int64)
    assert bank.targets(torch.tensor([0])).logits.dtype == torch.float32


def test_says_what_is_wrong(draw):
    with pytest.raises(ValueError, match="length must be >= 1"):
        LogitBank(2, 3, length=0)
    with pytest.raises(ValueError, match="samples must be >= 1"):
        LogitBank(0, 3)
    with pytest.raises(ValueError, match="classes must be >= 1"):
        LogitBank(2, 0)
    with pytest.raises(ValueError, match="momentum must be from 0 to 1"):
        LogitBank(2, 3, momentum=2)
    with pytest.raises(ValueError, match=r"saved_entries is \(2, 5, 3\), entries is \(4, 5, 3\)"):
        LogitBank(4, 3).load_state_dict(LogitBank(2, 3).state_dict())
    with pytest.raises(ValueError, match="lengths must be equal: index has 3, logits has 1"):
        LogitBank(4, 3).update(torch.arange(3), draw(1, 3))


def test_it_is_kept_where_it_is_asked_for():
    bank = LogitBank(4, 3, device="meta")
    assert bank.entries.device.type == bank.visits.device.type == "meta"
    bank.update(torch.arange(2), torch.zeros(2, 3))  # from another device than the bank's
    assert bank.targets(torch.arange(2, device="meta")).logits.shape == (2, 3)


def test_half_logits_are_blended_as_precisely_as_whole_ones(draw):
    half, whole = LogitBank(2, 3, length=1, momentum=0.3), LogitBank(2, 3, length=1, momentum=0.3)
    index = torch.arange(2)
    for _ in range(3):
        logits = draw(2, 3).half()
        half.update(index, logits)
        whole.update(index, logits.float())
    assert torch.equal(half.entries, whole.entries)
