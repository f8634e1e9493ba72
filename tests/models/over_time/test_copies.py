"""A network over steps of time: who shares what, what is frozen, and where a step begins."""

import copy
import importlib

import numpy as np
import pytest
import torch
from torch.nn import functional as F
from torchvision.models import get_model

from modelheir.checks import InputError
from modelheir.config.network import NetworkConfig
from modelheir.config.over_time.copies import OverTimeConfig, parse_routes
from modelheir.models import build, from_spec, state_hash
from modelheir.models.bodies.blocks import FAMILIES
from modelheir.models.over_time import OverTime, distances, layer_names

MODES = {
    "separate": {},
    "side": {"mode": "side_tune"},
    "side, all layers": {"mode": "side_tune", "all_layers_efficient": True},
    "low rank": {"mode": "low_rank_adapt", "adapter_rank": 2},
    "low rank, multiplied": {"mode": "low_rank_adapt", "adapter_rank": 2, "adapter_mode": "multiply"},
    "low rank, all layers": {"mode": "low_rank_adapt", "adapter_rank": 2, "all_layers_efficient": True},
}
COUNTS = {  # three steps, four blocks, ten classes: published
    ("blocks_resnet", ""): 14_385_118,
    ("blocks_resnet", "16"): 11_638_750,
    ("blocks_resnet", "block"): 33_544_926,
    ("blocks_densenet", ""): 19_549_214,
    ("blocks_densenet", "block"): 20_892_318,
    ("blocks_convnet", "block"): 4_805_214,
}


def logits(model, images, step):
    return model.eval()(images, step).logits.detach()


def train(model, images, step=-1, steps=3, lr=1e-2):
    optimizer = torch.optim.Adam([p for p in model.parameters() if p.requires_grad], lr=lr)
    model.train()
    for _ in range(steps):
        optimizer.zero_grad()
        found = model(images, step) if isinstance(model, OverTime) else model(images)
        F.cross_entropy(found.logits, torch.tensor([0, 1, 2, 0, 1, 2])).backward()
        optimizer.step()


@pytest.mark.parametrize("mode", MODES)
def test_step_0_is_the_network_itself_and_no_later_copy_reaches_it(mode, classifier, over_time, images):
    expected = classifier().eval()(images).logits
    model = over_time(stirred=False, **MODES[mode])
    assert torch.equal(logits(model, images, 0), expected)
    for name in model.names:
        for part in list(model.held(name))[1:]:
            for value in part.parameters():
                torch.nn.init.constant_(value, 0.3)
    assert torch.equal(logits(model, images, 0), expected)
    assert not torch.equal(logits(model, images, 1), expected)


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("separate", ["layer1:fc", "fc:conv1,layer1", "conv1:conv1"])
def test_a_copy_reaches_the_steps_that_use_it_and_no_other(mode, separate, over_time, images):
    model = over_time(separate=separate, **MODES[mode])
    before = [logits(model, images, step) for step in range(3)]
    for name, column in zip(model.names, np.array(model.routes).T, strict=True):
        assert len(model.held(name)) == column[-1] + 1
        for number in range(column[-1] + 1):
            changed = copy.deepcopy(model)
            with torch.no_grad():
                for value in changed.held(name)[number].parameters():
                    value.add_(0.7)
            moved = {step for step in range(3) if not torch.equal(logits(changed, images, step), before[step])}
            own = {step for step in range(3) if column[step] == number}
            if model.kinds[name] != "separate" and number != 0:  # what is added stays for later steps
                own = {step for step in range(3) if column[step] >= number}
            if model.kinds[name] != "separate" and number == 0:
                own = {0, 1, 2}
            assert moved == own, (name, number)


def test_side_modules_are_added_to_the_block(over_time, images):
    model = over_time(mode="side_tune", all_layers_efficient=True).eval()
    x = (images - model.mean) / model.std
    for name in ("conv1", "layer1"):
        x = sum(part(x) for part in model.held(name))
    by_hand = sum(part.head(x.mean(dim=(2, 3))) for part in model.held("fc"))
    found = model(images)
    torch.testing.assert_close(found.logits, by_hand)
    torch.testing.assert_close(found.features, x.mean(dim=(2, 3)))


@pytest.mark.parametrize("mode", ["side_tune", "low_rank_adapt"])
def test_without_what_the_side_puts_out_a_step_is_the_one_before(mode, over_time, images, monkeypatch):
    model = over_time(mode=mode, all_layers_efficient=True, adapter_rank=2 * (mode == "low_rank_adapt"), stirred=False)
    base = logits(model, images, 0)
    if mode == "low_rank_adapt":  # adapters that begin as the identity
        for step in (1, 2):
            torch.testing.assert_close(logits(model, images, step), base)
        return
    for name in ("conv1", "layer1"):
        for part in list(model.held(name))[1:]:
            part.register_forward_hook(lambda *given: torch.zeros_like(given[-1]))
    for part in list(model.held("fc"))[1:]:
        for value in part.parameters():
            torch.nn.init.zeros_(value)
    torch.testing.assert_close(logits(model, images, 2), base)


def test_adapters_multiply_or_add_to_the_first_weight(over_time):
    for kind, join in (("add", np.add), ("multiply", np.multiply)):
        model = over_time(mode="low_rank_adapt", adapter_rank=2, adapter_mode=kind)
        held = model.held("layer1")
        weight = held[0][0].weight.detach().numpy()
        for number in (1, 2):
            weight = join(weight, held[number].changes()["0"]().detach().numpy())
            np.testing.assert_allclose(model.weights("layer1", number)["0"].detach(), weight, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("mode", ["side, all layers", "low rank, all layers"])
def test_ablated_all_steps_are_one_model(mode, over_time, images):
    model = over_time(ablate=True, **MODES[mode])
    assert torch.equal(logits(model, images, 2), logits(model, images, 0))
    whole = over_time(ablate=True, **{**MODES[mode], "all_layers_efficient": False})
    assert whole.routes == ((0, 0, 0), (1, 0, 1), (2, 0, 2))


@pytest.mark.parametrize("compat", [False, True])
@pytest.mark.parametrize("mode", MODES)
def test_frozen_copies_stay_and_their_statistics_only_as_asked(mode, compat, over_time, images):
    model = over_time(compat=compat, **MODES[mode])
    model.freeze_before(2)
    old = [part for name in model.names for part in list(model.held(name))[:2]]
    values, hashes = [p.detach().clone() for part in old for p in part.parameters()], [state_hash(p) for p in old]
    before = [logits(model, images, step) for step in (0, 1)]
    train(model, images, 2)
    assert all(torch.equal(p, v) for p, v in zip((p for part in old for p in part.parameters()), values, strict=True))
    same = [state_hash(p) for p in old] == hashes
    drift = not all(torch.equal(logits(model, images, step), before[step]) for step in (0, 1))
    assert same != drift
    assert drift == (compat and "side" in mode)  # where step 2 runs the layers of the steps before
    assert all(p.grad is not None for name in model.names for p in model.held(name)[2].parameters())


@pytest.mark.parametrize("name", FAMILIES)
def test_a_frozen_past_and_a_copy_of_it_is_fine_tuning(name, classifier, images):
    """Table 14 of the benchmark: the same seed, the same batches."""
    first = classifier(name, seed=3)
    plain = from_spec(first.spec)
    plain.load_state_dict(first.state_dict())
    model = OverTime(first, parse_routes("all", steps=2, layers=layer_names(first)))
    model.start_from_previous(1)
    model.freeze_before(1)
    train(plain, images, steps=4, lr=1e-3)
    train(model, images, 1, steps=4, lr=1e-3)
    for part, own in zip(layer_parameters(plain), layer_parameters(model), strict=True):
        torch.testing.assert_close(own, part, atol=1e-5, rtol=1e-4)


def layer_parameters(model):
    if isinstance(model, OverTime):
        return [p for part in model.used(1).values() for p in part.parameters()]
    return list(model.parameters())


def test_only_the_last_step_trained_anew_is_training_on_it_alone(classifier, images):
    model = OverTime(classifier(), parse_routes("all", steps=2, layers=("conv1", "layer1", "fc")))
    alone = classifier(seed=10_007)  # copies begin as with other seeds
    train(model, images, 1)
    train(alone, images)
    torch.testing.assert_close(layer_parameters(model), layer_parameters(alone), atol=1e-5, rtol=1e-4)


def test_equal_copies_have_the_gradient_of_one_model_between_them(classifier, images):
    """What a pull that lets no copy leave the others amounts to: training on all steps together."""
    model = OverTime(classifier(), parse_routes("all", steps=3, layers=("conv1", "layer1", "fc"))).eval()
    for step in (1, 2):
        model.start_from_previous(step)
    assert all(not value for value in distances(model).values())
    pooled = classifier().eval()
    labels = torch.tensor([0, 1, 2, 0, 1, 2])
    parts = [slice(0, 2), slice(2, 4), slice(4, 6)]
    sum(F.cross_entropy(model(images[one], step).logits, labels[one]) for step, one in enumerate(parts)).backward()
    (3 * F.cross_entropy(pooled(images).logits, labels)).backward()
    copies = [[p for part in model.used(step).values() for p in part.parameters()] for step in range(3)]
    for parameter, *three in zip(pooled.parameters(), *copies, strict=True):
        torch.testing.assert_close(sum(p.grad for p in three), parameter.grad, atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize("mode", MODES)
def test_the_same_description_and_state_give_the_same_model(mode, over_time, images):
    torch.manual_seed(5)
    random = torch.get_rng_state()
    model = over_time(**MODES[mode])
    assert torch.equal(torch.get_rng_state(), random)
    again = OverTime(from_spec(model.spec), model.routes, model.config)
    fresh = over_time(stirred=False, **MODES[mode])
    assert state_hash(again) == state_hash(fresh)
    again.load_state_dict(model.state_dict())
    assert torch.equal(logits(again, images, 2), logits(model, images, 2))
    assert torch.equal(logits(copy.deepcopy(model), images, 1), logits(model, images, 1))


def test_dropout_is_behind_every_layer_but_the_head(classifier, images):
    model = OverTime(classifier(dropout=0.5), [[0, 0, 0]])
    torch.manual_seed(0)
    found = model.train()(images, 0).logits
    torch.manual_seed(0)
    assert torch.equal(found, classifier(dropout=0.5).train()(images).logits)
    model.dropout = 0.0
    assert not torch.equal(model(images, 0).logits, found)


@pytest.mark.parametrize(("name", "sizes"), COUNTS)
@pytest.mark.parametrize("every", [False, True])
def test_sizes_are_the_published_ones(name, sizes, every):
    model = build(name, classes=[str(number) for number in range(10)], image_size=32)
    config = OverTimeConfig(mode="side_tune", side_layer_sizes=sizes, all_layers_efficient=every)
    found = OverTime(model, parse_routes("all", steps=3, layers=layer_names(model)), config)
    assert sum(p.numel() for p in found.parameters()) == COUNTS[name, sizes]


@pytest.mark.parametrize("blocks", [1, 2, 3, 4])
@pytest.mark.parametrize("name", FAMILIES)
def test_side_modules_fit_beside_every_block(name, blocks):
    config = NetworkConfig(kwargs={"blocks": blocks})
    for size in (8, 28, 32):
        model = build(name, classes=("a", "b"), image_size=size, config=config)
        sizes = "block" if name == "blocks_convnet" else ""
        found = OverTime(model, [[0] * (blocks + 2), [1] * (blocks + 2)], OverTimeConfig("side_tune", sizes)).eval()
        assert found(torch.rand(1, 3, size, size)).logits.shape == (1, 2)


def test_mistakes(classifier):
    with pytest.raises(InputError, match="with mode = 'separate' there are none"):
        OverTime(classifier(), [[0, 0, 0]], OverTimeConfig(ablate=True))
    with pytest.raises(InputError, match="low_rank_adapt needs a rank of at least 1"):
        OverTime(classifier(), [[0, 0, 0]], OverTimeConfig(mode="low_rank_adapt"))
    with pytest.raises(InputError, match="a side module is block: say so"):
        OverTime(classifier(), [[0, 0, 0]], OverTimeConfig(mode="side_tune"))
    with pytest.raises(InputError, match="convnet cannot change layer by layer over time"):
        OverTime(build("convnet", classes=("a", "b"), image_size=8), [[0, 0, 0]])
    with pytest.raises(ValueError, match="3 columns, one a layer"):
        OverTime(classifier(), [[0, 0]])
    with pytest.raises(ValueError, match="step must be from 1 to 1, got 0"):
        OverTime(classifier(), [[0, 0, 0], [1, 1, 1]]).freeze_before(0)


@pytest.mark.parametrize("mode", ["separate", "side_tune"])
def test_later_copies_of_a_pretrained_body_begin_as_the_first(monkeypatch, mode):
    """The stem and the blocks, where they are copied whole; the head and side modules are drawn."""
    module = importlib.import_module("modelheir.models.bodies.blocks")
    net = get_model("resnet18", weights=None)
    monkeypatch.setattr(module, "get_model", lambda name, weights: net)
    config = NetworkConfig(pretrained=True)
    made = build("blocks_resnet", classes=("a", "b"), image_size=32, config=config)
    routes = parse_routes("all", steps=3, layers=layer_names(made))
    model = OverTime(made, routes, OverTimeConfig(mode=mode))
    for name in model.names:
        first, *others = (one.state_dict() for one in model.held(name))
        alike = name == "conv1" or (mode == "separate" and name != "fc")
        for one in others:
            same = one.keys() == first.keys() and all(torch.equal(one[key], first[key]) for key in one)
            assert same == alike, name
    torch.testing.assert_close(model.held("conv1")[2][0].weight, net.conv1.weight)
