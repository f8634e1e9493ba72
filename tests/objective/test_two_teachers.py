import pytest
import torch

from modelheir.losses import kl_distillation
from modelheir.objective import double_source_distillation


@pytest.mark.parametrize("base", [1.0, 0.25])
def test_equals_its_two_parts_by_hand(draw, base):
    new, independent, old = draw(6, 5), draw(6, 5), draw(6, 3)
    known = torch.tensor([4, 3, 2])  # the old model's classes among the new model's
    labels = torch.tensor([4, 3, 2, 1, 0, -1])
    old[5, 1] = 9.0  # whatever it says of an image without a label, it is not right
    value = double_source_distillation(new, old, independent, labels, known, base=base, scale=5.0, temperature=5.0)
    for n in range(6):
        one = slice(n, n + 1)
        from_old = kl_distillation(new[one][:, known], old[one], temperature=5.0).item() / 25
        from_new = kl_distillation(new[one], independent[one], temperature=5.0).item() / 25
        label = int(labels[n])
        weight = 0.0 if label in (1, 0) else base + 5.0 * (label >= 0 and bool(known[old[n].argmax()] == label))
        second = base + 5.0 * bool(independent[n].argmax() == label)
        assert value[n].item() == pytest.approx(weight * from_old + second * from_new, rel=1e-4)


def test_the_usual_settings_are_those_of_the_docstring(draw):
    tensors = draw(6, 5), draw(6, 3), draw(6, 5), torch.arange(6) % 5, torch.tensor([4, 3, 2])
    settings = {"base": 1.0, "scale": 5.0, "temperature": 5.0, "scale_by_square": False}
    torch.testing.assert_close(
        double_source_distillation(*tensors), double_source_distillation(*tensors, **settings), rtol=0, atol=0
    )


def test_says_what_is_wrong(draw):
    with pytest.raises(ValueError, match=r"old_classes must have shape \(3,\), got \(2,\)"):
        double_source_distillation(
            draw(2, 5), draw(2, 3), draw(2, 5), torch.zeros(2, dtype=torch.int64), torch.tensor([0, 1])
        )
    with pytest.raises(ValueError, match=r"shapes must be equal: new is \(2, 5\), independent is \(2, 4\)"):
        double_source_distillation(
            draw(2, 5), draw(2, 3), draw(2, 4), torch.zeros(2, dtype=torch.int64), torch.tensor([0, 1, 2])
        )
