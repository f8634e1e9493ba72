"""A detector's body is the classifier's, trains at its stages' rates, and the whole learns to find shapes."""

import copy
import io

import pytest
import torch
from torch import nn
from torchvision.ops import box_iou

from modelheir.checks import InputError
from modelheir.config.network import NetworkConfig
from modelheir.models import Taps, build, detector, detector_groups, freeze, state_hash, transplant
from modelheir.models.files.export import export_safetensors

CLASSES = ("a", "b", "c")
SHAPES = ("red", "green", "blue")
QUICK = {
    "box_batch_size_per_image": 32,
    "rpn_batch_size_per_image": 64,
    "rpn_pre_nms_top_n_train": 100,
    "rpn_post_nms_top_n_train": 50,
}


def classifier(name="convnet", **kwargs):
    kwargs = kwargs or ({"blocks": 4, "width": 8} if name == "convnet" else {})
    model = build(name, classes=CLASSES, image_size=32, config=NetworkConfig(kwargs=kwargs), seed=1)
    with torch.no_grad():  # statistics that are not those of a new network
        model.train()(torch.rand(8, 3, 64, 64, generator=torch.Generator().manual_seed(0)))
    return model


def made(model=None, **settings):
    given = {"classes": SHAPES, "image_size": 64, "levels": 3, "width": 16, **QUICK}
    return detector(model or classifier(), **{**given, **settings})


def scenes(count, size=64):
    """Rectangles of three colours on dark noise, and their boxes."""
    generator = torch.Generator().manual_seed(3)

    def draw(low, high):
        return int(torch.randint(low, high, (1,), generator=generator))

    found = []
    for _ in range(count):
        image, boxes, labels = 0.3 * torch.rand(3, size, size, generator=generator), [], []
        for _ in range(draw(1, 3)):
            color, width, height = draw(0, 3), draw(16, 28), draw(16, 28)
            x, y = draw(0, size - width), draw(0, size - height)
            image[:, y : y + height, x : x + width] = 0.05
            image[color, y : y + height, x : x + width] = 0.95
            boxes.append([x, y, x + width, y + height])
            labels.append(color + 1)
        found.append((image, {"boxes": torch.tensor(boxes).float(), "labels": torch.tensor(labels)}))
    return found


def losses(model, some):
    return sum(model([image for image, _ in some], [target for _, target in some]).values())


@torch.no_grad()
def best_overlap(model, some):
    """Mean over images of the IoU of the surest box with the nearest true one."""
    model.eval()
    found = model([image for image, _ in some])
    model.train()
    pairs = zip(found, (target["boxes"] for _, target in some), strict=True)
    return sum(float(box_iou(one["boxes"][:1], true).max()) if len(one["boxes"]) else 0.0 for one, true in pairs) / len(
        some
    )


@pytest.mark.slow
def test_it_learns_to_find_shapes():
    data = scenes(12)
    model = made(width=32)
    before, first, last = best_overlap(model, data), [], []
    optimizer = torch.optim.Adam(detector_groups(model, [0.1] * 4, lr=2e-3))
    generator = torch.Generator().manual_seed(0)
    torch.manual_seed(0)  # the detector draws which boxes it learns from
    for step in range(80):
        loss = losses(model, [data[k] for k in torch.randperm(12, generator=generator)[:4].tolist()])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        (first if step < 5 else last).append(float(loss.detach()))
    assert sum(last[-5:]) < 0.7 * sum(first)
    assert best_overlap(model, data) > before + 0.25


@pytest.mark.parametrize("name", ["convnet", "tv:mobilenet_v3_small", "timm:hgnetv2_b0"])
def test_the_body_is_the_classifiers_and_reads_images_as_it_did(name):
    model = classifier(name)
    freeze(model)
    before = state_hash(model)
    found = made(model)
    assert state_hash(found.backbone.body) == state_hash(model.body)
    assert any(p.requires_grad for p in found.backbone.body.parameters())
    with Taps(model, [f"body.{path}" for path in found.backbone.paths]).record() as expected:
        model(scenes(1)[0][0][None])
    images, _ = found.transform([scenes(1)[0][0]])
    found.eval()
    with Taps(found.backbone.body, found.backbone.paths).record() as maps:
        levels = found.backbone(images.tensors)
    for path in found.backbone.paths:
        torch.testing.assert_close(maps[path], expected[f"body.{path}"])
    assert list(levels) == ["0", "1", "2", "pool"]
    assert [tuple(one.shape[:2]) for one in levels.values()] == [(1, 16)] * 4
    losses(found.train(), scenes(2)).backward()
    assert state_hash(model) == before


@pytest.mark.parametrize("train", [False, True])
def test_batch_norm_moves_only_where_asked(train):
    found = made(train_batch_norm=train)
    before = {key: value.clone() for key, value in found.backbone.body.state_dict().items()}
    optimizer = torch.optim.SGD([p for p in found.parameters() if p.requires_grad], lr=0.01)
    losses(found.train(), scenes(2)).backward()
    optimizer.step()
    after = found.backbone.body.state_dict()
    moved = {key for key, value in after.items() if not torch.equal(value, before[key])}
    norms = {key for key in after if key.split(".")[-2] == "1"}
    assert moved == (set(after) if train else set(after) - norms)


@pytest.mark.parametrize(
    ("name", "places"),
    [
        ("tv:resnet18", ("conv1", "layer1", "layer2", "layer3", "layer4")),
        ("timm:hgnetv2_b0", ("stem", "stages.0", "stages.1", "stages.2", "stages.3")),
        ("tv:mobilenet_v3_small", ("features.0", "features.1", "features.3", "features.8", "features.12")),
    ],
)
def test_stages_train_at_their_rates_and_all_else_at_one(name, places):
    found = made(classifier(name), levels=4)
    rates = [0.05, 0.06, 0.1, 0.11, 0.15]
    groups = detector_groups(found, rates, lr=0.02)
    rate_of = {id(p): group["lr"] for group in groups for p in group["params"]}
    assert len(rate_of) == sum(len(group["params"]) for group in groups)
    assert set(rate_of) == {id(p) for p in found.parameters() if p.requires_grad}
    for place, rate in zip(places, rates, strict=True):
        own = [p for p in found.backbone.body.get_submodule(place).parameters() if p.requires_grad]
        assert {rate_of[id(p)] for p in own} == {0.02 * rate}
        assert own
    for part in (found.backbone.fpn, found.rpn, found.roi_heads):
        assert {rate_of[id(p)] for p in part.parameters()} == {0.02}
    losses(found, scenes(2)).backward()
    assert all(p.grad is not None for p in found.parameters() if p.requires_grad)  # as DDP wants it
    with pytest.raises(InputError, match=r"there are 6 multipliers, and the body has 5 stages.*give 5"):
        detector_groups(found, [*rates, 1.0], lr=0.02)


def test_at_zero_a_stage_stays():
    found = made()
    body = found.backbone.body
    before = {key: value.clone() for key, value in body.state_dict().items()}
    optimizer = torch.optim.SGD(detector_groups(found, [0.0, 0.0, 1.0, 1.0], lr=0.01), weight_decay=0.1)
    losses(found, scenes(2)).backward()
    optimizer.step()
    moved = {key for key, value in body.state_dict().items() if not torch.equal(value, before[key])}
    assert moved == {"blocks.2.0.weight", "blocks.3.0.weight"}


def test_anchors_fit_the_strides_and_new_layers_come_from_the_seed():
    state = torch.get_rng_state()
    one, same, other = made(), made(), made(seed=1)
    assert torch.equal(state, torch.get_rng_state())
    assert state_hash(one) == state_hash(same) != state_hash(other)
    assert one.backbone.paths == ("blocks.1", "blocks.2", "blocks.3")
    assert one.rpn.anchor_generator.sizes == ((16,), (32,), (64,), (128,))
    assert detector(classifier("tv:resnet18"), classes=SHAPES, image_size=128).rpn.anchor_generator.sizes == (
        (32,), (64,), (128,), (256,), (512,),
    )  # fmt: skip
    assert one.classes == SHAPES
    assert one.roi_heads.box_predictor.cls_score.out_features == 4


def test_it_can_be_copied_and_saved():
    found = made().eval()
    image = [scenes(1)[0][0]]
    whole = io.BytesIO()
    torch.save(found, whole)
    whole.seek(0)
    for other in (copy.deepcopy(found), torch.load(whole, weights_only=False)):
        torch.testing.assert_close(other(image)[0], found(image)[0])


def test_an_address_and_a_transplanted_network_will_do(tmp_path):
    model = classifier()
    export_safetensors(model, tmp_path / "it.safetensors")
    found = made(f"file:{tmp_path / 'it.safetensors'}")
    assert state_hash(found.backbone.body) == state_hash(model.body)
    found = made(transplant(model, classifier()))
    assert state_hash(found.backbone.body) == state_hash(model.body)


@pytest.mark.parametrize(
    ("model", "said"),
    [
        (lambda: classifier("resnet8"), "resnet8 has 3 resolutions, or no maps, and the pyramid reads 4"),
        (lambda: build("mlp", classes=CLASSES, image_size=64), "mlp has no maps with positions"),
        (lambda: build("tv:vit_b_32", classes=CLASSES, image_size=64), "or no maps, and the pyramid reads 4"),
        (lambda: nn.Linear(2, 2), "Linear cannot be a detector's body"),
        (
            lambda: build("convnet", classes=CLASSES, image_size=8, config=NetworkConfig(mimo_members=2)),
            "convnet cannot be a detector's body: give a classifier of one image",
        ),
    ],
)
def test_what_has_no_pyramid_is_refused(model, said):
    with pytest.raises(InputError, match=said):
        made(model(), levels=4)
