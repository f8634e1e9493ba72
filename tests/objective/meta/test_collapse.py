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


def test_it_ends_training_where_one_class_is_said_and_says_what_to_do():
    watch = CollapseWatch(["clip", "dino"], EVEN, below=0.5, where="method.meta")
    for _ in range(3):
        found = watch.add(torch.tensor([[0.25, 0.25, 0.25, 0.25], [0.0, 0.02, 0.97, 0.01]]))
    assert list(found) == ["entropy/clip", "entropy/dino", "commonest/clip", "commonest/dino"]
    assert found["entropy/clip"].item() == pytest.approx(1)
    assert found["commonest/dino"].item() == pytest.approx(0.97)
    message = (
        r"labels given to dino collapsed in epoch 3: 97 % are class 2 \(entropy 0\.15 of 1\.39 nats\).*method\.meta"
    )
    with pytest.raises(InputError, match=message):
        watch.check(2)


def test_batches_that_differ_are_no_collapse_and_each_check_begins_anew():
    watch = CollapseWatch(["a"], EVEN, below=0.5)
    for row in torch.eye(4):
        watch.add(row[None])
    watch.check(0)
    watch.check(1)  # nothing was said
    watch.add(torch.eye(4)[:1])
    with pytest.raises(InputError, match="epoch 3"):
        watch.check(2)


def test_a_prior_of_one_common_class_asks_for_less():
    said = torch.tensor([[0.94, 0.02, 0.02, 0.02]])
    watch = CollapseWatch(["a"], said[0], below=0.9)
    watch.add(said)
    watch.check(0)


def test_it_is_off_at_0_and_its_state_goes_on():
    watch = CollapseWatch(["a"], EVEN, below=0.0)
    watch.add(torch.eye(4)[:1])
    other = CollapseWatch(["a"], EVEN, below=0.5)
    other.load_state_dict({key: value.clone() for key, value in watch.state_dict().items()})
    watch.check(0)
    with pytest.raises(InputError, match="collapsed"):
        other.check(0)
    with pytest.raises(ValueError, match="below must be from 0 to 1"):
        CollapseWatch(["a"], EVEN, below=2)
