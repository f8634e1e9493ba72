"""L-BFGS in a plane, against torch's on the coordinates alone and SciPy's answer."""

import numpy as np
import pytest
import torch
from scipy.optimize import minimize

from modelheir.models.adapters import plain_state
from modelheir.objective.subspace import LBFGSConfig, PlaneLBFGS


def test_solves_a_quadratic_as_scipy_does(plane):
    some = plane.quadratic([0.1, 1.0, 20.0, 300.0])
    update = PlaneLBFGS(some.model, some.z, some.update.objective, LBFGSConfig())
    step = plane.step(some.model)
    for number in range(60):
        step.begin(0, number)
        update({}, step)
    answer = minimize(lambda z: z @ some.hessian @ z / 2 - some.right @ z, np.zeros(4), method="L-BFGS-B", tol=1e-14)
    np.testing.assert_allclose(some.z.detach(), answer.x, atol=2e-3 * np.abs(answer.x).max())
    assert some.gap() < 1e-8


@pytest.mark.parametrize("search", [True, False])
def test_equals_torchs_own_on_a_plain_network(plane, search):
    """Where nothing is drawn and P is square: a step of any number of iterations."""
    plain, model = plane.net(norm=False), plane.net(norm=False)
    width = sum(one.numel() for one in model.parameters())
    z = plane.make(model, torch.eye(width).double())
    config = LBFGSConfig(iterations=3, history=5, search=search)
    update, step = PlaneLBFGS(model, z, plane.of_net(model), config), plane.step(model, lr=0.5)
    theirs = torch.optim.LBFGS(
        plain.parameters(),
        lr=0.5,
        max_iter=3,
        max_eval=75,
        history_size=5,
        line_search_fn="strong_wolfe" if search else None,
    )
    for number in range(3):
        batch = plane.batch(seed=number)
        step.begin(0, number)
        update(batch, step)

        def look(batch=batch):
            theirs.zero_grad()
            loss = plane.of_net(plain)(batch, step).total
            loss.backward()
            return loss

        theirs.step(look)
    for name, value in plain_state(model).items():
        torch.testing.assert_close(value, plain.state_dict()[name], rtol=1e-6, atol=1e-8)
    assert step.observed()["lbfgs/passes"] >= 3 - (not search)


def test_a_resumed_run_goes_on_the_same_and_leaves_statistics_alone(plane):
    found = []
    for again in (False, True):
        model = plane.net(dropout=0.3)
        z = plane.make(model, plane.orthonormal(4, sum(one.numel() for one in model.parameters())))

        def make(model=model, z=z):
            return PlaneLBFGS(model, z, plane.of_net(model), LBFGSConfig(iterations=2, history=3))

        update, step = make(), plane.step(model)
        assert set(update.state_dict()) == {"count"}
        for number in range(6):
            if again and number in (0, 1, 4):
                state, update = update.state_dict(), make()
                update.load_state_dict(state)
            step.begin(0, number)
            update(plane.batch(seed=number), step)
        found.append([z.detach().clone(), *update.state_dict().values(), *model.buffers()])
        assert model[1].num_batches_tracked == 6  # one forward pass a step moves them
    assert all(torch.equal(one, other) for one, other in zip(*found, strict=True))
