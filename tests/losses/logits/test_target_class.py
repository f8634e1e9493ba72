import pytest
import torch

from modelheir.losses import target_class


def test_the_label_or_the_old_answer(draw):
    old, labels = draw(7, 5), torch.tensor([4, -1, 0, -1, 2, 1, -1])
    wanted = [
        int(label) if label >= 0 else max(range(5), key=row.__getitem__)
        for label, row in zip(labels, old.tolist(), strict=True)
    ]
    assert target_class(old, labels).tolist() == wanted


def test_says_what_is_wrong(draw):
    with pytest.raises(ValueError, match=r"labels must have shape \(3,\)"):
        target_class(draw(3, 5), torch.zeros(3, 5))
