"""What a run refuses of a cache: other pixels, another teacher, other classes, a setting without effect."""

import dataclasses
import json
import shutil

import numpy as np
import pytest
import torch

from modelheir.assemble import CacheConfig, write_cache
from modelheir.checks import InputError
from modelheir.config.inputs import InputConfig
from modelheir.config.mapping import from_mapping
from modelheir.config.teacher import TeacherConfig
from modelheir.data import ImageSet
from modelheir.data.images import ArrayPixels
from modelheir.methods.given.cached import caches_in
from modelheir.models import Ensemble
from modelheir.runs.teacher_cache.manifest import Manifest

DATA = "synthetic:n=96,classes=3,size=8"


@pytest.fixture
def write(world, tmp_path):
    """Write a cache of two views; return its folder."""

    def cache(name="cache", **changes):
        usual = {"teacher": (world.old,), "data": DATA, "views": 2, "device": "cpu", "dtype": "float32"}
        usual |= {"allow_weak_teacher": True, "quiet": True, "batch_size": 16, "out": str(tmp_path / name)}
        return write_cache(from_mapping(CacheConfig, {**usual, **changes}))

    return cache


def given_of(world, *caches, views=2, splits=None, policy=None, weights=(), rule="by-name", **changes):
    inputs = InputConfig(**{"mirror": False, "augment_seed": 0, **changes})
    given = world.given(inputs=inputs, old=caches, splits=splits, rule=rule, weights=weights)
    data = dataclasses.replace(given.data, view_cycle=views)
    old = dataclasses.replace(given.old, data=data, policy=policy or TeacherConfig())
    return dataclasses.replace(given, data=data, old=old)


def teacher_of(given):
    return given.old.teacher(given.data.stream())


def replaced(splits, **changes):
    return {**splits, "train": dataclasses.replace(splits["train"], **changes)}


def test_an_image_with_other_pixels_is_refused_by_name(world, write):
    folder = write()
    given = given_of(world, f"cache:{folder}")
    train: ImageSet = given.data.splits["train"]
    pixels = np.array(train.array)
    pixels[-1, 0, 0, 0] ^= 1
    splits = replaced(given.data.splits, pixels=ArrayPixels(pixels), rows=np.arange(len(train)))
    with pytest.raises(InputError, match=rf"is stale: the image {train.ids[-1]} has other pixels now than its teach"):
        teacher_of(given_of(world, f"cache:{folder}", splits=splits))


def test_a_few_images_of_many_are_looked_at(world, write, monkeypatch):
    folder = write()
    given, looked = given_of(world, f"cache:{folder}"), []
    image = ImageSet.image
    monkeypatch.setattr("modelheir.methods.given.cached._LOOKS", 5)
    monkeypatch.setattr(ImageSet, "image", lambda self, row: looked.append(row) or image(self, row))
    teacher_of(given)
    last = len(given.data.splits["train"]) - 1
    assert looked == np.linspace(0, last, 5).round().astype(int).tolist()


def test_a_teacher_that_was_trained_again_makes_a_cache_stale_and_one_that_is_gone_does_not(world, write, tmp_path):
    folder = write()
    world.save_model("old", seed=7)
    message = r"is stale: \S+weights\.safetensors of its teacher run:\S+old has changed since\. Write the cache again"
    with pytest.raises(InputError, match=message):
        teacher_of(given_of(world, f"cache:{folder}"))
    shutil.rmtree(tmp_path / "old")
    assert teacher_of(given_of(world, f"cache:{folder}")).views == 2


def test_classes_are_matched_by_the_one_rule(world, write):
    folder = write()
    splits = given_of(world, f"cache:{folder}").data.splits
    turned = {name: dataclasses.replace(one, classes=one.classes[::-1]) for name, one in splits.items()}
    assert teacher_of(given_of(world, f"cache:{folder}", splits=turned)).classes == splits["train"].classes
    other = {name: dataclasses.replace(one, classes=("x", "y", "z")) for name, one in splits.items()}
    with pytest.raises(InputError, match=r"the data and --old cache:\S+ share no class name"):
        teacher_of(given_of(world, f"cache:{folder}", splits=other))
    found = teacher_of(given_of(world, f"cache:{folder}", splits=other, rule="by-order"))
    assert found.classes == ("x", "y", "z")


def test_a_cache_stands_alone(world, write):
    folder = write()
    with pytest.raises(InputError, match=r"--old gives 2 teachers, a cache among them: it holds the mean"):
        teacher_of(given_of(world, f"cache:{folder}", world.old))
    with pytest.raises(InputError, match=r"--old_weights has no effect with cache:\S+: the weights .* in the cache"):
        teacher_of(given_of(world, f"cache:{folder}", weights=(2.0,)))


@pytest.mark.parametrize(("name", "value"), [("average", "probabilities"), ("batch_norm", "batch")])
def test_a_policy_that_a_cache_cannot_follow_is_refused(world, write, name, value):
    folder = write()
    with pytest.raises(InputError, match=rf"policy\.{name} = '{value}' has no effect with cache:\S+, whose teachers"):
        teacher_of(given_of(world, f"cache:{folder}", policy=TeacherConfig(**{name: value})))


def test_a_policy_that_a_cache_followed_is_accepted(world, write):
    folder = write(policy={"average": "probabilities"})
    for average in ("probabilities", "logits"):
        assert teacher_of(given_of(world, f"cache:{folder}", policy=TeacherConfig(average=average))).views == 2


def test_other_views_than_the_data_shows_are_refused(world, write):
    folder = write()
    with pytest.raises(InputError, match=r"inputs\.erase = 0\.5: the views in cache:\S+ were made with 0\.0"):
        teacher_of(given_of(world, f"cache:{folder}", erase=0.5))
    with pytest.raises(ValueError, match="holds 2 views, and the data shows 0"):
        teacher_of(given_of(world, f"cache:{folder}", views=0))


@pytest.mark.parametrize("top_k", [0, 2])
def test_what_is_too_large_to_hold_is_read_batch_by_batch(world, write, top_k):
    folder = write(top_k=top_k, features=True)
    small, large = given_of(world, f"cache:{folder}"), given_of(world, f"cache:{folder}", resident_gib=1e-9)
    held, mapped = teacher_of(small), teacher_of(large)
    assert (held.held, mapped.held) == (True, False)
    assert list(mapped.buffers()) == []
    for epoch in range(2):
        for batch in small.data.stream().epoch(epoch):
            a, b = held(batch), mapped(batch)
            assert torch.equal(a.logits, b.logits)
            assert torch.equal(a.features, b.features)
            assert not a.logits.requires_grad


def test_an_undecodable_image_may_be_lacking_and_a_good_one_may_not(world, write, monkeypatch):
    folder = write()
    given = given_of(world, f"cache:{folder}", max_bad_share=0.1)
    ids = given.data.splits["train"].ids.copy()
    ids[3] = "new/3"
    splits = replaced(given.data.splits, ids=ids)
    more = given_of(world, f"cache:{folder}", splits=splits, max_bad_share=0.1)
    with pytest.raises(InputError, match=rf"lacks 1 of {len(ids)} training images \(new/3\): write a cache of these"):
        teacher_of(more)
    monkeypatch.setattr("modelheir.data.verify.each", lambda images, read: [(0, "new/3: not an image")])
    found = teacher_of(more)
    assert found.get_buffer("logits")[:, 3].isnan().all()
    assert found.get_buffer("logits")[:, [2, 4]].isfinite().all()


def test_caches_are_found_among_addresses(world, write):
    folder = write()
    found = caches_in([world.old, f"cache:{folder}", "timm:resnet18", "old.parquet"])
    assert list(found) == [f"cache:{folder}"]
    assert isinstance(found[f"cache:{folder}"], Manifest)


def test_another_format_is_refused_before_training(world, write):
    folder = write()
    told = json.loads((folder / "cache.json").read_text())
    (folder / "cache.json").write_text(json.dumps({**told, "format": 2}))
    with pytest.raises(InputError, match=r"cache\.json is of format 2, and this version reads format 1\."):
        teacher_of(given_of(world, f"cache:{folder}"))


def test_members_may_be_asked_for_as_one_teacher(world):
    given = world.given()
    found = given.old.ensemble(given.old.models)
    assert isinstance(found, Ensemble)
    assert (found.average, found.precision) == ("logits", "fp32")
