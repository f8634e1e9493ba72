import pytest
import torch

from modelheir.losses import kl_distillation
from modelheir.objective import muscle_distillation, muscle_mask


def test_old_teaches_exactly_where_the_current_model_errs(draw):
    new, old, plain = draw(9, 5), draw(9, 5), draw(9, 5)
    labels = torch.cat([new[:4].argmax(1), (new[4:8].argmax(1) + 1) % 5, torch.tensor([-1])])
    mask = muscle_mask(new, labels)
    assert mask.tolist() == [False] * 4 + [True] * 4 + [False]
    value = muscle_distillation(new, old, plain, labels, temperature=2.0)
    torch.testing.assert_close(value[4:8], kl_distillation(new[4:8], old[4:8], temperature=2.0))
    for part in (slice(0, 4), slice(8, 9)):
        torch.testing.assert_close(value[part], kl_distillation(new[part], plain[part], temperature=2.0))


def test_the_square_of_the_temperature_can_be_left_out(draw):
    new, old, plain, labels = draw(4, 5), draw(4, 5), draw(4, 5), torch.zeros(4, dtype=torch.int64)
    scaled = muscle_distillation(new, old, plain, labels, temperature=2.0)
    bare = muscle_distillation(new, old, plain, labels, temperature=2.0, scale_by_square=False)
    torch.testing.assert_close(scaled, 4 * bare)


def test_no_gradient_reaches_either_teacher(draw):
    new, old, plain = (draw(4, 5).requires_grad_() for _ in range(3))
    muscle_distillation(new, old, plain, torch.zeros(4, dtype=torch.int64)).sum().backward()
    assert old.grad is None
    assert plain.grad is None
    assert new.grad is not None


def test_says_what_is_wrong(draw):
    with pytest.raises(ValueError, match=r"plain is \(4, 3\)"):
        muscle_distillation(draw(4, 5), draw(4, 5), draw(4, 3), torch.zeros(4, dtype=torch.int64))
    with pytest.raises(ValueError, match=r"new is \(4, 3\), old is \(4, 5\), plain is \(4, 5\)"):
        muscle_distillation(draw(4, 3), draw(4, 5), draw(4, 5), torch.zeros(4, dtype=torch.int64))
