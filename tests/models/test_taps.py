"""Taps hold what the network's own parts return in this call, and change nothing else."""

import copy
import io
import os
import pickle

import pytest
import torch
from safetensors import safe_open
from torch import nn

from modelheir.checks import InputError
from modelheir.config.network import NetworkConfig
from modelheir.config.taps import Tap
from modelheir.models import Taps, build, freeze, state_hash, transplant
from modelheir.models.files.export import export_onnx, export_safetensors

CLASSES = ("a", "b", "c")
PATHS = ("body.blocks.1", "body.blocks[2]:in", "body.blocks.2", "features")


def net(seed=1):
    return build("convnet", classes=CLASSES, image_size=8, seed=seed).eval()


def images(count=4, seed=0):
    return torch.rand(count, 3, 8, 8, generator=torch.Generator().manual_seed(seed))


class Several(nn.Module):
    """Returns a tuple, runs one part twice, one never, and overwrites a tensor."""

    def __init__(self):
        super().__init__()
        self.pair, self.twice, self.never, self.norm = Pair(), nn.Linear(3, 3), nn.Linear(3, 3), nn.BatchNorm1d(3)
        self.relu = nn.ReLU(inplace=True)

    def forward(self, x):
        _, (x, _) = self.pair(images=x)
        return self.relu(self.norm(self.twice(self.twice(x))))


class Pair(nn.Module):
    def forward(self, *, images):
        return "two", (images + 1, images + 2)


def test_values_are_those_of_the_parts_called_by_hand():
    model, x = net(), images()
    taps = Taps(model, PATHS)
    with taps.record() as found:
        assert found == {}
        outputs = model(x)
    first, second, third = model.body.blocks
    pooled = nn.functional.max_pool2d
    one = second(pooled(first(model.prepare(x)), 2))
    assert set(found) == set(taps.names) == set(PATHS)
    torch.testing.assert_close(found["body.blocks.1"], one)
    torch.testing.assert_close(found["body.blocks[2]:in"], pooled(one, 2))
    torch.testing.assert_close(found["body.blocks.2"], third(pooled(one, 2)))
    assert found["features"] is outputs.features


def test_gradients_go_through_unless_detached():
    model, x = net(), images()
    with Taps(model, PATHS).record() as found, Taps(model, PATHS, detach=True).record() as still:
        model(x)
    assert all(torch.equal(found[name], still[name]) for name in PATHS)
    assert not any(value.requires_grad for value in still.values())
    found["body.blocks.1"].square().mean().backward()
    assert {name for name, p in model.named_parameters() if p.grad is not None} == {
        name for name, _ in model.named_parameters() if name.startswith(("body.blocks.0", "body.blocks.1"))
    }


def test_only_this_call_is_kept():
    model = net()
    taps = Taps(model, ["body.blocks.0"])
    with taps.record() as before:
        model(images(2))
    held = before["body.blocks.0"].clone()
    model(images(3))  # outside: not kept
    with taps.record() as found:
        assert found == {}
        model(images(5))
    assert len(found["body.blocks.0"]) == 5
    torch.testing.assert_close(before["body.blocks.0"], held)
    with pytest.raises(InputError, match=r"tap 'body\.blocks\.0' did not run in this call of convnet"), taps.record():
        pass
    with pytest.raises(RuntimeError, match="mine"), taps.record():
        raise RuntimeError("mine")
    with taps.record():
        with pytest.raises(ValueError, match="recording already"), taps.record():
            pass
        model(images())


def test_the_last_call_first_tensor_and_keyword_inputs_count():
    model, x = Several().eval(), torch.randn(4, 3)
    with Taps(model, ["twice", "twice:in", "pair", "pair:in"]).record() as found:
        model(x)
    once = model.twice(x + 1)
    torch.testing.assert_close(found["twice:in"], once)
    torch.testing.assert_close(found["twice"], model.twice(once))
    torch.testing.assert_close(found["pair"], x + 1)
    assert found["pair:in"] is x


def test_a_part_that_did_not_run_is_named():
    model = Several().eval()
    with (
        pytest.raises(InputError, match="tap 'never' did not run in this call of Several"),
        Taps(model, ["pair", "never"]).record(),
    ):
        model(torch.zeros(2, 3))


def test_what_is_overwritten_is_refused_or_copied():
    model, x = Several().eval(), torch.randn(8, 3)
    for path in ("norm", "relu:in"):
        taps = Taps(model, [path], detach=True)
        with pytest.raises(InputError, match=f"tap '{path}' of Several.*overwrites.*copy=True"), taps.record():
            model(x)
        taps.close()
    with Taps(model, ["norm", "relu"], copy=True).record() as found:
        model(x)
    assert (found["norm"] < 0).any()
    torch.testing.assert_close(found["relu"], found["norm"].relu())
    with torch.inference_mode(), Taps(model, ["relu"]).record() as found:
        model(x)


@pytest.mark.parametrize(
    ("path", "said"),
    [
        ("body.block.2", r"no module of convnet is called 'body\.block\.2'\. Did you mean 'body\.blocks\.2' or .*\?"),
        ("blocks.2", r"Did you mean 'body\.blocks\.2' or"),
        ("qqq", r"called 'qqq'\. Names begin with body\.blocks, embedding, dropout, head"),
        ("body.blocks[7]", r"Did you mean 'body\.blocks\.\d'"),
    ],
)
def test_a_path_that_is_not_there_is_answered_with_the_nearest(path, said):
    model = net()
    with pytest.raises(InputError, match=said):
        Taps(model, ["body.blocks.1", path])
    assert not any(module._forward_hooks for module in model.modules())


def test_features_are_the_network_s_own_or_a_module_of_that_name():
    plain = nn.Sequential()
    plain.add_module("features", nn.Linear(3, 2))
    with Taps(plain, ["features"]).record() as found:
        out = plain(torch.ones(1, 3))
    assert found["features"] is out
    with pytest.raises(InputError, match="tap 'features': ReLU is no classifier that says its features"):
        Taps(nn.ReLU(), ["features"])
    model = transplant(net(0), net(1)).eval()
    with Taps(model, ["features", Tap("model.body.blocks.2")]).record() as found:
        outputs = model(images())
    assert found["features"] is outputs.features
    assert found["model.body.blocks.2"].shape == (4, 128, 2, 2)


@pytest.mark.parametrize(
    ("name", "network"),
    [
        ("tv:squeezenet1_1", {}),
        ("convnet", {"embedding": 5, "dropout": 0.5}),
        ("convnet", {"mimo_members": 2}),
        ("aux_resnet18", {}),
    ],
)
def test_features_are_those_of_the_outputs_for_every_kind_of_classifier(name, network):
    model = build(name, classes=CLASSES, image_size=32, config=NetworkConfig(**network))
    for mode in (True, False):
        with Taps(model.train(mode), ["features"]).record() as found:
            outputs = model(torch.rand(4, 3, 32, 32))
        assert found["features"] is outputs.features


def test_names_files_and_copies_are_those_without_taps(tmp_path):
    model, plain = net(), net()
    taps = Taps(model, PATHS)
    assert list(model.state_dict()) == list(plain.state_dict())
    assert state_hash(model) == state_hash(plain)
    files = [tmp_path / f"{number}.safetensors" for number in range(2)]
    for path, one in zip(files, (model, plain), strict=True):
        export_safetensors(one, path)
    first, second = (safe_open(path, framework="pt") for path in files)  # their notes stand in no order
    assert first.metadata() == second.metadata()
    names = list(first.keys())
    assert sorted(names) == sorted(second.keys())
    assert all(torch.equal(first.get_tensor(name), second.get_tensor(name)) for name in names)
    copies = [copy.deepcopy(model), pickle.loads(pickle.dumps(model))]
    whole = io.BytesIO()
    torch.save(model, whole)
    whole.seek(0)
    copies.append(torch.load(whole, weights_only=False))
    with taps.record() as found:
        expected = model(images())
        kept = dict(found)
        for other in copies:
            torch.testing.assert_close(other(images()).logits, expected.logits)
            other(images(7))
    assert all(found[name] is kept[name] for name in PATHS)
    with pytest.raises(TypeError, match="make new ones for its copy"):
        copy.deepcopy(taps)


@pytest.mark.extras
def test_an_exported_network_is_the_one_without_taps(tmp_path):
    model, plain = net(), net()
    Taps(model, PATHS)
    for number, one in enumerate((model, plain)):
        export_onnx(one, tmp_path / f"{number}.onnx")
    assert (tmp_path / "0.onnx").stat().st_size == (tmp_path / "1.onnx").stat().st_size


def test_a_frozen_teacher_gives_its_features_and_stays_frozen():
    model = freeze(net())
    before = state_hash(model)
    taps = Taps(model.train(), PATHS, detach=True)
    with taps.record() as found:
        model(images())
    assert state_hash(model) == before
    assert not any(value.requires_grad for value in found.values())


def test_closed_taps_leave_no_hook():
    model = net()
    taps = Taps(model, PATHS)
    assert any(module._forward_pre_hooks for module in model.modules())
    taps.close()
    taps.close()
    assert not any(module._forward_hooks or module._forward_pre_hooks for module in model.modules())
    with pytest.raises(ValueError, match="closed"), taps.record():
        pass


def test_several_taps_of_one_network_do_not_meet():
    model = net()
    one, other = Taps(model, ["body.blocks.1"]), Taps(model, ["body.blocks.1", "features"])
    with one.record() as found:
        model(images())
    assert set(found) == {"body.blocks.1"}
    one.close()
    with other.record() as found:
        model(images())
    assert set(found) == {"body.blocks.1", "features"}


class Held(nn.Module):
    """An objective as DDP wraps it: the network, its taps, a loss of one stage."""

    def __init__(self):
        super().__init__()
        self.model = net()
        self.taps = Taps(self.model, ["body.blocks.1"])

    def forward(self, x):
        with self.taps.record() as found:
            self.model(x)
        return found["body.blocks.1"].square().mean()


@pytest.mark.distributed
def test_gradients_are_the_same_under_ddp(tmp_path):
    torch.distributed.init_process_group("gloo", init_method=f"file://{tmp_path / 'store'}", rank=0, world_size=1)
    try:
        plain, held = Held(), Held()
        wrapped = nn.parallel.DistributedDataParallel(held, find_unused_parameters=True)
        for _ in range(2):  # a second step fails where the first left parameters unready
            plain(images()).backward()
            wrapped(images()).backward()
    finally:
        torch.distributed.destroy_process_group()
    for one, other in zip(plain.parameters(), held.parameters(), strict=True):
        if one.grad is not None:
            torch.testing.assert_close(one.grad, other.grad)
    assert any(one.grad is None for one in plain.parameters())


@pytest.mark.slow
def test_compiled_networks_give_the_same_in_one_graph():
    from torch._dynamo.utils import counters

    try:
        torch.compile(lambda x: x + 1)(torch.ones(2))
    except Exception as error:
        if os.environ.get("CI") is None:
            pytest.skip(f"this machine cannot compile: {error}")
        raise

    def values(model, taps, x):
        model.zero_grad()
        with taps.record() as found:
            outputs = model(x)
        sum(value.square().mean() for value in found.values()).backward()
        return outputs.logits, found, [p.grad for p in model.body.parameters()]

    paths = [*PATHS, "body.blocks.1.1"]  # a ReLU in place would overwrite the last one in compiled code as well
    plain, fast = net(), net()
    for model in (plain, fast):
        model.body.blocks[1][2].inplace = True
    taps = Taps(fast, paths)
    counters.clear()
    fast.compile()
    for seed in range(3):
        x = images(seed=seed)
        expected, found = values(plain, Taps(plain, paths, copy=True), x), values(fast, taps, x)
        torch.testing.assert_close(found[0], expected[0], atol=1e-4, rtol=1e-4)
        torch.testing.assert_close(found[1], expected[1], atol=1e-4, rtol=1e-4)
        torch.testing.assert_close(found[2], expected[2], atol=1e-4, rtol=1e-3)
        assert set(found[1]) == set(paths)
    assert sum(counters["graph_break"].values()) == 0
