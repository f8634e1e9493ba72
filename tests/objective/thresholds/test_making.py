"""Every setting reaches what it sets, and asks for what it needs."""

import pytest
import torch

from modelheir.checks import InputError
from modelheir.objective import PseudoLabelConfig, make_pseudo_labels

INDEX = torch.arange(6)


def lessons(**settings):
    made = make_pseudo_labels(PseudoLabelConfig(**settings), classes=3, samples=9, labelled=(3, 2, 1))
    generator = torch.Generator().manual_seed(0)
    found = [made.weights((2 * torch.randn(6, 3, generator=generator)).softmax(1), INDEX) for _ in range(8)]
    return torch.cat([torch.cat([one.targets.flatten(), one.weights]) for one in found])


@pytest.mark.parametrize(
    ("before", "changed"),
    [
        ({"confidence": 0.5}, {"threshold": "flexmatch"}),
        ({}, {"threshold": "freematch"}),
        ({}, {"threshold": "softmatch"}),
        ({"confidence": 0.5}, {"confidence": 0.8}),
        ({"confidence": 0.6, "threshold": "flexmatch", "warm_up": False}, {"confidence": 0.9}),
        ({"confidence": 0.9, "threshold": "flexmatch"}, {"warm_up": False}),
        ({"threshold": "freematch"}, {"momentum": 0.3}),
        ({"threshold": "softmatch"}, {"momentum": 0.3}),
        ({"align": "uniform"}, {"momentum": 0.3}),
        ({"threshold": "softmatch", "momentum": 0.3}, {"spread": 4.0}),
        ({}, {"align": "uniform"}),
        ({}, {"align": "labelled"}),
        ({"align": "uniform"}, {"align": "labelled"}),
        ({}, {"sharpen": 0.5}),
    ],
)
def test_a_changed_setting_changes_the_lessons(before, changed):
    before = {"sharpen": 1.0, **before}
    assert torch.equal(lessons(**before), lessons(**before))
    assert not torch.equal(lessons(**before), lessons(**{**before, **changed}))


def test_alignment_takes_the_shares_of_labels():
    made = make_pseudo_labels(PseudoLabelConfig(align="labelled"), classes=3, samples=1, labelled=(3, 2, 1))
    torch.testing.assert_close(made.alignment.shares, torch.tensor([3.0, 2.0, 1.0]) / 6)
    even = make_pseudo_labels(PseudoLabelConfig(align="uniform"), classes=4, samples=1)
    assert even.alignment.shares.tolist() == [0.25] * 4
    assert make_pseudo_labels(PseudoLabelConfig(), classes=4, samples=1).alignment is None


@pytest.mark.parametrize("threshold", ["fixed", "flexmatch", "freematch", "softmatch"])
def test_the_state_lives_where_batches_do(threshold):
    config = PseudoLabelConfig(threshold=threshold, align="uniform")
    made = make_pseudo_labels(config, classes=3, samples=2, device="meta")
    assert {value.device.type for value in made.state_dict().values()} == {"meta"}


def test_refusals():
    for labelled in ((), (1, 2), (0, 0, 0)):
        with pytest.raises(InputError, match="align = 'labelled' needs the number of labelled samples"):
            make_pseudo_labels(PseudoLabelConfig(align="labelled"), classes=3, samples=2, labelled=labelled)
    with pytest.raises(InputError, match=r"labels\.threshold = 'flex'"):
        make_pseudo_labels(PseudoLabelConfig(threshold="flex"), classes=3, samples=2)
