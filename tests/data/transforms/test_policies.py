import numpy as np
import pytest
import torch
from torchvision.transforms import InterpolationMode, autoaugment
from torchvision.transforms.v2 import functional

from modelheir.data.transforms import policies
from modelheir.data.transforms.draws import uniform
from modelheir.data.transforms.transfer import to_device


def applied(images, chosen):
    plan = policies.make_plan(chosen, height=images.shape[2], width=images.shape[3])
    return policies.apply_operations(images, plan, to_device(plan.tables, images.device))


@pytest.fixture
def images():
    return torch.from_numpy(np.random.default_rng(0).integers(0, 256, (3, 3, 16, 20), dtype=np.uint8))


def test_sub_policies_are_those_of_the_paper():
    chosen = autoaugment.AutoAugment()._get_policies(autoaugment.AutoAugmentPolicy.IMAGENET)
    theirs = [tuple(part if part is not None else 0 for half in pair for part in half) for pair in chosen]
    assert [tuple(row) for row in policies.SUB_POLICIES] == theirs


@pytest.mark.parametrize("operation", [name for name in policies.OPERATIONS if not name.startswith("Shear")])
@pytest.mark.parametrize("sign", [-1.0, 1.0])
def test_operations_agree_with_torchvision(images, operation, sign):
    level = 9
    space = autoaugment.RandAugment()._augmentation_space(31, (16, 20)) | {"Invert": (torch.tensor(0.0), False)}
    table, signed = space[operation]
    magnitude = float(table[level]) if table.ndim else 0.0
    magnitude *= sign if signed else 1
    expected = autoaugment._apply_op(images, operation, magnitude, InterpolationMode.NEAREST, None)
    number = policies.OPERATIONS.index(operation)
    out = applied(images, np.tile([number, level / 30, sign], (3, 1, 1)))
    assert (out.int() - expected.int()).abs().max() <= 1


@pytest.mark.parametrize("operation", ["ShearX", "ShearY"])
def test_shears_move_rows_or_columns_by_their_distance(operation):
    image = torch.zeros(1, 3, 20, 20, dtype=torch.uint8)
    image[..., 10] = 255
    image = image if operation == "ShearX" else image.transpose(2, 3)
    number = policies.OPERATIONS.index(operation)
    out = applied(image.contiguous(), np.array([[[number, 1.0, 1.0]]]))
    out = out if operation == "ShearX" else out.transpose(2, 3)
    place = out[0, 0].float().argmax(dim=1)
    assert abs(int(place[0]) - 10) <= 1
    assert abs(abs(int(place[-1]) - 10) - 0.3 * 19) <= 1


def test_each_image_gets_its_own_operations_in_order(images):
    invert, posterize, identity = (policies.OPERATIONS.index(name) for name in ("Invert", "Posterize", "Identity"))
    chosen = np.array(
        [[[invert, 0, 1], [identity, 0, 1]], [[identity, 0, 1]] * 2, [[posterize, 1, 1], [invert, 0, 1]]], float
    )
    out = applied(images, chosen)
    assert torch.equal(out[0], 255 - images[0])
    assert torch.equal(out[1], images[1])
    assert torch.equal(out[2], 255 - (images[2] // 16) * 16)


def test_choices_are_uniform_and_keep_their_shape():
    draws = uniform(seed=0, epoch=0, index=np.arange(7000), slots=4).reshape(-1, 2, 2)
    chosen = policies.rand_augment(draws, magnitude=15)
    counts = np.bincount(chosen[:, 0, 0].astype(int), minlength=15)
    assert counts[14] == 0
    assert np.abs(counts[:14] - 500).max() < 5 * np.sqrt(500)
    assert set(np.unique(chosen[..., 1])) == {0.5}
    assert abs(chosen[..., 2].mean()) < 0.05
    auto = policies.auto_augment(uniform(seed=0, epoch=0, index=np.arange(7000), slots=5))
    assert auto.shape == (7000, 2, 3)
    used = (auto[..., 0] > 0).mean(axis=0)
    expected = [np.mean([row[i] for row in policies.SUB_POLICIES]) for i in (1, 4)]
    assert np.abs(used - expected).max() < 0.03


def test_images_that_move_together_each_move_as_alone():
    images = torch.from_numpy(np.random.default_rng(1).integers(0, 256, (40, 3, 33, 50), dtype=np.uint8))
    draws = uniform(seed=2, epoch=0, index=np.arange(40), slots=6).reshape(-1, 3, 2)
    chosen = policies.rand_augment(draws, magnitude=17)
    together = applied(images, chosen)
    assert torch.equal(together, torch.cat([applied(images[i : i + 1], chosen[i : i + 1]) for i in range(40)]))


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("magnitude", [0, 5, 30])
def test_moves_and_sharpening_are_torchvisions_to_the_bit(seed, magnitude):
    images = torch.from_numpy(np.random.default_rng(seed).integers(0, 256, (5, 3, 28, 39), dtype=np.uint8))
    signed = [1.0, -1.0, -1.0, 1.0, -1.0]
    for name in ("ShearX", "ShearY", "TranslateX", "TranslateY", "Rotate", "Sharpness"):
        chosen = np.array([[[policies.OPERATIONS.index(name), magnitude / 30, sign]] for sign in signed])
        for image, out, sign in zip(images, applied(images, chosen), signed, strict=True):
            assert torch.equal(out, theirs(name, image, sign * magnitude / 30))


def theirs(name, image, amount):
    degrees = float(np.degrees(np.arctan(0.3 * amount)))
    if name.startswith("Shear"):
        shear = [degrees, 0.0] if name == "ShearX" else [0.0, degrees]
        return functional.affine(image, angle=0.0, translate=[0, 0], scale=1.0, shear=shear, center=[0, 0])
    if name.startswith("Translate"):
        x = name == "TranslateX"
        pixels = float(int(150 / 331 * image.shape[2 if x else 1] * amount))
        move = [pixels, 0.0] if x else [0.0, pixels]
        return functional.affine(image, angle=0.0, translate=move, scale=1.0, shear=[0.0, 0.0])
    if name == "Rotate":
        return functional.rotate(image, 30 * amount)
    return functional.adjust_sharpness(image, 1 + 0.9 * amount)
