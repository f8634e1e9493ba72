"""MultiMatch against loops over samples and classes; its epochs, state, several processes, refusals."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from modelheir.objective import FixedThreshold, FreeMatch, MultiMatch

N, B, C = 24, 8, 3
OTHERS = {0: (1, 2), 1: (0, 2), 2: (0, 1)}


def epochs(count, seed=0, scale=1.5):
    """Epochs of three batches; the heads agree more often than not."""
    rng = np.random.default_rng(seed)
    true = np.eye(C)[rng.integers(0, C, N)]
    for epoch in range(count):
        order = rng.permutation(N)
        for start in range(0, N, B):
            index = order[start : start + B]
            yield epoch, 2 * true[index] + scale * rng.normal(size=(3, B, C)), index


class Loop:
    """The method as its paper tells it, sample by sample."""

    def __init__(self, delta=0.997, quantile=0.05, alone=3.0):
        self.delta, self.quantile, self.alone = delta, quantile, alone
        self.apm = np.zeros((3, N, C))
        self.last = -np.ones((3, N), dtype=int)
        self.cut = np.zeros((3, C))
        self.seen = 0

    def weights(self, epoch, logits, index):
        if epoch != self.seen:
            self.seen = epoch
            for h, (a, b) in OTHERS.items():
                for c in range(C):
                    rows = [n for n in range(N) if self.last[a, n] == c and self.last[b, n] == c]
                    values = [self.apm[head, n, c] for head in (a, b) for n in rows]
                    self.cut[h, c] = max(0, np.quantile(values, self.quantile)) if values else 0
        for h in range(3):
            for z, n in zip(logits[h], index, strict=True):
                for c in range(C):
                    margin = z[c] - max(z[k] for k in range(C) if k != c)
                    share = self.delta / (1 + epoch)
                    self.apm[h, n, c] = share * margin + (1 - share) * self.apm[h, n, c]
                self.last[h, n] = z.argmax()
        found = np.zeros((3, len(index)))
        labels = -np.ones((3, len(index)), dtype=int)
        for h, (a, b) in OTHERS.items():
            for row, n in enumerate(index):
                one, other = logits[a, row].argmax(), logits[b, row].argmax()
                ok = self.apm[a, n, one] >= self.cut[h, one], self.apm[b, n, other] >= self.cut[h, other]
                if epoch == 0 or not any(ok) or (all(ok) and one != other):
                    continue
                labels[h, row] = one if ok[0] else other
                found[h, row] = 1 if all(ok) else self.alone
        return labels, found


def run(made, batches, **further):
    return [made.weights(torch.tensor(z), torch.tensor(index), epoch=epoch, **further) for epoch, z, index in batches]


@settings(deadline=None, max_examples=12)
@given(st.floats(0.1, 1), st.floats(0, 1), st.floats(0, 5), st.integers(0, 30))
def test_equals_the_loops(delta, quantile, alone, seed):
    made = MultiMatch(N, C, smoothness=delta, quantile=quantile, alone=alone)
    loop = Loop(delta, quantile, alone)
    for epoch, z, index in epochs(3, seed):
        z = z.astype(np.float32).astype(np.float64)
        (found,) = run(made, [(epoch, z, index)])
        labels, weights = loop.weights(epoch, z, index)
        np.testing.assert_allclose(made.margins, loop.apm, rtol=1e-4, atol=1e-4)
        np.testing.assert_allclose(made.cutoffs, loop.cut, rtol=1e-4, atol=1e-4)
        near = near_a_cutoff(loop, z, index)
        np.testing.assert_allclose(found.weights.numpy()[~near], weights[~near], rtol=1e-5, atol=1e-12)
        taught = (weights > 1e-9) & ~near
        assert (found.targets.argmax(2).numpy()[taught] == labels[taught]).all()
        assert found.targets.sum(2).eq(1).all()


def near_a_cutoff(loop, z, index):
    """Where float32 may fall on the other side."""
    near = np.zeros((3, len(index)), dtype=bool)
    for h, teachers in OTHERS.items():
        for a in teachers:
            labels = z[a].argmax(1)
            near[h] |= np.abs(loop.apm[a, index, labels] - loop.cut[h, labels]) < 1e-3
    return near


def test_all_kinds_of_weights_occur_after_the_first_epoch():
    found = run(MultiMatch(N, C, quantile=0.3), epochs(3))
    assert all((one.weights == 0).all() for one in found[:3])
    later = torch.cat([one.weights for one in found[3:]], dim=1)
    assert later.unique().tolist() == [0, 1, 3]


def test_a_class_without_a_sample_has_cutoff_zero_and_the_others_have_theirs():
    made = MultiMatch(4, 3)
    z = torch.zeros(3, 4, 3)
    z[..., 2] = torch.tensor([1.0, 2.0, 3.0, 4.0])  # nobody says 0 or 1
    made.weights(z, torch.arange(4), epoch=0)
    made.weights(z, torch.arange(4), epoch=1)
    expected = 0.997 * np.quantile([1, 1, 2, 2, 3, 3, 4, 4], 0.05)
    np.testing.assert_allclose(made.cutoffs, [[0, 0, expected]] * 3, rtol=1e-5)


def test_thresholds_multiply_by_the_larger_of_the_teachers():
    batches = list(epochs(2))
    plain = run(MultiMatch(N, C), batches)
    for thresholds in ([FixedThreshold(0.9) for _ in range(3)], [FreeMatch(C, momentum=0.5) for _ in range(3)]):
        found = run(MultiMatch(N, C, thresholds=thresholds), batches)
        own = [FixedThreshold(0.9)] * 3 if isinstance(thresholds[0], FixedThreshold) else None
        differ = 0
        for (_, z, index), one, without in zip(batches, found, plain, strict=True):
            assert (one.weights <= without.weights).all()
            differ += (one.weights < without.weights).sum()
            if own:
                sure = torch.stack(
                    [own[h].weights(torch.tensor(z[h]).softmax(1), torch.tensor(index)) for h in range(3)]
                )
                gate = torch.stack([torch.maximum(sure[a], sure[b]) for a, b in OTHERS.values()])
                torch.testing.assert_close(one.weights, without.weights * gate)
        assert differ > 0


def test_resuming_goes_on_in_the_middle_of_an_epoch():
    def made():
        return MultiMatch(N, C, thresholds=[FreeMatch(C, momentum=0.5) for _ in range(3)])

    batches = list(epochs(3))
    whole, again = made(), made()
    run(whole, batches[:4])
    again.load_state_dict({key: value.clone() for key, value in whole.state_dict().items()})
    for one, other in zip(run(whole, batches[4:]), run(again, batches[4:]), strict=True):
        assert torch.equal(one.weights, other.weights)
        assert torch.equal(one.targets, other.targets)
    assert whole.state_dict().keys() == again.state_dict().keys()
    assert all(torch.equal(value, again.state_dict()[key]) for key, value in whole.state_dict().items())
    with pytest.raises(ValueError, match="saved is"):
        MultiMatch(N, C + 1).load_state_dict(whole.state_dict())


def test_processes_know_alike():
    one, half = MultiMatch(N, C), MultiMatch(N, C)
    for epoch, z, index in epochs(3):
        z, index = torch.tensor(z), torch.tensor(index)
        whole = {torch.float64: z.transpose(0, 1), torch.int64: index}
        expected = one.weights(z, index, epoch=epoch)
        found = half.weights(z[:, 4:], index[4:], epoch=epoch, gather=lambda part, whole=whole: whole[part.dtype])
        assert torch.equal(found.weights, expected.weights[:, 4:])
        assert torch.equal(half.margins, one.margins)


def test_epochs_are_counted_from_the_first_that_is_seen():
    batches = list(epochs(2))
    later = [(epoch + 7, z, index) for epoch, z, index in batches]
    for one, other in zip(run(MultiMatch(N, C), batches), run(MultiMatch(N, C), later), strict=True):
        assert torch.equal(one.weights, other.weights)


def test_refusals():
    made = MultiMatch(N, C)
    for shape in ((2, B, C), (3, B, C + 1), (3, B)):
        with pytest.raises(ValueError, match=r"logits must have shape \(3, 8, 3\)"):
            made.weights(torch.zeros(shape), torch.arange(B), epoch=0)
    for wrong, said in (
        ({"smoothness": 0.0}, "smoothness must be > 0"),
        ({"smoothness": 1.5}, "smoothness must be from 0 to 1"),
        ({"quantile": 2.0}, "quantile must be from 0 to 1"),
        ({"alone": -1.0}, "alone must be >= 0"),
        ({"thresholds": [FixedThreshold()]}, "thresholds must be three"),
    ):
        with pytest.raises(ValueError, match=said):
            MultiMatch(N, C, **wrong)
    with pytest.raises(ValueError, match="classes must be >= 2"):
        MultiMatch(N, 1)
