"""What every per-image loss keeps, whatever it measures."""

import functools
import importlib
import inspect
from pathlib import Path

import pytest
import torch
from torch import Tensor

from modelheir import losses, objective

N, C, D = 7, 5, 4
LABELS = torch.tensor([0, 1, 2, 3, 4, 0, 2])

MAP = (3, 4, 4)  # channels, height, width
HALF = (3, 2, 2)


@functools.cache
def module(name: str, new, old, device: torch.device, dtype: torch.dtype, **settings):
    """A loss with weights of its own, made once for each device and precision."""
    wide = torch.float64 if dtype == torch.float64 else torch.float32
    return getattr(losses, name)(new, old, **settings).to(device, wide)


def own(name: str, new, old, **settings):
    """A call of a loss with weights of its own, for a new and an old tensor."""
    return lambda n, o, y: module(name, new, old, n.device, n.dtype, **settings).per_image(n, o)


def over_layers(name: str):
    """A call of a loss that compares layers: the map itself and every other row and column of it."""

    def call(n: Tensor, o: Tensor, y: Tensor) -> Tensor:
        new, old = ([one, one[:, :, ::2, ::2]] for one in (n, o))
        return module(name, (MAP, HALF), (MAP, HALF), n.device, n.dtype).per_image(new, old)

    return call


# loss -> (what it compares, call, zero where new equals old)
LOSSES = {
    "kl_distillation": ("logits", lambda n, o, y: losses.kl_distillation(n, o), True),
    "logit_matching": ("logits", lambda n, o, y: losses.logit_matching(n, o), True),
    "logit_matching half_sum": ("logits", lambda n, o, y: losses.logit_matching(n, o, reduction="half_sum"), True),
    "logit_difference": ("logits", lambda n, o, y: losses.logit_difference(n, o, y), True),
    "logit_difference top 2": ("logits", lambda n, o, y: losses.logit_difference(n, o, y, top_k=2), True),
    "logit_difference one-sided": (
        "logits",
        lambda n, o, y: losses.logit_difference(n, o, y, one_sided=True, label_weight=0.5, relative=True),
        True,
    ),
    "logit_difference p-norm": ("logits", lambda n, o, y: losses.logit_difference(n, o, y, p_norm=True), True),
    "renyi": ("logits", lambda n, o, y: losses.renyi(n, o), True),
    "renyi reordered": ("logits", lambda n, o, y: losses.renyi(n, o, alpha=3.0, reorder=True), True),
    "retentive_cross_entropy": ("logits", lambda n, o, y: losses.retentive_cross_entropy(n, o, y), False),
    "new_error": ("logits", losses.new_error, False),
    "imitation": ("logits", lambda n, o, y: losses.imitation(n, o), False),
    "strict_imitation": ("logits", losses.strict_imitation, False),
    "jeffreys": ("logits", lambda n, o, y: losses.jeffreys(n, o), True),
    "jeffreys sigmoid": ("logits", lambda n, o, y: losses.jeffreys(n, o, act="sigmoid", sum_over_classes=True), True),
    "jensen_shannon": ("logits", lambda n, o, y: losses.jensen_shannon(n, o), True),
    "teacher_cross_entropy": ("logits", lambda n, o, y: losses.teacher_cross_entropy(n, o, temperature=2.0), False),
    "decoupled": ("logits", lambda n, o, y: losses.decoupled(n, o, y, beta=8.0, temperature=4.0), True),
    "decoupled teacher": (
        "logits",
        lambda n, o, y: losses.decoupled(n, o, y, target="teacher"),
        True,
    ),
    "dist": ("logits", lambda n, o, y: losses.dist(n, o), True),
    "weighted_soft_labels": ("logits", losses.weighted_soft_labels, False),
    "spherical": ("logits", losses.spherical, False),
    "logit_distance l1": ("logits", lambda n, o, y: losses.logit_distance(n, o, distance="l1"), True),
    "logit_distance smooth": (
        "logits",
        lambda n, o, y: losses.logit_distance(n, o, distance="smooth_l1", act="softmax"),
        True,
    ),
    "muscle_distillation": ("logits", lambda n, o, y: objective.muscle_distillation(n, o, o, y), True),
    "double_source_distillation": (
        "logits",
        lambda n, o, y: objective.double_source_distillation(n, o, o, y, torch.arange(C)),
        True,
    ),
    "feature_alignment": ("features", lambda n, o, y: losses.feature_alignment(n, o), True),
    "contrastive_feature_alignment": ("features", losses.contrastive_feature_alignment, False),
    "neighbourhood_alignment": ("features", losses.neighbourhood_alignment, False),
    "neighbourhood_alignment in": (
        "features",
        lambda n, o, y: losses.neighbourhood_alignment(n, o, y, top_k=3, supervised=True, order="in"),
        False,
    ),
    "random_projection": (
        "features",
        own("RandomProjectionLoss", D, D, width=3, new_projection="shared"),
        True,
    ),
    "feature_distance": ("maps", lambda n, o, y: losses.feature_distance(n, o), True),
    "feature_distance l1": ("features", lambda n, o, y: losses.feature_distance(n, o, distance="l1"), True),
    "relational": ("features", lambda n, o, y: losses.relational(n, o), True),
    "masked_generative": ("maps", own("MaskedGenerativeLoss", MAP, MAP, mask_share=0.0), False),
    "projector_ensemble": ("maps", own("ProjectorEnsembleLoss", MAP, MAP), False),
    "attention_feature": ("maps", over_layers("AttentionFeatureLoss"), False),
    "hint": ("maps", own("HintLoss", MAP, MAP), False),
    "attention_transfer": ("maps", lambda n, o, y: losses.attention_transfer(n, o), True),
    "neuron_selectivity": ("maps", lambda n, o, y: losses.neuron_selectivity(n, o), True),
    "probabilistic_transfer": ("features", lambda n, o, y: losses.probabilistic_transfer(n, o), True),
    "similarity_preserving": ("features", lambda n, o, y: losses.similarity_preserving(n, o), True),
    "correlation_congruence": ("features", lambda n, o, y: losses.correlation_congruence(n, o), True),
    "variational_information": ("maps", own("VariationalInformationLoss", MAP, MAP), False),
    "contrastive_representation": ("features", own("ContrastiveRepresentationLoss", D, D), False),
    "review": ("maps", over_layers("ReviewLoss"), False),
    "hierarchical_context": ("maps", lambda n, o, y: losses.hierarchical_context(n, o), True),
}
STOPPED = ("weighted_soft_labels",)  # what it weighs by reads new without gradient
#: losses that compare an image with others of its batch, or normalise over them
BATCH_WIDE = (
    "dist",
    "contrastive_feature_alignment",
    "neighbourhood_alignment",
    "neighbourhood_alignment in",
    "relational",
    "attention_feature",
    "probabilistic_transfer",
    "similarity_preserving",
    "correlation_congruence",
    "contrastive_representation",
    "review",
)
SEVERAL = ("neighbourhood", "attention_feature", "review")  #: beginnings of those that need two images
every = pytest.mark.parametrize("name", LOSSES)


def pair(draw, name: str, dtype: torch.dtype = torch.float32, rows: int = N) -> tuple[Tensor, Tensor]:
    shape = {"logits": (C,), "features": (D,), "maps": MAP}[LOSSES[name][0]]
    return draw(rows, *shape, scale=2.0, dtype=dtype), draw(rows, *shape, scale=2.0, dtype=dtype)


@every
def test_one_value_an_image_never_negative(draw, name):
    new, old = pair(draw, name)
    value = LOSSES[name][1](new, old, LABELS)
    assert value.shape == (N,)
    assert value.dtype == torch.float32
    assert (value >= 0).all()
    assert value.isfinite().all()
    assert value.ne(0).any()


# the others keep a floor: they also ask for the label, or for separation
@pytest.mark.parametrize("name", [name for name, (_, _, zero) in LOSSES.items() if zero])
def test_zero_when_new_equals_old(draw, name):
    _, old = pair(draw, name)
    torch.testing.assert_close(LOSSES[name][1](old.clone(), old, LABELS), torch.zeros(N), atol=1e-6, rtol=0)


@every
def test_gradient_flows_to_new_only(draw, name):
    new, old = pair(draw, name)
    new.requires_grad_()
    old.requires_grad_()
    LOSSES[name][1](new, old, LABELS).sum().backward()
    assert old.grad is None
    assert new.grad is not None
    assert new.grad.isfinite().all()
    assert new.grad.ne(0).any()


@pytest.mark.parametrize("name", [name for name in LOSSES if name not in STOPPED])
def test_gradient_is_the_slope(draw, name):
    new, old = pair(draw, name, torch.float64)
    new.requires_grad_()
    (grad,) = torch.autograd.grad(LOSSES[name][1](new, old, LABELS).sum(), new)
    direction, step = torch.randn(new.shape, generator=torch.Generator().manual_seed(1)).to(new.dtype), 1e-6
    with torch.no_grad():
        up, down = (LOSSES[name][1](new + sign * step * direction, old, LABELS).sum() for sign in (1, -1))
    torch.testing.assert_close((up - down) / (2 * step), (grad * direction).sum(), rtol=1e-3, atol=1e-5)


@every
def test_permuting_the_batch_permutes_the_values(draw, name):
    new, old = pair(draw, name)
    order = torch.tensor([3, 1, 6, 0, 5, 2, 4])
    value = LOSSES[name][1](new, old, LABELS)
    torch.testing.assert_close(
        LOSSES[name][1](new[order], old[order], LABELS[order]), value[order], rtol=1e-4, atol=1e-5
    )


@every
def test_an_image_is_measured_alone_or_says_so(draw, name):
    new, old = pair(draw, name)
    whole, part = (LOSSES[name][1](new[:k], old[:k], LABELS[:k]) for k in (N, 3))
    assert torch.allclose(whole[:3], part, rtol=1e-4, atol=1e-6) == (name not in BATCH_WIDE)


@every
@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_is_computed_in_float32(draw, name, dtype):
    new, old = pair(draw, name, dtype)
    value = LOSSES[name][1](new, old, LABELS)
    assert value.dtype == torch.float32
    torch.testing.assert_close(value, LOSSES[name][1](new.float(), old.float(), LABELS))


@every
def test_autocast_changes_nothing(draw, name):
    new, old = pair(draw, name)
    outside = LOSSES[name][1](new, old, LABELS)
    with torch.autocast("cpu", torch.bfloat16):
        inside = LOSSES[name][1](new, old, LABELS)
    assert inside.dtype == torch.float32
    torch.testing.assert_close(inside, outside, rtol=1e-5, atol=1e-6)


@every
def test_inputs_are_not_edited(draw, name):
    new, old = pair(draw, name)
    kept = new.clone(), old.clone(), LABELS.clone()
    LOSSES[name][1](new, old, LABELS)
    assert torch.equal(new, kept[0])
    assert torch.equal(old, kept[1])
    assert torch.equal(LABELS, kept[2])


@pytest.mark.parametrize("name", [name for name in LOSSES if not name.startswith(SEVERAL)])
def test_an_empty_batch_gives_no_values_and_a_mean_of_zero(draw, name):
    new, old = pair(draw, name, rows=0)
    new.requires_grad_()
    value = LOSSES[name][1](new, old, LABELS[:0])
    assert value.shape == (0,)
    term = objective.combine({}, {"old": objective.Term(value, mask=LABELS[:0] >= 0)}).total
    term.backward()
    assert term.item() == 0


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
@every
def test_on_a_gpu_nothing_waits_for_the_host(draw, name):
    new, old = pair(draw, name)
    there = [tensor.cuda() for tensor in (new, old, LABELS)]
    call = LOSSES[name][1]
    call(*there)  # losses with weights are made, and moved, before the device is watched
    if name == "double_source_distillation":
        known = torch.arange(C).cuda()
        call = lambda n, o, y: objective.double_source_distillation(n, o, o, y, known)  # noqa: E731
    there[0].requires_grad_()
    torch.cuda.set_sync_debug_mode("error")
    try:
        value = call(*there)
        weights = objective.sample_weights("neg_flip", there[0], there[1], there[2], normalize=True)
        term = objective.Term(value, weights=weights, mask=there[2] >= 0)
        objective.combine({}, {"old": term}, mix_alpha=0.5).total.backward()
    finally:
        torch.cuda.set_sync_debug_mode("default")
    torch.testing.assert_close(value.cpu(), LOSSES[name][1](new, old, LABELS), rtol=1e-4, atol=1e-5)
    assert there[0].grad is not None
    assert there[0].grad.isfinite().all()


#: losses with weights of their own -> what they are made from; ``RandomProjectionLoss`` has its own test
MODULES = {
    "AttentionFeatureLoss": ((MAP, HALF), (MAP, HALF)),
    "ContrastiveRepresentationLoss": (D, C),
    "HintLoss": (MAP, HALF),
    "MaskedGenerativeLoss": (MAP, MAP),
    "ProjectorEnsembleLoss": (MAP, HALF),
    "ReviewLoss": ((MAP, HALF), (MAP, HALF)),
    "VariationalInformationLoss": (MAP, HALF),
}


@pytest.mark.parametrize("name", MODULES)
def test_weights_come_from_the_seed_alone(name):
    before = torch.get_rng_state()
    a, b, c = (getattr(losses, name)(*MODULES[name], **given).state_dict() for given in ({}, {"seed": 0}, {"seed": 2}))
    assert torch.equal(before, torch.get_rng_state())
    assert all(torch.equal(value, b[key]) for key, value in a.items())
    drawn = [key for key, value in a.items() if value.is_floating_point() and value.std() > 0]
    assert drawn
    assert not any(torch.equal(a[key], c[key]) for key in drawn)


@pytest.mark.parametrize("name", MODULES)
def test_weights_are_float32_and_trainable(name):
    made = getattr(losses, name)(*MODULES[name])
    assert {parameter.dtype for parameter in made.parameters()} == {torch.float32}
    assert all(parameter.requires_grad for parameter in made.parameters())


def test_every_loss_with_weights_is_counted():
    made = {name for name in losses.__all__ if name.endswith("Loss")}
    assert made == {*MODULES, "RandomProjectionLoss"}


def test_one_class_is_no_distance():
    one = torch.randn(N, 1, generator=torch.Generator().manual_seed(0))
    labels = torch.zeros(N, dtype=torch.int64)
    for name in (
        *("kl_distillation", "renyi", "retentive_cross_entropy", "imitation", "jeffreys", "jensen_shannon"),
        *("teacher_cross_entropy", "decoupled", "weighted_soft_labels", "spherical"),
    ):
        torch.testing.assert_close(LOSSES[name][1](one, one + 1, labels), torch.zeros(N))


LABEL_FREE = [name for name in LOSSES if name.startswith(("j", "kl_", "renyi", "dist", "teacher_", "imitation"))]


@pytest.mark.parametrize("name", [*LABEL_FREE, "logit_matching", "logit_distance l1", "decoupled teacher", "decoupled"])
def test_without_labels_no_bit_depends_on_them(draw, name):
    new, old = pair(draw, name)
    new.requires_grad_()
    found = []
    for labels in (LABELS, LABELS[torch.tensor([6, 3, 5, 0, 1, 4, 2])]):
        value = LOSSES[name][1](new, old, labels)
        found.append(torch.cat([value.detach()[:, None], *torch.autograd.grad(value.sum(), new)], dim=1))
    assert torch.equal(*found) == (name != "decoupled")


def test_every_public_name_of_a_loss_is_on_the_face_of_its_package():
    found = 0
    for package in (losses, objective):
        source = Path(inspect.getfile(package)).parent
        for path in source.rglob("*.py"):
            stem = ".".join(path.relative_to(source).with_suffix("").parts)
            if path.name != "__init__.py" and package is losses:
                module = importlib.import_module(f"{package.__name__}.{stem}")
                assert set(module.__all__) <= set(package.__all__), stem
                found += 1
    assert found > 15
