"""FixMatch: two views of the same images, labels from the one for the other, and none that a person gave."""

import dataclasses

import numpy as np
import pytest
import torch

from modelheir.checks import InputError
from modelheir.config.inputs import InputConfig
from modelheir.data import open_source
from modelheir.methods import METHODS
from modelheir.methods.distill.fixmatch import Config, two_views

POOL = "synthetic:n=40,classes=3,size=8,seed=9"


class Step:
    """The least an objective reads of the engine; keeps what is observed."""

    epoch, number = 0, 0

    def __init__(self):
        self.seen = {}

    @staticmethod
    def gather(values):
        return values

    def observe(self, name, value):
        self.seen[name] = value.item()


def prepared(world, given=None, **settings):
    (stage,) = world.plan("fixmatch", given, **{"unlabelled": POOL, **settings})
    return stage.prepare({})


def batches(task, epoch=0):
    return {name: next(iter(stream.epoch(epoch))) for name, stream in task.streams.items()}


def test_both_views_show_the_same_images_changed_differently(world):
    task = prepared(world, ratio=1)
    weak, strong = task.streams["weak"], task.streams["strong"]
    assert len(weak) == len(strong) == 2
    orders = []
    for epoch in (0, 1):
        for a, b in zip(weak.epoch(epoch), strong.epoch(epoch), strict=True):
            assert a.index.tolist() == b.index.tolist()
            orders.append(a.index.tolist())
            gap = (a.inputs - b.inputs).abs().flatten(1).amax(1)
            assert (gap > 0.05).all()
    assert len({tuple(one) for one in orders}) == len(orders)


def places(image, original):
    """Return every (mirrored, row, column) by which an image is a shift of the original by up to one pixel."""
    found = set()
    for mirrored in (False, True):
        padded = torch.nn.functional.pad(original.flip(2) if mirrored else original, (1, 1, 1, 1))
        for y in range(3):
            for x in range(3):
                if torch.equal(image[:, 1:-1, 1:-1], padded[:, y + 1 : y + 7, x + 1 : x + 7]):
                    found.add((mirrored, y, x))
    return found


def seen(world, inputs, which):
    """Return the place of each image of the pool in one of its two views, where it is a shift and nothing else."""
    images = open_source(POOL, InputConfig())["train"]
    stream = two_views(world.given(inputs=inputs).data, images, ratio=2, erase=0.0)[which]
    original = torch.from_numpy(images.array).permute(0, 3, 1, 2).float() / 255
    batch = next(stream.epoch(0))
    given = {row: places(image, original[row]) for row, image in zip(batch.index.tolist(), batch.inputs, strict=True)}
    return {row: one for row, one in given.items() if one}, len(batch)


@pytest.mark.parametrize("mirror", [False, True])
def test_the_weak_view_is_shifted_and_mirrored_only_where_that_is_allowed(world, mirror):
    found, count = seen(world, InputConfig(mirror=mirror, augment="none" if not mirror else "flip", erase=1.0), 0)
    assert len(found) == count == 32
    assert len(set.union(*found.values())) > 5
    assert {mirrored for one in found.values() for mirrored, _, _ in one} == {False, mirror}


def test_the_strong_view_is_shifted_by_draws_of_its_own(world):
    """At strength 0 RandAugment leaves some images as they are."""
    inputs = InputConfig(mirror=True, policy_magnitude=0)
    weak, strong = (seen(world, inputs, which)[0] for which in (0, 1))
    both = weak.keys() & strong.keys()
    assert len(both) > 3
    assert sum(weak[row] == strong[row] for row in both) < len(both) / 2


def test_a_step_holds_ratio_images_without_labels_to_one_with(world):
    given = world.given(fit=dataclasses.replace(world.fit, batch_size=4))
    task = prepared(world, given, ratio=3)
    assert next(iter(task.streams)) == "weak"  # it defines the epoch
    assert {name: len(batch) for name, batch in batches(task).items()} == {"weak": 12, "strong": 12, "train": 4}
    assert set(batches(task)["weak"].labels.tolist()) == {-1}


def test_sure_answers_for_the_weak_view_are_the_labels_of_the_strong_one(world):
    """By hand: eq. 4, a mean over all images of the batch."""
    task = prepared(world, ratio=2, threshold=0.4, weight=3.0)
    given, step = batches(task), Step()
    found = task.objective(given, step).terms
    model = task.modules["model"]  # a perceptron: no image changes what is said of another
    p = model(given["weak"].inputs).logits.softmax(1).detach().numpy()
    q = model(given["strong"].inputs).logits.log_softmax(1).detach().numpy()
    sure = p.max(1) >= 0.4
    assert 0 < sure.sum() < len(p)
    expected = 3 * sum(-q[n, p[n].argmax()] for n in np.flatnonzero(sure)) / len(p)
    assert found["unlabelled"].item() == pytest.approx(expected, rel=1e-4)
    ours = model(given["train"].inputs).logits
    torch.testing.assert_close(found["task"], torch.nn.functional.cross_entropy(ours, given["train"].labels))
    assert step.seen["train/confident"] == pytest.approx(sure.mean())


def test_no_gradient_goes_through_the_weak_view(world):
    task = prepared(world, ratio=2, threshold=0.0)
    given = batches(task)
    given["weak"].inputs.requires_grad_()
    given["strong"].inputs.requires_grad_()
    task.objective(given, Step()).terms["unlabelled"].backward()
    assert given["weak"].inputs.grad.abs().sum() == 0
    assert given["strong"].inputs.grad.abs().sum() > 0


def test_images_of_evaluation_are_left_out_of_the_pool(world):
    """The pool is the data's own source: labelled, selection and reporting images are in it, pixel for pixel."""
    own = "synthetic:n=96,classes=3,size=8"
    with pytest.raises(InputError, match="every image of it is also in the data"):
        prepared(world, unlabelled=own)
    given = world.given(inputs=InputConfig(mirror=True, train_per_class=5))
    weak = prepared(world, given, unlabelled=own).streams["weak"]
    kept = {one.removeprefix("unlabelled/") for one in weak.ids.tolist()}
    held = {one for split in given.data.splits.values() for one in split.ids.tolist()}
    assert len(kept) == len(weak.ids) == 96 - len(held)
    assert not kept & held


def test_labels_of_the_pool_are_never_read(world):
    given, left = world.given(), []
    for seed in (1, 2):
        opened = world.opened("fixmatch", Config(unlabelled=POOL), given)
        images = opened.sources["unlabelled"].splits["unlabelled"]
        images = dataclasses.replace(images, labels=np.random.default_rng(seed).integers(0, 3, len(images)))
        pool = dataclasses.replace(opened.sources["unlabelled"], splits={"unlabelled": images})
        handed = dataclasses.replace(opened, sources={"unlabelled": pool})
        (stage,) = METHODS["fixmatch"].plan(Config(unlabelled=POOL, threshold=0.3), handed)
        task = stage.prepare({})
        terms = task.objective(batches(task), Step()).terms
        left.append({name: value.item() for name, value in terms.items()})
    assert left[0] == left[1]


def test_it_learns_and_says_what_an_epoch_is(world, rows, caplog):
    log = rows()
    given = world.given(fit=dataclasses.replace(world.fit, epochs=4, batch_size=8))
    with caplog.at_level("WARNING"):
        done = world.run("fixmatch", "run", given=given, unlabelled=POOL, ratio=2, threshold=0.35, log=log)
    assert "an epoch is a pass over the 40 images of --unlabelled, 16 a step; beside them 8 labelled" in caplog.text
    assert {row["steps"] for row in log} == {2}  # 40 images in batches of 16
    assert log[-1]["train/confident"] > 0
    assert log[-1]["loss/unlabelled"] > 0
    assert list(done) == ["fixmatch"]


def test_without_a_pool_it_is_refused(world):
    with pytest.raises(InputError, match=r"train fixmatch needs --unlabelled, images without labels"):
        prepared(world, unlabelled="")
