import numpy as np
import pytest
import scipy.stats
import torch

from modelheir.checks import InputError
from modelheir.objective.meta import CollapseWatch
from modelheir.objective.meta.collapse import entropy

EVEN = torch.full((4,), 0.25)


def test_entropy_is_scipys(draw):
    rows = draw(5, 4, dtype=torch.float64).softmax(1)
    np.testing.assert_allclose(entropy(rows), scipy.stats.entropy(rows.numpy(), axis=1), rtol=1e-12)
    assert entropy(torch.tensor([0.0, 1.0, 0.0])) == 0


def test_two_low_epochs_in_a_row_end_training_and_it_says_what_to_do():
    watch = CollapseWatch(["clip", "dino"], EVEN, below=0.5, where="method.meta")
    said, found = torch.tensor([[0.25, 0.25, 0.25, 0.25], [0.0, 0.02, 0.97, 0.01]]), {}
    for number in range(6):
        found = watch.add(said)
        if number == 2:
            watch.check(0)
    assert list(found) == ["entropy/clip", "entropy/dino", "commonest/clip", "commonest/dino"]
    assert found["entropy/clip"].item() == pytest.approx(1)
    assert found["commonest/dino"].item() == pytest.approx(0.97)
    message = r"given to dino collapsed by epoch 2: 97 % are class 2 \(entropy 0\.15 of 1\.39 nats\).*method\.meta"
    with pytest.raises(InputError, match=message):
        watch.check(1)


def test_a_low_epoch_between_others_ends_nothing():
    watch = CollapseWatch(["a"], EVEN, below=0.5)
    for epoch in range(6):
        watch.add(torch.eye(4)[:1] if epoch % 2 else EVEN[None])
        watch.check(epoch)


def test_batches_that_differ_are_no_collapse_and_each_check_begins_anew():
    watch = CollapseWatch(["a"], EVEN, below=0.5)
    for epoch in range(3):
        for row in torch.eye(4):
            watch.add(row[None])
        watch.check(epoch)
    watch.check(3)  # nothing was said
    watch.add(torch.eye(4)[:1])
    watch.check(4)
    watch.add(torch.eye(4)[:1])
    with pytest.raises(InputError, match="epoch 6"):
        watch.check(5)


def test_a_prior_of_one_common_class_asks_for_less():
    said = torch.tensor([[0.94, 0.02, 0.02, 0.02]])
    watch = CollapseWatch(["a"], said[0], below=0.9)
    for epoch in range(3):
        watch.add(said)
        watch.check(epoch)


def test_it_is_off_at_0_and_its_state_goes_on():
    off, watch = (CollapseWatch(["a"], EVEN, below=below) for below in (0.0, 0.5))
    for one in (off, watch):
        one.add(torch.eye(4)[:1])
        one.check(0)
        one.add(torch.eye(4)[:1])
    off.check(1)
    other = CollapseWatch(["a"], EVEN, below=0.5)
    other.load_state_dict({key: value.clone() for key, value in watch.state_dict().items()})
    with pytest.raises(InputError, match="collapsed"):
        other.check(1)
    with pytest.raises(ValueError, match="below must be from 0 to 1"):
        CollapseWatch(["a"], EVEN, below=2)
