import pytest
import torch
from torch import nn
from torchvision.models import DenseNet

from modelheir.checks import InputError
from modelheir.config.network import NetworkConfig
from modelheir.models.bodies.blocks import FAMILIES
from modelheir.models.bodies.branches import combine_heads
from modelheir.models.bodies.stochastic_depth import StochasticBlock
from modelheir.models.bodies.table import BODIES
from modelheir.models.building import build, from_spec


def test_the_table_holds_every_family():
    for depth in (18, 34, 50, 101, 152):
        for pattern in ("resnet{}_wb", "aux_resnet{}", "mb_resnet{}", "resnet{}_StoDepth_lineardecay"):
            assert pattern.format(depth) in BODIES
    assert {"resnet10thin_wb", "resnext50_32x4d_wb", "resnext101_32x8d_wb", "wide_resnet50_2_wb"} <= set(BODIES)
    assert set(FAMILIES) <= set(BODIES)
    assert len(BODIES) == 29


@pytest.mark.parametrize(
    "name", [pytest.param(n, marks=pytest.mark.slow) if "101" in n or "152" in n else n for n in sorted(BODIES)]
)
def test_one_training_step_and_one_evaluation(name):
    torch.manual_seed(0)
    n, classes = 3, 5
    body = BODIES[name]()
    sizes = (body.feature_size, *getattr(body, "auxiliary_sizes", ()))
    heads = nn.ModuleList(nn.Linear(size, classes) for size in sizes)
    optimizer = torch.optim.SGD([*body.parameters(), *heads.parameters()], lr=1e-3)
    before = heads[0].weight.detach().clone()

    def logits(images):
        if not hasattr(body, "forward_auxiliary"):
            return (heads[0](body.forward_features(images)),)
        features, further = body.forward_auxiliary(images)
        return tuple(head(part) for head, part in zip(heads, (features, *further), strict=True))

    images, labels = torch.rand(n, 3, 32, 32), torch.tensor([0, 4, 2])
    loss = sum(nn.functional.cross_entropy(one, labels) for one in logits(images))
    loss.backward()
    optimizer.step()
    assert loss.isfinite()
    assert not torch.equal(before, heads[0].weight)

    body.eval()
    with torch.inference_mode():
        main, *further = logits(images)
        for how in ("none", "avg", "max"):
            assert combine_heads(main, further, how).shape == (n, classes)
    assert len(further) == (2 if name.startswith(("aux_", "mb_")) else 0)


def test_the_thin_net_has_310026_parameters_with_ten_classes():
    body = BODIES["resnet10thin_wb"]()
    assert sum(p.numel() for p in body.parameters()) + 10 * (body.feature_size + 1) == 310_026


def test_checkpointed_dense_blocks_change_no_gradient():
    # the memory-saving option is torchvision's; small blocks keep this fast
    small = {"growth_rate": 4, "block_config": (2, 2), "num_init_features": 8, "num_classes": 3}
    torch.manual_seed(0)
    plain = DenseNet(**small).train()
    saving = DenseNet(**small, memory_efficient=True).train()
    saving.load_state_dict(plain.state_dict())
    x = torch.randn(2, 3, 32, 32)
    gradients = []
    for net in (plain, saving):
        net(x).square().sum().backward()
        gradients.append([p.grad for p in net.parameters()])
    torch.testing.assert_close(gradients[0], gradients[1])


TEN = tuple(str(number) for number in range(10))


def test_the_built_thin_net_has_the_known_count():
    model = build("resnet10thin_wb", classes=TEN, image_size=32)
    assert sum(p.numel() for p in model.parameters()) == 310_026


@pytest.mark.parametrize("name", ["aux_resnet18", "mb_resnet18"])
@pytest.mark.parametrize("how", ["none", "avg", "max"])
def test_built_further_heads_train_and_join_the_evaluation(name, how):
    model = build(name, classes=TEN, image_size=32, config=NetworkConfig(auxiliary=how, kwargs={"stem": "small"}))
    images = torch.rand(2, 3, 32, 32)
    assert [head.shape for head in model.train()(images).auxiliary] == [(2, 10)] * 2
    found = model.eval()(images)
    features, inner = model.body.forward_auxiliary(model.prepare(images))
    further = [head(x) for head, x in zip(model.auxiliary_heads, inner, strict=True)]
    torch.testing.assert_close(found.logits, combine_heads(model.head(features), further, how))
    assert found.auxiliary == ()


@pytest.mark.parametrize(
    ("name", "kwargs"),
    [
        ("resnet18_StoDepth_lineardecay", {"keep_last": 0.8, "force_sampling": True, "multiply": False}),
        ("resnet18_wb", {"norm": "identity", "stem": "small"}),
        ("resnet10thin_wb", {"norm": "batch", "blocks": 2}),
        ("mb_resnet18", {"branches": 4}),
    ],
)
def test_options_reach_the_body_through_the_network_settings(name, kwargs):
    model = build(name, classes=TEN, image_size=32, config=NetworkConfig(kwargs=kwargs))
    again = from_spec(model.spec)
    again.load_state_dict(model.state_dict())
    if "force_sampling" in kwargs:
        stochastic = [part for part in again.modules() if isinstance(part, StochasticBlock)]
        assert len(stochastic) == 8
        assert all(part.force_sampling and not part.multiply for part in stochastic)
        assert stochastic[-1].keep == pytest.approx(0.8)
    else:
        x = torch.rand(2, 3, 32, 32)
        assert torch.equal(again.eval()(x).logits, model.eval()(x).logits)


def test_a_misspelt_option_is_a_sentence():
    with pytest.raises(InputError, match=r"unknown argument of resnet10thin_wb 'block'"):
        build("resnet10thin_wb", classes=TEN, image_size=32, config=NetworkConfig(kwargs={"block": 2}))
