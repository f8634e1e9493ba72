import dataclasses

import numpy as np
import pytest
import torch
from PIL import Image
from torchvision import transforms

from modelheir.checks import InputError
from modelheir.config.inputs import imagenet
from modelheir.data.sources.files import open_folder
from modelheir.data.transforms.augment import Augment, resolve
from modelheir.data.transforms.transfer import to_device


def augmented(augment, images, rows, epoch=0):
    choices = augment.choose(rows, epoch, size=tuple(images.shape[2:]))
    return augment.finish(images, choices, to_device(choices.tables, images.device))


def test_small_images_keep_their_size_and_large_ones_take_224(make_images, config):
    small = resolve(config, make_images(height=32, width=32))
    assert (small.image_size, small.resize, small.augment, small.mirror, small.crop_pad) == (32, 32, "crop", False, 4)
    large = resolve(config, make_images(n=2, classes=2, height=70, width=90))
    assert (large.image_size, large.resize, large.augment) == (224, 256, "random_resized_crop")
    assert large.mirror is False
    assert resolve(large, make_images()) == large
    given = imagenet()
    assert (given.image_size, given.resize, given.augment) == (large.image_size, large.resize, large.augment)


RAMP = torch.arange(64, dtype=torch.uint8).reshape(1, 1, 8, 8).expand(400, 3, 8, 8).contiguous() + 1


def share_mirrored(settings):
    """Count the images of a brightness that grows to the right in which it grows to the left after augmentation."""
    augment = Augment(settings, train=True, seed=0)
    out = augmented(augment, RAMP, np.arange(400))[:, 0]
    left, right = (0, 7) if augment.boxes else (3, 4)  # a small box is stretched, a shifted image has a black border
    return float((out[:, 4, left] > out[:, 4, right]).float().mean())


@pytest.mark.parametrize(
    ("source", "said", "share"), [(False, None, 0), (True, None, 0.5), (False, True, 0.5), (True, False, 0)]
)
@pytest.mark.parametrize("size", [8, 72])
def test_auto_mirrors_only_known_photographs_or_where_the_user_says_so(make_images, config, source, said, share, size):
    images = make_images(n=2, classes=2, height=size, width=size, mirror=source)
    found = resolve(dataclasses.replace(config, mirror=said), images)
    assert (found.augment, found.mirror) == ("crop" if size == 8 else "random_resized_crop", share > 0)
    if size == 8:
        assert share_mirrored(found) == pytest.approx(share, abs=0.08)


@pytest.mark.parametrize(
    ("kind", "usual"),
    [("none", 0), ("crop", 0), ("flip", 0.5), ("crop_flip", 0.5), ("random_resized_crop", 0.5)],
)
def test_augmentation_that_is_asked_for_mirrors_by_its_name(make_images, config, kind, usual):
    asked = dataclasses.replace(config, augment=kind)
    for source in (False, True):
        assert share_mirrored(resolve(asked, make_images(mirror=source))) == pytest.approx(usual, abs=0.08)
    other = dataclasses.replace(asked, mirror=usual == 0)
    if kind in ("none", "flip", "crop_flip"):
        with pytest.raises(InputError, match=rf"inputs.mirror = {usual == 0}: inputs.augment = '{kind}' says the opp"):
            resolve(other, make_images())
    else:
        assert share_mirrored(resolve(other, make_images())) == pytest.approx(0.5 - usual, abs=0.08)


def test_ten_crops_leave_a_border_around_small_images(make_images, config):
    assert resolve(dataclasses.replace(config, views="ten_crop"), make_images(height=32, width=32)).resize == 37


def test_files_are_looked_at_for_their_size(tmp_path, save, config):
    for name in ("a/1.png", "b/1.png"):
        save(tmp_path / name, height=16, width=16)
    assert resolve(config, open_folder(str(tmp_path), {}, config)["train"]).image_size == 16
    (tmp_path / "a" / "0.png").write_bytes(b"")  # to be left out where it is met
    assert resolve(config, open_folder(str(tmp_path), {}, config)["train"]).image_size == 16
    save(tmp_path / "b" / "2.png", height=17, width=16)
    assert resolve(config, open_folder(str(tmp_path), {}, config)["train"]).image_size == 17
    save(tmp_path / "b" / "3.png", height=65, width=16)
    assert resolve(config, open_folder(str(tmp_path), {}, config)["train"]).image_size == 224


def test_a_large_image_far_down_the_folder_is_seen(tmp_path, save, config):
    for number in range(40):
        save(tmp_path / "ab"[number % 2] / f"{number}.png", height=16, width=65 if number % 2 else 16)
    assert resolve(config, open_folder(str(tmp_path), {}, config)["train"]).image_size == 224


def test_a_crop_larger_than_the_image_is_refused(make_images, config):
    with pytest.raises(InputError, match=r"inputs.resize = 6: must be at least image_size = 8"):
        resolve(dataclasses.replace(config, resize=6), make_images())


@pytest.mark.parametrize("kind", ["none", "flip", "crop", "crop_flip", "randaugment", "autoaugment"])
def test_an_image_is_augmented_alike_in_any_company(make_images, config, kind):
    images = make_images(n=12)
    settings = resolve(dataclasses.replace(config, augment=kind, erase=0.5), images)
    augment = Augment(settings, train=True, seed=4)
    squares = torch.from_numpy(images.array.copy()).permute(0, 3, 1, 2).contiguous()
    rows = np.arange(12)
    together = augmented(augment, squares, rows, epoch=2)
    order = np.array([7, 2, 11])
    assert torch.equal(augmented(augment, squares[order], order, epoch=2), together[order])
    assert not torch.equal(augmented(augment, squares, rows, epoch=3), together)
    assert together.dtype == torch.float32
    assert together.min() >= 0
    assert together.max() <= 1


@pytest.mark.parametrize("size", [8, 80])
@pytest.mark.parametrize("kind", ["randaugment", "autoaugment"])
def test_a_policy_is_applied_where_nothing_is_mirrored_or_erased(make_images, config, kind, size):
    """At 80 pixels, where boxes are cut and nothing is shifted, too."""
    settings = dataclasses.replace(config, augment=kind, mirror=False, image_size=size, resize=size)
    augment = Augment(resolve(settings, make_images(height=size, width=size)), train=True, seed=4)
    grey = torch.full((12, 3, size, size), 100, dtype=torch.uint8)
    grey[:, :, size // 2 :] = 200
    found = augmented(augment, grey, np.arange(12))
    plain = dataclasses.replace(settings, augment="random_resized_crop" if size > 64 else "crop")
    plain = Augment(resolve(plain, make_images(height=size, width=size)), train=True, seed=4)
    assert not torch.equal(found, augmented(plain, grey, np.arange(12)))


def test_evaluation_changes_nothing(make_images, config):
    images = make_images()
    settings = resolve(dataclasses.replace(config, augment="randaugment", erase=1.0), images)
    augment = Augment(settings, train=False, seed=4)
    squares = torch.from_numpy(images.array.copy()).permute(0, 3, 1, 2)
    assert torch.equal(augmented(augment, squares, np.arange(12)), squares.float() / 255)


def test_flips_take_half_and_shifts_every_place(make_images, config):
    settings = resolve(dataclasses.replace(config, augment="crop_flip"), make_images())
    augment = Augment(settings, train=True, seed=0)
    ramp = torch.arange(64, dtype=torch.uint8).reshape(1, 1, 8, 8).expand(900, 3, 8, 8).contiguous() + 1
    out = (augmented(augment, ramp, np.arange(900)) * 255).round().int()[:, 0]
    flipped = out[:, 4, 3] > out[:, 4, 4]
    assert abs(flipped.float().mean() - 0.5) < 0.08
    upright = torch.where(flipped[:, None, None], out.flip(2), out)
    places = torch.unique(upright[:, 4, 4], return_counts=True)
    assert len(places[0]) == 9
    assert (places[1] - 100).abs().max() < 50


@pytest.mark.parametrize(("height", "width", "size", "resize"), [(60, 80, 48, 56), (80, 60, 32, 32), (96, 96, 72, 82)])
def test_no_augmentation_is_the_usual_evaluation_view(make_images, config, height, width, size, resize):
    images = make_images(n=2, classes=2, height=height, width=width)
    settings = resolve(dataclasses.replace(config, augment="none", image_size=size, resize=resize), images)
    short = transforms.Compose([transforms.Resize(resize), transforms.CenterCrop(size)])  # of Pillow images
    for train in (True, False):
        shown = Augment(settings, train=train, seed=0).read(images.image(1))
        assert (shown == np.asarray(short(Image.fromarray(images.image(1))))).all()


def test_a_policy_counts_where_nothing_is_shifted_mirrored_or_erased(make_images, config):
    asked = dataclasses.replace(config, augment="randaugment", mirror=False, image_size=72, resize=72)
    augment = Augment(resolve(asked, make_images(height=72, width=72)), train=True, seed=0)
    squares = torch.from_numpy(make_images(height=72, width=72).array.copy()).permute(0, 3, 1, 2)
    choices = augment.choose(np.arange(12), 0)
    out = augment.finish(squares, choices, to_device(choices.tables, squares.device))
    assert (out != squares.float() / 255).flatten(1).any(1).sum() > 6


@pytest.mark.parametrize("kind", ["crop_flip", "random_resized_crop", "randaugment", "autoaugment", "flip", "none"])
def test_what_is_drawn_is_what_a_batch_is_made_of(make_images, config, kind):
    settings = dataclasses.replace(config, augment=kind, erase=0.5, policy_operations=3)
    images = make_images(height=10, width=8)
    augment = Augment(resolve(settings, images), train=True, seed=4)
    keys = np.array([7, 2**63 + 5, 11], dtype=np.uint64)
    drawn = augment.draw(keys, 2, sizes=np.full((3, 2), (10, 8)))
    wanted = {
        "crop_flip": {"offsets", "flipped"},
        "random_resized_crop": {"boxes", "flipped"},
        "randaugment": {"offsets", "flipped", "operations"},
        "autoaugment": {"offsets", "flipped", "operations"},
        "flip": {"flipped"},
        "none": set(),
    }
    assert set(drawn) == wanted[kind] | {"erased"}
    choices = augment.choose(keys, 2, size=(10, 8))
    for name in drawn.keys() - {"operations"}:
        assert (drawn[name] == choices.tables[name]).all(), name
    assert "operations" not in choices.tables
    assert ("operations" in drawn) == (choices.plan is not None)
    if choices.plan:
        assert drawn["operations"].shape == (3, 3 if kind == "randaugment" else 2, 3)
    assert "boxes" not in augment.draw(keys, 2)
