"""The loss of copies trained together, by hand; its Fisher weights as a state; and what decays how much."""

import dataclasses

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from modelheir.config.fit import FitConfig
from modelheir.config.network import NetworkConfig
from modelheir.config.over_time.copies import OverTimeConfig, parse_routes
from modelheir.methods.adapt.joint_loss import FisherSteps, JointLoss, decays_by_copy
from modelheir.methods.adapt.tuning import JointConfig
from modelheir.models import build
from modelheir.models.over_time import OverTime, layer_names
from modelheir.objective.supervised import SupervisedConfig
from modelheir.types import Batch

STEPS = 3


class Step:
    """The least that a loss and an update see of the engine; ``apply`` leaves the weights."""

    def __init__(self, epoch=0):
        self.epoch = epoch

    def gather(self, values):
        return values

    def observe(self, name, value):
        pass

    def gradients(self, loss):
        return dict(zip(self.held, torch.autograd.grad(loss, self.held, allow_unused=True), strict=True))

    def apply(self, gradients):
        self.applied = gradients


@pytest.fixture
def copies():
    def make(layers="all", **config):
        network = NetworkConfig(kwargs={"blocks": 1})
        model = build("blocks_convnet", classes=("a", "b", "c"), image_size=8, config=network)
        routes = parse_routes(layers, steps=STEPS, layers=layer_names(model))
        return OverTime(model, routes, OverTimeConfig(**config)).eval()

    return make


@pytest.fixture
def batches():
    drawn = torch.Generator().manual_seed(0)
    made = {}
    for number in range(STEPS):
        labels = torch.randint(3, (4,), generator=drawn)
        made[f"step_{number + 1}"] = Batch(torch.rand(4, 3, 8, 8, generator=drawn), labels, torch.arange(4))
    return made


def made_loss(model, *, kind="l2", weight=0.1, **settings):
    return JointLoss(model, JointConfig(**settings), kind=kind, weight=weight, supervised=SupervisedConfig())


def squares(model, step):
    """Sum the squared differences of a step's copies from those of the step before, in NumPy."""
    total = 0.0
    for name in model.names:
        old, new = (model.held(name)[model.routes[one][model.names.index(name)]] for one in (step - 1, step))
        pairs = zip(old.parameters(), new.parameters(), strict=True)
        total += sum(float(((b - a).detach().double().numpy() ** 2).sum()) for a, b in pairs)
    return total


def test_losses_and_distances_by_time(copies, batches):
    model = copies()
    risks = [
        F.cross_entropy(model(batches[f"step_{t + 1}"].inputs, t).logits, batches[f"step_{t + 1}"].labels).item()
        for t in range(STEPS)
    ]
    apart = [squares(model, step) for step in range(1, STEPS)]
    plain = made_loss(model, newest_weight=4.0)(batches, Step()).terms
    assert plain["task"].item() == pytest.approx((risks[0] + risks[1] + 4 * risks[2]) / 3, rel=1e-5)
    assert plain["adjacent"].item() == pytest.approx(0.1 * sum(apart), rel=1e-4)
    timed = made_loss(model, loss_by_time=True, penalty_by_time=True)(batches, Step()).terms
    assert timed["task"].item() == pytest.approx((risks[0] / 3 + risks[1] / 2 + risks[2]) / 3, rel=1e-5)
    assert timed["adjacent"].item() == pytest.approx(0.1 * (apart[0] / 3 + apart[1] / 2), rel=1e-4)


def test_without_a_distance_there_is_no_term(copies, batches):
    assert set(made_loss(copies(), kind="none")(batches, Step()).terms) == {"task"}


def test_equal_copies_are_at_no_distance_and_are_a_pooled_network(copies, batches):
    model = copies()
    for name in model.names:
        for one in list(model.held(name))[1:]:
            one.load_state_dict(model.held(name)[0].state_dict())
    terms = made_loss(model, newest_weight=1.0)(batches, Step()).terms
    assert terms["adjacent"].item() == 0
    logits = model(torch.cat([one.inputs for one in batches.values()]), 0).logits
    pooled = F.cross_entropy(logits, torch.cat([one.labels for one in batches.values()]))
    torch.testing.assert_close(terms["task"], pooled)


def test_tied_copies_have_the_gradient_of_pooled_training(copies, batches):
    """As the distance counts more and more, copies move as one: by the sum of what each would."""
    model = copies()
    for name in model.names:
        for one in list(model.held(name))[1:]:
            one.load_state_dict(model.held(name)[0].state_dict())
    made_loss(model, newest_weight=1.0)(batches, Step()).total.backward()
    single = copies()
    single.load_state_dict(model.state_dict())
    logits = single(torch.cat([one.inputs for one in batches.values()]), 0).logits
    F.cross_entropy(logits, torch.cat([one.labels for one in batches.values()])).backward()
    for name in model.names:
        every = zip(*(one.parameters() for one in model.held(name)), strict=True)
        for tied, alone in zip(every, single.held(name)[0].parameters(), strict=True):
            torch.testing.assert_close(sum(one.grad for one in tied), alone.grad, atol=1e-6, rtol=1e-4)


def test_without_a_distance_the_newest_copies_train_on_the_newest_images(copies, batches):
    """With a weight of as many as there are steps, as if these were all there is."""
    model = copies()
    made_loss(model, kind="none", newest_weight=STEPS)(batches, Step()).total.backward()
    found = [model.held(name)[2].parameters() for name in model.names]
    own = [one for some in found for one in some]
    batch = batches["step_3"]
    alone = torch.autograd.grad(F.cross_entropy(model(batch.inputs, 2).logits, batch.labels), own)
    for one, wanted in zip(own, alone, strict=True):
        torch.testing.assert_close(one.grad, wanted)


def test_the_ablation_has_the_gradient_of_pooled_training(copies, batches):
    model = copies(mode="low_rank_adapt", adapter_rank=1, all_layers_efficient=True, ablate=True)
    task = made_loss(model, kind="none", newest_weight=1.0)(batches, Step()).terms["task"]
    logits = model(torch.cat([one.inputs for one in batches.values()]), 0).logits
    pooled = F.cross_entropy(logits, torch.cat([one.labels for one in batches.values()]))
    every = list(model.parameters())
    for ours, theirs in zip(torch.autograd.grad(task, every), torch.autograd.grad(pooled, every), strict=True):
        torch.testing.assert_close(ours, theirs, atol=1e-6, rtol=1e-4)


def run(steps, batches, step):
    step.held = list(steps._loss.model.parameters())
    return steps(batches, step).terms["adjacent"].item()


def test_the_distance_is_weighed_by_squared_gradients_of_the_epoch_before(copies, batches):
    """Two batches of 12 images an epoch, in NumPy; the weights have mean 1, as all are 1 in the first epoch."""
    model = copies()
    loss = made_loss(model, kind="l2_fisher", weight=0.1)
    steps, squared = FisherSteps(loss), {}
    for _ in range(2):
        step = Step()
        first = 0.1 * (squares(model, 1) + squares(model, 2))
        assert run(steps, batches, step) == pytest.approx(first, rel=1e-4)
        for key, one in model.named_parameters():
            squared[key] = squared.get(key, 0) + step.applied[one].double().numpy() ** 2 / 24
        batches = {key: dataclasses.replace(one, inputs=1 - one.inputs) for key, one in batches.items()}
    mean = np.concatenate([one.ravel() for one in squared.values()]).mean()
    wanted = 0.0
    for name in model.names:
        for old, new in ((0, 1), (1, 2)):
            own = dict(model.held(name)[old].named_parameters())
            for (key, a), b in zip(own.items(), model.held(name)[new].parameters(), strict=True):
                change = (b - a).detach().double().numpy() ** 2
                wanted += float((squared[f"copies.{name}.{old}.{key}"] / mean * change).sum())
    assert run(steps, batches, Step(epoch=1)) == pytest.approx(0.1 * wanted, rel=1e-3)


def test_what_was_collected_is_a_state(copies, batches):
    model = copies()
    first, second = (FisherSteps(made_loss(model, kind="l2_fisher")) for _ in range(2))
    run(first, batches, Step())
    second.load_state_dict(first.state_dict())
    ahead = [run(one, batches, Step(epoch=1)) for one in (first, second)]
    fresh = FisherSteps(made_loss(model, kind="l2_fisher"))
    assert ahead[0] == ahead[1] != run(fresh, batches, Step(epoch=1))
    third = FisherSteps(made_loss(model, kind="l2_fisher"))
    third.load_state_dict(first.state_dict())
    assert run(third, batches, Step(epoch=1)) == ahead[0]


def decays(model, groups):
    """Return the decay of every parameter by name, each in one group."""
    names = {id(one): name for name, one in model.named_parameters()}
    found = [(names[id(one)], decay) for some, rate, decay in groups for one in some if rate == 1.0]
    assert len(found) == len(names) == len(dict(found))
    return dict(found)


def test_decay_falls_with_the_step_that_a_copy_is_new_at(copies):
    model = copies("fc:conv1,fc")
    timed, bare = JointConfig(penalty_by_time=True), FitConfig(weight_decay=0.6, decay_norm_and_bias=False)
    split = decays_by_copy(timed, bare, None)
    for name, decay in decays(model, split(model)).items():
        _, layer, copy, *_ = name.split(".")
        first = next(t for t in range(STEPS) if model.routes[t][model.names.index(layer)] == int(copy))
        flat = model.get_parameter(name).ndim <= 1
        assert decay == pytest.approx(0 if flat else 0.6 / (first + 1)), name
    whole = decays_by_copy(timed, FitConfig(weight_decay=0.6), None)
    assert decays(model, whole(model))["copies.fc.1.head.bias"] == pytest.approx(0.3)


def test_what_is_efficient_may_have_a_decay_of_its_own(copies):
    model = copies(mode="side_tune", side_layer_sizes="block")
    fit = FitConfig(weight_decay=0.6)
    found = decays(model, decays_by_copy(JointConfig(), fit, 0.1)(model))
    assert found["copies.layer1.0.0.weight"] == found["copies.fc.1.head.weight"] == 0.6
    assert found["copies.layer1.1.0.weight"] == found["copies.layer1.2.0.weight"] == 0.1
    assert decays(model, decays_by_copy(JointConfig(), fit, 0.0)(model))["copies.layer1.1.0.weight"] == 0
    assert decays_by_copy(JointConfig(), fit, None) is None
