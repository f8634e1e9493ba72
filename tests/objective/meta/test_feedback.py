"""The mathematics of feedback against closed forms: its order, its scale, its sign, the 1/B fact, the reward table."""

import itertools

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn
from torch.nn.functional import cross_entropy

from modelheir.objective.meta import adjusted_rewards, difference_feedback, dot_feedback, meta_loss, reward_table

C = 3


@pytest.fixture
def world(draw):
    """A student with its unlabelled and labelled samples, float64."""

    class World:
        torch.manual_seed(0)
        student = nn.Sequential(nn.Linear(4, 6), nn.Tanh(), nn.Linear(6, C)).double()
        u, x = draw(5, 4, dtype=torch.float64), draw(8, 4, dtype=torch.float64)
        taught, labels = torch.arange(5) % C, torch.arange(8) % C

        def gradient(self, inputs, labels):
            parameters = list(self.student.parameters())
            loss = cross_entropy(self.student(inputs), labels)
            return dict(zip(parameters, torch.autograd.grad(loss, parameters), strict=True))

        def loss(self):
            return cross_entropy(self.student(self.x), self.labels).detach()

        def after(self, move, rate):
            """Return the labelled loss and gradient before and after the step ``-rate * move``."""
            before, was = self.loss(), self.gradient(self.x, self.labels)
            with torch.no_grad():
                for parameter, value in move.items():
                    parameter -= rate * value
            found = before, self.loss(), was, self.gradient(self.x, self.labels)
            with torch.no_grad():
                for parameter, value in move.items():
                    parameter += rate * value
            return found

    return World()


def test_the_difference_is_the_product_to_the_first_order_and_the_trapezoid_to_the_second(world):
    """T-1, for plain SGD."""
    g = world.gradient(world.u, world.taught)
    first, second = [], []
    rates = [4e-3, 2e-3, 1e-3]
    for rate in rates:
        before, after, was, now = world.after(g, rate)
        slope = difference_feedback(before, after) / rate
        product, trapezoid = dot_feedback(g, now), (dot_feedback(g, now) + dot_feedback(g, was)) / 2
        first.append(abs(slope - product).item())
        second.append(abs(slope - trapezoid).item())
    for a, b in itertools.pairwise(first):
        assert a / b == pytest.approx(2, rel=0.02)
    for a, b in itertools.pairwise(second):
        assert a / b == pytest.approx(4, rel=0.02)
    assert first[-1] <= 1e-2 * abs(product)
    assert second[-1] <= 1e-6 * abs(product)


def test_the_trapezoid_is_exact_for_a_quadratic_loss(draw):
    matrix, g, w = draw(4, 4, dtype=torch.float64), draw(4, dtype=torch.float64), draw(4, dtype=torch.float64)
    matrix = matrix @ matrix.T
    moved = w - 0.3 * g
    fall = difference_feedback(w @ matrix @ w / 2, moved @ matrix @ moved / 2)
    products = [dot_feedback({"w": g}, {"w": matrix @ one}) for one in (w, moved)]
    torch.testing.assert_close(fall / 0.3, sum(products) / 2, rtol=1e-12, atol=0)


def test_clipping_multiplies_the_scale_by_what_it_multiplies_the_gradient_by(world):
    """T-2: the product is of the gradient that was not clipped."""
    g = {one: 50 * value for one, value in world.gradient(world.u, world.taught).items()}
    norm = torch.stack([value.square().sum() for value in g.values()]).sum().sqrt()
    c = min(1.0, 1 / norm.item())
    assert c < 0.5
    rate = 1e-6
    before, after, was, _ = world.after({one: c * value for one, value in g.items()}, rate)
    torch.testing.assert_close(difference_feedback(before, after) / rate, c * dot_feedback(g, was), rtol=1e-4, atol=0)


def test_the_first_step_of_adam_moves_by_the_sign(world):
    """T-2: and not by the gradient, so that the two scalars are not interchangeable."""
    g, rate = world.gradient(world.u, world.taught), 1e-6
    before, was = world.loss(), world.gradient(world.x, world.labels)
    optimizer = torch.optim.Adam(world.student.parameters(), lr=rate, eps=1e-8)
    for parameter, value in g.items():
        parameter.grad = value
    optimizer.step()
    preconditioned = {one: value / (value.abs() + 1e-8) for one, value in g.items()}
    found = difference_feedback(before, world.loss()) / rate
    torch.testing.assert_close(found, dot_feedback(preconditioned, was), rtol=1e-3, atol=0)
    assert abs(found / dot_feedback(g, was) - 1) > 0.3


def test_the_sign_is_that_of_help(world):
    """T-3: true labels help a student that learnt wrong ones, and permuted ones harm it. A reversed sign fails here."""
    centres = torch.eye(C, 4, dtype=torch.float64) * 4
    labels = torch.arange(60) % C
    noise = torch.randn(60, 4, dtype=torch.float64, generator=torch.Generator().manual_seed(3))
    world.x, world.labels = centres[labels] + 0.1 * noise, labels
    world.u = centres[labels] - 0.1 * noise
    optimizer = torch.optim.SGD(world.student.parameters(), lr=0.05)
    for _ in range(5):  # mis-trained, a little
        optimizer.zero_grad()
        cross_entropy(world.student(world.x), (labels + 1) % C).backward()
        optimizer.step()
    for shift, sign in ((0, 1), (1, -1)):
        taught = (labels + shift) % C
        g = world.gradient(world.u, taught)
        before, after, was, now = world.after(g, 1e-3)
        table = reward_table(world.student, world.u, was)
        worth = table.gather(1, taught[:, None]).mean()
        for h in (difference_feedback(before, after), dot_feedback(g, now), worth):
            assert h * sign > 0


def test_the_table_is_the_product_for_every_label(world):
    """By hand: one backward pass a sample and class."""
    direction = world.gradient(world.x, world.labels)
    table = reward_table(world.student, world.u, direction)
    assert table.shape == (5, C)
    assert not table.requires_grad
    for row, label in itertools.product(range(5), range(C)):
        one = dot_feedback(world.gradient(world.u[[row]], torch.tensor([label])), direction)
        torch.testing.assert_close(table[row, label], one, rtol=1e-10, atol=1e-14)
    whole = dot_feedback(world.gradient(world.u, world.taught), direction)
    torch.testing.assert_close(table.gather(1, world.taught[:, None]).mean(), whole, rtol=1e-10, atol=1e-14)


def test_the_table_is_at_the_weights_that_are_given(world):
    direction = world.gradient(world.x, world.labels)
    wanted = reward_table(world.student, world.u, direction)
    was = {one: one.detach().clone() for one in world.student.parameters()}
    with torch.no_grad():
        for one in world.student.parameters():
            one += 0.5
    assert not torch.allclose(reward_table(world.student, world.u, direction), wanted)
    assert torch.equal(reward_table(world.student, world.u, direction, weights=was), wanted)
    assert all(one.requires_grad for one in world.student.parameters())


def scores(logits):
    """Return every vector of labels, its probability and the gradient of its mean cross-entropy by the logits."""
    rows, found = len(logits), []
    for labels in itertools.product(range(C), repeat=rows):
        chosen = torch.tensor(labels)
        leaf = logits.clone().requires_grad_()
        (gradient,) = torch.autograd.grad(cross_entropy(leaf, chosen), leaf)
        found.append((chosen, logits.softmax(1).gather(1, chosen[:, None]).prod(), gradient))
    return found


def test_one_scalar_a_batch_is_the_gradient_over_b_and_labels_drawn_anew_are_nothing(draw):
    """T-4, by enumeration of all labels."""
    logits, rewards = draw(2, C, dtype=torch.float64), draw(2, C, dtype=torch.float64)
    every = scores(logits)
    expected = sum(p * rewards.gather(1, labels[:, None]).mean() * s for labels, p, s in every)
    leaf = logits.clone().requires_grad_()
    (gradient,) = torch.autograd.grad(meta_loss(leaf, rewards), leaf)
    torch.testing.assert_close(expected, gradient / 2, rtol=0, atol=1e-12)
    assert gradient.abs().max() > 1e-2
    mean = sum(p * rewards.gather(1, labels[:, None]).mean() for labels, p, _ in every)
    apart = mean * sum(p * s for _, p, s in every)
    torch.testing.assert_close(apart, torch.zeros_like(apart), rtol=0, atol=1e-12)


def test_drawn_labels_come_to_the_table_form_as_one_over_the_root_of_their_number(draw):
    """T-5."""
    logits, rewards = draw(2, C, dtype=torch.float64), draw(2, C, dtype=torch.float64)
    leaf = logits.clone().requires_grad_()
    (gradient,) = torch.autograd.grad(meta_loss(leaf, rewards), leaf)
    generator = torch.Generator().manual_seed(1)

    def error(count, repeats=40):
        labels = torch.multinomial(logits.softmax(1), count * repeats, replacement=True, generator=generator)
        h = rewards.gather(1, labels).mean(0)
        score = (logits.softmax(1)[None] - nn.functional.one_hot(labels.T, C)) / 2  # of the mean cross-entropy
        means = (h[:, None, None] * score).view(repeats, count, 2, C).mean(1)
        return (means - gradient / 2).square().mean().sqrt()

    few, many = error(100), error(10_000)
    assert few / many == pytest.approx(10, rel=0.25)


@given(st.integers(1, 5), st.integers(2, 4), st.integers(0, 99))
def test_what_is_added_to_all_classes_changes_nothing(rows, classes, seed):
    generator = torch.Generator().manual_seed(seed)
    logits, rewards, extra = (torch.randn(rows, n, generator=generator).double() for n in (classes, classes, 1))
    leaf = logits.requires_grad_()
    forms = (rewards, rewards + extra, adjusted_rewards(rewards, logits, centred=True, scaled=False))
    gradients = [torch.autograd.grad(meta_loss(leaf, one), leaf)[0] for one in forms]
    for one in gradients[1:]:
        torch.testing.assert_close(one, gradients[0], rtol=1e-9, atol=1e-12)


@given(st.integers(0, 99), st.floats(0.01, 100))
def test_scaled_rewards_have_size_one_whatever_they_were(seed, factor):
    generator = torch.Generator().manual_seed(seed)
    rewards, logits = (torch.randn(2, 6, 4, generator=generator).double() for _ in range(2))
    found = adjusted_rewards(factor * rewards, logits)
    torch.testing.assert_close(found.square().mean((1, 2)), torch.ones(2).double())
    torch.testing.assert_close((logits.softmax(2) * found).sum(2), torch.zeros(2, 6).double(), rtol=0, atol=1e-12)
    torch.testing.assert_close(found, adjusted_rewards(rewards, logits))


def test_edges(draw):
    zeros = torch.zeros(2, 3)
    assert torch.equal(adjusted_rewards(zeros, draw(2, 3)), zeros)
    raw = draw(2, 3)
    assert torch.equal(adjusted_rewards(raw, draw(2, 3), centred=False, scaled=False), raw)
    whole = adjusted_rewards(raw, raw, centred=False, mean=lambda one: torch.full_like(one, 4.0))
    torch.testing.assert_close(whole, raw / 2)
    one = {"w": torch.tensor([300.0], dtype=torch.float16)}
    assert dot_feedback(one, one) == 90_000
    assert dot_feedback({"w": torch.ones(2), "only": torch.ones(1)}, {"w": torch.ones(2)}) == 2


def test_says_what_is_wrong(world, draw):
    with pytest.raises(ValueError, match="no parameter in common"):
        dot_feedback({"a": torch.ones(1)}, {"b": torch.ones(1)})
    with pytest.raises(ValueError, match=r"taught is \(1,\), labelled is \(2,\)"):
        dot_feedback({"a": torch.ones(1)}, {"a": torch.ones(2)})
    with pytest.raises(ValueError, match=r"before is \(2,\), after is \(\)"):
        difference_feedback(torch.ones(2), torch.ones(()))
    with pytest.raises(ValueError, match="no parameter of this model"):
        reward_table(world.student, world.u, {})
    with pytest.raises(ValueError, match=r"two dimensions \(N, C\)"):
        meta_loss(draw(2), draw(2))
    with pytest.raises(ValueError, match=r"logits is \(2, 3\), rewards is \(2, 4\)"):
        meta_loss(draw(2, 3), draw(2, 4))
