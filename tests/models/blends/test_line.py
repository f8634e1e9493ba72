import numpy as np
import pytest
import torch
from torch import nn

from modelheir.checks import InputError
from modelheir.models import build
from modelheir.models.blends.line import LINE, accuracy_line, model_between
from modelheir.models.teachers.freeze import state_hash
from modelheir.types import Batch

CLASSES = ["a", "b", "c"]
FAMILIES = ["convnet", "resnet8", "tv:densenet121"]


def trained(name, seed):
    """A network whose running statistics and normalisation weights differ from another seed's."""
    model = build(name, classes=CLASSES, image_size=32 if ":" in name else 8, seed=seed)
    generator = torch.Generator().manual_seed(seed)
    for part in model.modules():
        if isinstance(part, nn.BatchNorm2d):
            part.weight.data.uniform_(0.5, 1.5, generator=generator)
            part.bias.data.normal_(0, 0.3, generator=generator)
            part.running_mean.normal_(0, 0.3, generator=generator)
            part.running_var.uniform_(0.5, 2, generator=generator)
    return model.eval()


def images(model, n=6):
    size = model.image_size
    return torch.rand(n, 3, size, size, generator=torch.Generator().manual_seed(1))


def train_images(model):
    x = images(model, 12)
    return lambda: [Batch(x[k : k + 6], torch.zeros(6).long(), torch.arange(6)) for k in (0, 6)]


@torch.no_grad()
def mean_logit(model):
    assert not model.training
    return float(model(images(model)).logits[:, 0].mean())


@pytest.mark.parametrize("name", FAMILIES)
@pytest.mark.parametrize("rule", ["fixed", "compat", "compat_resnet"])
def test_the_ends_are_the_models_themselves(name, rule):
    start, end = trained(name, 1), trained(name, 2)
    with torch.no_grad():
        x = images(start)
        assert torch.equal(model_between(start, end, 0.0, rule=rule)(x).logits, start(x).logits)
        assert torch.equal(model_between(start, end, 1.0, rule=rule)(x).logits, end(x).logits)


def test_a_linear_model_mixes_its_answers():
    """Accuracy on the line is that of mixed weights, worked in NumPy."""
    start, end = (build("mlp", classes=CLASSES, image_size=4, seed=s).eval() for s in (1, 2))
    x = images(start, 50)
    with torch.no_grad():
        start.body = end.body
        features = end(x).features.numpy()
    labels = np.arange(50) % 3

    def score(model):
        with torch.no_grad():
            return float((model(x).logits.argmax(1).numpy() == labels).mean())

    for row in accuracy_line(start, end, score, points=(0.0, 0.3, 0.7, 1.0)):
        w, b = (
            (1 - row.v) * getattr(start.head, part).detach().numpy() + row.v * getattr(end.head, part).detach().numpy()
            for part in ("weight", "bias")
        )
        assert row.accuracy == pytest.approx(((features @ w.T + b).argmax(axis=1) == labels).mean())
        assert row.recalibrated is None


def test_fixed_moves_every_tensor_in_a_straight_line():
    start, end = trained("resnet8", 1), trained("resnet8", 2)
    state = model_between(start, end, 0.25).state_dict()
    for name, value in state.items():
        if value.is_floating_point():
            expected = 0.75 * start.state_dict()[name] + 0.25 * end.state_dict()[name]
            torch.testing.assert_close(value, expected, msg=name)


def test_compat_keeps_normalisation_and_shortcuts_of_the_start():
    start, end = trained("resnet8", 1), trained("resnet8", 2)
    state, first = model_between(start, end, 0.99, rule="compat").state_dict(), start.state_dict()
    norms = [f"{path}." for path, part in start.named_modules() if isinstance(part, nn.BatchNorm2d)]
    for name, value in state.items():
        stays = "shortcut" in name or any(name.startswith(path) for path in norms) or not value.is_floating_point()
        stays = stays and "num_batches" not in name
        if stays:
            assert torch.equal(value, first[name]), name
        elif value.is_floating_point():
            torch.testing.assert_close(value, 0.01 * first[name] + 0.99 * end.state_dict()[name], msg=name)
    assert sum("shortcut" in name for name in state) > 5


def test_an_older_resnet_is_flat_and_jumps_at_the_end():
    start, end = trained("resnet8", 1), trained("resnet8", 2)
    rows = accuracy_line(start, end, mean_logit, points=(0, 0.5, 0.99, 1), rule="compat_resnet")
    assert {row.accuracy for row in rows[:3]} == {mean_logit(start)}
    assert rows[3].accuracy == mean_logit(end) != mean_logit(start)
    moving = [row.accuracy for row in accuracy_line(start, end, mean_logit, points=(0, 0.5, 0.99), rule="compat")]
    assert len(set(moving)) == 3


@pytest.mark.parametrize("name", FAMILIES[:2])
def test_with_statistics_estimated_anew_no_end_jumps(name):
    start, end = trained(name, 1), trained(name, 2)
    near = (0.0, 1e-4, 1 - 1e-4, 1.0)
    rows = accuracy_line(start, end, mean_logit, batches=train_images(start), points=near)
    values = [row.recalibrated for row in rows]
    assert values[0] == pytest.approx(values[1], abs=2e-3)
    assert values[2] == pytest.approx(values[3], abs=2e-3)
    assert abs(values[0] - values[3]) > 0.02
    old = [row.accuracy for row in accuracy_line(start, end, mean_logit, points=near, rule="compat")]
    assert abs(old[2] - old[3]) > 0.02  # the older curve jumps
    assert rows[0].accuracy == mean_logit(start)


def test_statistics_become_those_of_the_batches():
    start, end = trained("convnet", 1), trained("convnet", 2)
    seen = []
    accuracy_line(
        start,
        end,
        lambda model: seen.append(model.body.blocks[0][1].running_mean.clone()) or 0.0,
        batches=train_images(start),
        points=(0.5,),
    )
    model = model_between(start, end, 0.5)
    with torch.no_grad():
        x = model.body.blocks[0][0](model.prepare(images(model, 12)))
    assert len(seen) == 2
    assert not torch.allclose(seen[0], seen[1], atol=1e-2)
    torch.testing.assert_close(seen[-1], x.mean((0, 2, 3)), atol=1e-5, rtol=1e-4)


def test_a_side_module_that_says_nothing_at_first_starts_at_the_step_before():
    """Without weight and shift of its normalisation a side module adds nothing: that model is the line's start."""

    class Sided(nn.Module):
        def __init__(self):
            super().__init__()
            torch.manual_seed(3)
            self.main, self.side = nn.Conv2d(3, 4, 1), nn.Sequential(nn.Conv2d(3, 4, 1), nn.BatchNorm2d(4))

        def forward(self, x):
            return (self.main(x) + self.side(x)).mean((2, 3))

    end, start = Sided().eval(), Sided().eval()
    nn.init.zeros_(start.side[1].weight), nn.init.zeros_(start.side[1].bias)
    x = torch.rand(5, 3, 4, 4)
    for model in (start, end):
        model.classes, model.head = ("a", "b", "c", "d"), nn.Identity()
    with torch.no_grad():
        step_before = end.main(x).mean((2, 3))
        near = model_between(start, end, 1e-4)(x)
        assert torch.equal(model_between(start, end, 0.0)(x), step_before)
        assert (near - step_before).abs().max() < 1e-3


def test_a_network_without_batch_normalisation_has_one_curve():
    start, end = (build("mlp", classes=CLASSES, image_size=4, seed=s).eval() for s in (1, 2))
    batches = [Batch(images(start), torch.zeros(6).long(), torch.arange(6))]
    rows = accuracy_line(start, end, mean_logit, batches=lambda: batches, points=(0.2, 0.6))
    assert [row.accuracy for row in rows] == [row.recalibrated for row in rows]


def test_both_models_stay_as_they_are():
    start, end = trained("convnet", 1), trained("convnet", 2)
    before = state_hash(start), state_hash(end)
    accuracy_line(start, end, mean_logit, batches=train_images(start), points=(0.0, 0.4, 1.0))
    assert (state_hash(start), state_hash(end)) == before


def test_the_published_points():
    assert len(LINE) == 101
    assert (LINE[0], LINE[1], LINE[-1]) == (0.0, 0.01, 1.0)


def test_wrong_calls_are_refused_with_a_sentence():
    start, other = trained("convnet", 1), trained("resnet8", 1)
    with pytest.raises(InputError, match="one architecture"):
        model_between(start, other, 0.5)
    with pytest.raises(InputError, match="leave batches out"):
        accuracy_line(start, start, mean_logit, batches=list, rule="compat")
    with pytest.raises(InputError, match="Did you mean 'compat'"):
        model_between(start, start, 0.5, rule="compt")
    with pytest.raises(ValueError, match="v must be from 0 to 1"):
        model_between(start, start, 1.5)


@pytest.mark.parametrize(("rule", "half"), [("fixed", 0.5 * 4.0), ("compat", 0.5 * 3.0 + 1.0)])
def test_what_an_added_module_says_grows_with_v(rule, half):
    """One that says 3 x + 1: the half of it; of the older code the half of its weights, and the constant whole."""
    added = nn.Conv2d(1, 1, 1)
    nn.init.constant_(added.weight, 3.0), nn.init.constant_(added.bias, 1.0)
    end = nn.Sequential(nn.Sequential(added))
    end.classes, end.head = ("a",), nn.Identity()
    x = torch.ones(1, 1, 1, 1)
    with torch.no_grad():
        got = [model_between(end, end, v, rule=rule, added=["0.0"])(x).item() for v in (0, 0.5, 1)]
        assert got == pytest.approx([0.0, half, 4.0])
        assert end(x).item() == 4.0
