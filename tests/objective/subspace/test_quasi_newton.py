"""Quasi-Newton steps in a plane: quadratics, trials that leave nothing behind, and the published rules."""

import numpy as np
import pytest
import torch

from modelheir.checks import InputError
from modelheir.models.adapters import plain_state
from modelheir.objective.subspace import QuasiNewton, QuasiNewtonConfig
from modelheir.subspace import updated_inverse
from modelheir.types import LossTerms

SPECTRA = [(0.1, 1), (0.05, 5), (0.1, 20), (1, 1000)]


def spectrum(low, high, count, seed):
    found = np.exp(np.random.default_rng(seed).uniform(np.log(low), np.log(high), count))
    found[:2] = low, high
    return found


def steps_to_the_minimum(plane, values, *, seed, limit, **config):
    """Return the steps until the gap is 1e-10 of what it was, or the limit and one more."""
    some = plane.quadratic(values, seed=seed, **config)
    step = plane.step(some.model)
    for number in range(limit):
        step.begin(0, number)
        some.update({}, step)
        if some.gap() < 1e-10:
            return number + 1
    return limit + 1


@pytest.mark.parametrize("more", [{}, {"interpolate": False}, {"pairs": "same"}])
@pytest.mark.parametrize("ends", SPECTRA)
def test_quadratics_of_any_spectrum_are_solved_without_a_stall(plane, ends, more):
    """As in :mod:`tests.subspace.test_curvature`, with all that lies between coordinates and weights."""
    for count in (4, 8):
        limit = 4 * count + 10
        assert steps_to_the_minimum(plane, spectrum(*ends, count, 0), seed=0, limit=limit, **more) <= limit


@pytest.mark.parametrize("compat", ["latest", "early"])
def test_the_published_rules_stall_or_diverge_where_they_did(plane, compat):
    """Without their faults too: two trials never pass where every curvature is above 2.18; three end far off."""
    some = plane.quadratic([50.0, 200.0, 1000.0], compat=compat)
    step = plane.step(some.model)
    for number in range(6):
        step.begin(0, number)
        some.update({}, step)
    if compat == "latest":
        assert not some.z.any()
        assert some.update.refused == 6
    else:
        assert some.gap() > 10


def by_hand(hessian, right, *, compat, rho, sigma=0.4, trials, steps):
    """Do section 3.3 of the published programs on a quadratic, with plain loops."""
    n = len(right)
    z, b, seen, s = np.zeros(n), np.eye(n), None, np.zeros(n)

    def loss(z):
        return z @ hessian @ z / 2 - right @ z

    found = []
    for _ in range(steps):
        before, c = (b, seen), hessian @ z - right
        if seen is not None and (c - seen) @ s > 1e-20:
            b = updated_inverse(b, s, c - seen)
        seen, d, t = c, None, None
        d = -b @ c
        for t in [rho**k for k in range(trials)]:
            if loss(z + t * d) < loss(z) + sigma * t * (c @ d):
                s = t * d
                break
        else:
            if compat == "latest":
                t, (b, seen) = 0.0, before
            elif compat == "early":
                t = rho**2
            else:
                t = rho**trials
                s = t * d
        z = z + t * d
        found.append(z)
    return found


@pytest.mark.parametrize(
    ("compat", "rho", "trials"), [("latest", 0.55, 2), ("early", 0.55, 3), ("dldr", 0.4, 2), ("dldr", 0.4, 20)]
)
def test_the_published_rules_equal_plain_loops(plane, compat, rho, trials):
    accepted, refused = 0, 0
    for seed in range(4):
        values = [0.3, 2.0, 3.0, 4.5] if seed % 2 else [2.0, 2.5, 6.0]
        given = {"max_trials": trials} if compat == "dldr" else {}
        some = plane.quadratic(values, seed=seed, compat=compat, rho=rho, **given)
        step = plane.step(some.model)
        expected = by_hand(some.hessian, some.right, compat=compat, rho=rho, trials=trials, steps=8)
        for number, wanted in enumerate(expected):
            step.begin(0, number)
            some.update({}, step)
            np.testing.assert_allclose(some.z.detach(), wanted, rtol=1e-6, atol=1e-9)
        accepted += some.update.steps - some.update.refused
        refused += some.update.refused
    assert accepted > 2
    assert refused or trials > 3


@pytest.mark.parametrize("more", [{}, {"pairs": "same"}, {"compat": "dldr"}, {"alpha": 0.05}])
def test_turned_directions_lead_to_the_same_weights(plane, more):
    """V-5: P replaced by O P, O orthogonal."""
    found = []
    for turn in (torch.eye(4).double(), plane.orthonormal(4, 4, seed=9)):
        model = plane.net(dropout=0.2)
        rows = plane.orthonormal(4, sum(one.numel() for one in model.parameters()))
        z = plane.make(model, turn @ rows)
        update, step = QuasiNewton(model, z, plane.of_net(model), QuasiNewtonConfig(**more)), plane.step(model)
        for number in range(6):
            step.begin(0, number)
            update(plane.batch(seed=number), step)
        found.append(plain_state(model))
    for name, value in found[0].items():
        torch.testing.assert_close(found[1][name], value, rtol=1e-6, atol=1e-8)
    assert (found[0]["0.weight"] - plane.net().state_dict()["0.weight"]).abs().max() > 1e-3


@pytest.mark.parametrize("more", [{}, {"sigma": 0.1, "interpolate": False}, {"compat": "latest"}, {"compat": "dldr"}])
def test_an_accepted_step_passes_when_it_is_looked_at_again(plane, more):
    """V-6: the loss of the same batch, masks and all, where the step led."""
    model = plane.net(dropout=0.3)
    z = plane.make(model, plane.orthonormal(5, sum(one.numel() for one in model.parameters())))
    objective = plane.of_net(model)
    update, step = QuasiNewton(model, z, objective, QuasiNewtonConfig(**more)), plane.step(model)
    accepted = 0
    for number in range(12):
        batch = plane.batch(seed=number)

        def look(at, number=number, batch=batch):
            """Return loss and gradient at some coordinates, as the step of this number sees them."""
            step.begin(0, number)
            with torch.no_grad():
                z.copy_(at)
            loss = objective(batch, step).total
            return loss.detach(), torch.autograd.grad(loss, z)[0]

        buffers, start = [one.clone() for one in model.buffers()], z.detach().clone()
        before, gradient = look(start)
        for one, kept in zip(model.buffers(), buffers, strict=True):
            one.copy_(kept)
        step.observed()
        step.begin(0, number)
        update(batch, step)
        seen, moved, state = step.observed(), z.detach().clone(), [one.clone() for one in model.buffers()]
        if not seen["quasi_newton/refused"]:
            accepted += 1
            slope = gradient @ (moved - start)  # t c'd
            assert slope < 0
            assert look(moved)[0] < before + update.config.sigma * slope
        with torch.no_grad():
            z.copy_(moved)
            for one, kept in zip(model.buffers(), state, strict=True):
                one.copy_(kept)
    assert accepted > 5


def uphill(objective, z, start):
    """Return an objective whose loss grows with any move from ``start``, though its gradient says otherwise."""

    def loss(batches, step):
        found = objective(batches, step)
        return LossTerms({**found.terms, "wall": 1e6 * (z.detach() - start).abs().sum()})

    return loss


@pytest.mark.parametrize("more", [{"compat": "latest"}, {"pairs": "same"}, {}])
def test_a_refused_step_leaves_nothing_behind(plane, more):
    """V-6, Q-7: bit for bit; of the running statistics and generators, what one forward pass makes of them."""
    twins = []
    for trials in (True, False):
        model = plane.net(dropout=0.3)
        z = plane.make(model, plane.orthonormal(4, sum(one.numel() for one in model.parameters())))
        objective = plane.of_net(model)
        update, step = QuasiNewton(model, z, objective, QuasiNewtonConfig(**more)), plane.step(model)
        for number in range(4):
            step.begin(0, number)
            update(plane.batch(seed=number), step)
        known, start = update.state_dict(), z.detach().clone()
        update.objective = uphill(objective, z, start)
        step.begin(0, 4)
        if trials:
            found = update(plane.batch(seed=4), step)
            assert found.terms["wall"] == 0
            assert step.observed()["quasi_newton/refused"] == 1
            assert torch.equal(z, start)
            now = update.state_dict()
            same = ["step", "gradient", "seen", "scale"] + (["inverse", "curved"] if more.get("compat") else [])
            assert all(torch.equal(now[name], known[name]) for name in same)
            if not more.get("compat"):  # no silent stall
                assert torch.equal(now["inverse"], known["scale"] * torch.eye(4).double())
                assert now["counts"][1:].tolist() == [1, 1]
        else:
            model(plane.batch(seed=4)["train"].inputs)
        twins.append((torch.rand(3), torch.rand(3, generator=step.generator), *model.buffers()))
    assert all(torch.equal(one, other) for one, other in zip(*twins, strict=True))


def test_after_a_refused_step_it_goes_on(plane):
    some = plane.quadratic([1.0, 20.0, 300.0])
    step, objective = plane.step(some.model), some.update.objective
    for number in range(30):
        step.begin(0, number)
        some.update.objective = uphill(objective, some.z, some.z.detach().clone()) if number == 3 else objective
        some.update({}, step)
    assert some.update.refused == some.update.forgotten == 1
    assert some.gap() < 1e-10


def test_without_directions_it_is_momentum_sgd(plane):
    """V-4: P is empty."""
    model, reference = plane.net(), plane.net()
    z = plane.make(model, torch.zeros(0, sum(one.numel() for one in model.parameters())))
    update = QuasiNewton(model, z, plane.of_net(model), QuasiNewtonConfig(alpha=0.1, gamma=0.8))
    theirs = torch.optim.SGD(reference.parameters(), lr=0.1, momentum=0.8)
    step = plane.step(model)
    for number in range(5):
        step.begin(0, number)
        update(plane.batch(seed=number), step)
        theirs.zero_grad()
        plane.of_net(reference)(plane.batch(seed=number), step).total.backward()
        theirs.step()
    for name, value in plain_state(model).items():
        torch.testing.assert_close(value, reference.state_dict()[name])


def test_the_step_outside_the_plane_is_no_part_of_the_trials(plane):
    """The plane's own motion is t d, whatever alpha is, and the first step's is the same."""
    found = []
    for alpha in (0.0, 0.5):
        model = plane.net(norm=False)
        z = plane.make(model, plane.orthonormal(4, sum(one.numel() for one in model.parameters())))
        before = plain_state(model)
        update, step = QuasiNewton(model, z, plane.of_net(model), QuasiNewtonConfig(alpha=alpha)), plane.step(model)
        update(plane.batch(), step)
        found.append(z.detach().clone())
        moved = sum(float((value - before[name]).norm() ** 2) for name, value in plain_state(model).items())
        inside = float(z.detach().norm() ** 2)
        assert moved == pytest.approx(inside) if not alpha else moved > 1.01 * inside
    assert torch.equal(*found)


def test_a_loss_that_is_no_number_moves_nothing_and_teaches_nothing(plane):
    some = plane.quadratic([1.0, 20.0, 300.0])
    step, objective = plane.step(some.model), some.update.objective
    some.update({}, step)
    before, known = some.z.detach().clone(), some.update.known
    some.update.objective = lambda batches, step: LossTerms(
        {"task": objective(batches, step).total.detach() * np.nan + 0 * some.z.sum()}
    )
    found = some.update({}, step)
    assert found.total.isnan()
    assert torch.equal(some.z, before)
    assert some.update.known is known


class Scaled:
    """An engine's step whose gradients overflow, and that hears of it."""

    def __init__(self, step):
        self.step, self.heard = step, []

    def gradients(self, loss, *modules):
        return {one: value * np.inf for one, value in self.step.gradients(loss, *modules).items()}

    def apply(self, *names, gradients):
        self.heard.append(gradients)

    def __getattr__(self, name):
        return getattr(self.step, name)


def test_gradients_that_overflow_are_handed_to_the_scaler_and_move_nothing(plane):
    """Q-9: where fp16 is scaled, the engine's scaler lowers its scale when it is shown them."""
    some = plane.quadratic([1.0, 20.0, 300.0])
    step = Scaled(plane.step(some.model))
    some.update({}, step)
    assert not some.z.any()
    assert [list(one) for one in step.heard] == [[some.z]]
    assert not some.update.known.curved


def test_half_precision_passes_compare_losses_of_the_same_weights(plane):
    """Q-9: a bf16 run is a plain one but for rounding: neither P g nor where weights are is in bf16."""
    found = []
    for half in (False, True):
        model = plane.net().float()
        z = plane.make(model, plane.orthonormal(4, sum(one.numel() for one in model.parameters())))
        update, step = QuasiNewton(model, z, plane.of_net(model), QuasiNewtonConfig(scale=1.0)), plane.step(model)
        with torch.autocast("cpu", torch.bfloat16, enabled=half):
            for number in range(2):
                step.begin(0, number)
                update(plane.batch(seed=number), step)
                assert not step.observed()["quasi_newton/refused"]
        found.append(z.detach().clone())
        assert z.dtype == torch.float32
    assert (found[0] - found[1]).norm() < 0.03 * found[0].norm()


def test_says_what_is_wrong(plane):
    some = plane.quadratic([1.0])
    with pytest.raises(ValueError, match="the coordinates are no parameter of the model"):
        QuasiNewton(some.model, torch.nn.Parameter(torch.zeros(1)), some.update.objective, QuasiNewtonConfig())
    model = torch.nn.Sequential(some.model, torch.nn.Linear(2, 2))
    with pytest.raises(ValueError, match="2 parameters besides the coordinates are trainable and would not move"):
        QuasiNewton(model, some.z, some.update.objective, QuasiNewtonConfig())
    update = QuasiNewton(some.model, some.z, plane.of_net(some.model), QuasiNewtonConfig(accumulate=5), where="m.steps")
    with pytest.raises(InputError, match=r"m\.steps\.accumulate = 5"):
        update(plane.batch(12), plane.step(some.model))


def test_the_learning_rate_is_the_longest_step(plane):
    """A schedule of the engine averages the noise of batches away; Armijo's rule is asked of what is taken."""
    lengths = []
    for rate in (1.0, 0.1, 0.01):
        some = plane.quadratic([0.5, 0.7, 1.0], first_step=0.0)
        step = plane.step(some.model, lr=rate)
        some.update({}, step)
        lengths.append(float(step.observed()["quasi_newton/step"]))
    assert lengths == pytest.approx([1.0, 0.1, 0.01])
    some = plane.quadratic([0.5, 0.7, 1.0])  # where a warm-up begins
    step = plane.step(some.model, lr=0.0)
    some.update({}, step)
    seen = step.observed()
    assert not some.z.any()
    assert seen["quasi_newton/refused"] == seen["quasi_newton/trials"] == 0
    assert not some.update.known.seen


def test_a_first_step_is_no_longer_than_it_may_be(plane):
    for most in (0.5, 0.01):
        some = plane.quadratic([1e-3, 2e-3], first_step=most)
        some.update({}, plane.step(some.model))
        assert float(some.z.detach().norm()) == pytest.approx(min(most, np.linalg.norm(some.right)))
        some.update({}, plane.step(some.model))  # once curvature is known, steps are as long as it says
        assert float(some.z.detach().norm()) > 2 * most


def test_pairs_of_one_batch_know_no_noise_of_another(plane):
    """Q-6: each batch has a slope of its own, and the curvature is the same: B must learn that and nothing else."""
    for pairs, exact in (("same", True), ("successive", False)):
        some = plane.quadratic([1.0, 4.0, 9.0], pairs=pairs, damping=0.0, scale=1.0)
        step, objective, drift = plane.step(some.model), some.update.objective, {}
        some.update.objective = lambda batches, step, own=objective, at=drift, z=some.z: LossTerms(
            {**own(batches, step).terms, "noise": z @ at["slope"]}
        )
        generator = torch.Generator().manual_seed(0)
        for number in range(40):
            drift["slope"] = 3 * torch.randn(3, generator=generator, dtype=torch.float64)
            step.begin(0, number)
            some.update({}, step)
        error = np.abs(some.update.known.inverse - np.linalg.inv(some.hessian)).max()
        assert (error < 0.02) == exact


@pytest.mark.parametrize("more", [{"pairs": "same"}, {"pairs": "successive"}, {"compat": "dldr"}])
def test_one_pass_a_step_moves_running_statistics(plane, more):
    """Q-7: neither trials nor the pass after an accepted step do."""
    model = plane.net()
    z = plane.make(model, plane.orthonormal(4, sum(one.numel() for one in model.parameters())))
    update, step = QuasiNewton(model, z, plane.of_net(model), QuasiNewtonConfig(**more)), plane.step(model)
    for number in range(5):
        step.begin(0, number)
        update(plane.batch(seed=number), step)
    assert model[1].num_batches_tracked == 5
