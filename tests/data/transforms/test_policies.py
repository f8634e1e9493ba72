import numpy as np
import pytest
import torch
from torchvision.transforms import InterpolationMode, autoaugment

from modelheir.data.transforms import policies
from modelheir.data.transforms.draws import uniform


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
    out = policies.apply_operations(images, np.tile([number, level / 30, sign], (3, 1, 1)))
    assert (out.int() - expected.int()).abs().max() <= 1


@pytest.mark.parametrize("operation", ["ShearX", "ShearY"])
def test_shears_move_rows_or_columns_by_their_distance(operation):
    image = torch.zeros(1, 3, 20, 20, dtype=torch.uint8)
    image[..., 10] = 255
    image = image if operation == "ShearX" else image.transpose(2, 3)
    number = policies.OPERATIONS.index(operation)
    out = policies.apply_operations(image.contiguous(), np.array([[[number, 1.0, 1.0]]]))
    out = out if operation == "ShearX" else out.transpose(2, 3)
    place = out[0, 0].float().argmax(dim=1)
    assert abs(int(place[0]) - 10) <= 1
    assert abs(abs(int(place[-1]) - 10) - 0.3 * 19) <= 1


def test_each_image_gets_its_own_operations_in_order(images):
    invert, posterize, identity = (policies.OPERATIONS.index(name) for name in ("Invert", "Posterize", "Identity"))
    chosen = np.array(
        [[[invert, 0, 1], [identity, 0, 1]], [[identity, 0, 1]] * 2, [[posterize, 1, 1], [invert, 0, 1]]], float
    )
    out = policies.apply_operations(images, chosen)
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
