"""FixMatch and its kin on vectors: wired to settings, labels of the pool, and the samples' numbers."""

import numpy as np
import pytest
import torch
from torch.nn.functional import cross_entropy

from modelheir.methods.cotrain.consistency import noisy_views

STILL = {f"consistency__{view}__{kind}": 0.0 for view in ("weak", "strong") for kind in ("gaussian", "dropout", "mask")}


class Step:
    """What an objective sees of the engine's step, on one process."""

    device, device_generator, gather = torch.device("cpu"), None, None

    def __init__(self):
        self.seen, self.device_generator = {}, torch.Generator().manual_seed(0)

    def observe(self, name, value):
        self.seen[name] = value


def terms(make_build, **settings):
    build = make_build(algorithms=("consistency",), **settings)
    (name,) = noisy_views(build)
    task = build.stages[name].prepare({})
    batches = {key: next(iter(stream.epoch(0))) for key, stream in task.streams.items()}
    return build, task, batches, task.objective(batches, Step()).terms


@pytest.mark.parametrize("confidence", [0.0, 0.4])
def test_without_noise_sure_predictions_are_their_own_labels(make_build, confidence):
    """By hand: the mean over the batch of the sure ones' cross-entropy with their own likeliest class, times weight."""
    _build, task, batches, found = terms(
        make_build, consistency__labels__confidence=confidence, consistency__weight=3.0, **STILL
    )
    assert list(task.streams) == ["unlabelled", "train"]  # the pool is the epoch
    head = task.modules["model"].heads["all"]
    logits = head(torch.cat(batches["unlabelled"].inputs, 1)).logits
    most, index = logits.softmax(1).max(1)
    each = cross_entropy(logits, index, reduction="none") * (most >= confidence)
    assert confidence == 0 or 0 < int((most >= confidence).sum()) < len(most)
    torch.testing.assert_close(found["unlabelled"], 3 * each.mean())
    known = batches["train"]
    torch.testing.assert_close(found["all"], cross_entropy(head(torch.cat(known.inputs, 1)).logits, known.labels))


def test_noise_is_in_units_of_each_number_s_deviation(make_build):
    """Numbers that never move get none: a constant border stays what it is."""
    _build, _, _batches, found = terms(make_build, consistency__labels__confidence=0.0)
    still = terms(make_build, consistency__labels__confidence=0.0, **STILL)[3]
    assert not torch.equal(found["unlabelled"], still["unlabelled"])
    torch.testing.assert_close(found["all"], still["all"])  # weak noise is none unless asked for


@pytest.mark.parametrize("threshold", ["fixed", "flexmatch", "freematch", "softmatch"])
def test_every_threshold_trains(world, few, plain, threshold):
    done = few(world.run, "run", given=plain, algorithms=("consistency",), consistency__labels__threshold=threshold)
    assert np.isfinite(done["consistency"].metrics["val/loss"])
