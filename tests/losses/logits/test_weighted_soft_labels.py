import numpy as np
import pytest
import torch

from modelheir.losses import teacher_cross_entropy, weighted_soft_labels

NEW = torch.tensor([[1.0, 2.0, 3.0], [0.5, -1.0, 0.25]], dtype=torch.float64)
OLD = torch.tensor([[3.0, 2.0, 1.0], [0.0, 0.5, -0.5]], dtype=torch.float64)
LABELS = torch.tensor([2, 0])


def test_known_weights_and_loss():
    value = weighted_soft_labels(NEW, OLD, LABELS)
    assert value.mean().item() == pytest.approx(1.4869721448, abs=1e-9)
    weights = value / teacher_cross_entropy(NEW, OLD, temperature=2.0)
    np.testing.assert_allclose(weights, [0.1557437978, 0.4446163886], atol=1e-6)


@pytest.mark.parametrize("temperature", [1.0, 2.0, 4.0])
def test_equals_a_loop(draw, log_softmax, temperature):
    new, old, labels = draw(7, 5), draw(7, 5), torch.tensor([0, 1, -1, 2, 4, -1, 3])
    wanted = []
    for n in range(7):
        z, t = new.numpy()[n : n + 1], old.numpy()[n : n + 1]
        y = int(labels[n]) if labels[n] >= 0 else int(t.argmax())
        weight = 1 - np.exp(-log_softmax(z)[0, y] / (log_softmax(t)[0, y] - 1e-7))
        soft = -(np.exp(log_softmax(t / temperature)) * log_softmax(z / temperature)).sum()
        wanted.append(weight * soft * temperature**2)
    np.testing.assert_allclose(weighted_soft_labels(new, old, labels, temperature=temperature), wanted, rtol=1e-5)


def test_the_weight_has_no_gradient(draw):
    new, old, labels = draw(7, 5).requires_grad_(), draw(7, 5), torch.arange(7) % 5
    weights = (weighted_soft_labels(new, old, labels) / teacher_cross_entropy(new, old, temperature=2.0)).detach()
    weighted_soft_labels(new, old, labels).sum().backward()
    got, new.grad = new.grad, None
    (weights * teacher_cross_entropy(new, old, temperature=2.0)).sum().backward()
    torch.testing.assert_close(got, new.grad)


def test_certain_models_of_either_kind_are_finite():
    sure, wrong = torch.tensor([[300.0, 0.0]]), torch.tensor([[0.0, 300.0]])
    label = torch.tensor([0])
    assert weighted_soft_labels(sure, wrong, label).item() == 0  # the new model knows the label
    assert weighted_soft_labels(sure, sure, label).item() == 0
    new = wrong.clone().requires_grad_()
    value = weighted_soft_labels(new, sure, label)  # the weight is 1
    value.sum().backward()
    assert value.item() == pytest.approx(600)
    assert new.grad is not None
    assert new.grad.isfinite().all()


def test_says_what_is_wrong(draw):
    with pytest.raises(ValueError, match="temperature must be > 0"):
        weighted_soft_labels(draw(2, 3), draw(2, 3), LABELS, temperature=0)
    with pytest.raises(ValueError, match="shapes must be equal"):
        weighted_soft_labels(draw(2, 3), draw(2, 2), LABELS)
