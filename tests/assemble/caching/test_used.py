"""Training from a cache is training with its teachers on the same views, and takes the cache's settings."""

import dataclasses
import json

import pytest
import torch

from modelheir.address import parse_address
from modelheir.assemble import handing, train
from modelheir.assemble.caching.used import take_views, view_count
from modelheir.assemble.declared import model_digests
from modelheir.checks import InputError
from modelheir.config.fit import FitConfig
from modelheir.config.inputs import InputConfig
from modelheir.config.mapping import from_mapping, read_yaml
from modelheir.config.run import TrainConfig
from modelheir.methods import METHODS
from modelheir.methods.given import Data
from modelheir.runs.folder import RunFolder
from modelheir.runs.tensors import load_weights

DATA = "synthetic:n=96,classes=3,size=8"
POOL = "synthetic:n=40,classes=3,size=8,seed=9"


def settings(path, **changes):
    """Return the settings of a short run into ``path``."""
    fit = FitConfig(epochs=4, batch_size=16, optimizer="sgd", lr=0.05)
    usual = {"data": DATA, "model": "mlp", "out": str(path), "device": "cpu", "quiet": True, "fit": fit}
    return TrainConfig(**{**usual, "allow_weak_teacher": True, **changes})


def distil(path, teacher, method=None, **changes):
    own = {"teacher": (teacher,), "unlabelled": POOL, "target": {"epochs": 1}, **(method or {})}
    return train("distill", settings(path, **changes), from_mapping(METHODS["distill"].config, own))


def weights(path):
    return load_weights(RunFolder(path).weights)


def same(a, b):
    return all(torch.equal(a[key], b[key]) for key in a)


def test_training_from_a_cache_is_training_with_its_teacher_on_the_same_views(caches, tmp_path, monkeypatch):
    """Both stages, on the mixed set and on the labelled one, bit for bit: the same views and the same outputs."""
    folder = caches.write(unlabelled=POOL)
    cached = distil(tmp_path / "cached", f"cache:{folder}")
    monkeypatch.setattr(handing, "view_count", lambda addresses: 3)
    online = distil(tmp_path / "online", caches.world.old, inputs=InputConfig(augment_seed=0))
    assert sorted(one.name for one in (cached / "stages").iterdir()) == ["00_distill", "01_target"]
    a, b = weights(cached), weights(online)
    assert a.keys() == b.keys()
    assert same(a, b)
    monkeypatch.undo()
    endless = distil(tmp_path / "endless", caches.world.old, inputs=InputConfig(augment_seed=0))
    assert not torch.allclose(a["head.weight"], weights(endless)["head.weight"], atol=1e-4)


def test_a_cache_of_the_largest_classes_teaches_too(caches, tmp_path):
    """Of three classes two are kept, and what is left is the third: the same teacher, but for rounding."""
    plain, kept = caches.write("plain", unlabelled=POOL), caches.write("kept", unlabelled=POOL, top_k=2)
    a, b = (weights(distil(tmp_path / f"of {one.name}", f"cache:{one}")) for one in (plain, kept))
    for key in a:
        torch.testing.assert_close(a[key], b[key], rtol=1e-3, atol=1e-4)
    rough = caches.write("rough", unlabelled=POOL, top_k=1, dtype="float16")
    assert not torch.allclose(a["head.weight"], weights(distil(tmp_path / "1", f"cache:{rough}"))["head.weight"], 1e-3)


def test_an_interrupted_run_from_a_cache_ends_as_an_unbroken_one(caches, tmp_path, train_interrupted):
    folder = caches.write(unlabelled=POOL)
    whole = distil(tmp_path / "whole", f"cache:{folder}")
    own = from_mapping(
        METHODS["distill"].config, {"teacher": (f"cache:{folder}",), "unlabelled": POOL, "target": {"epochs": 1}}
    )
    broken = settings(tmp_path / "broken", fit=dataclasses.replace(settings("x").fit, save_every_steps=1))
    train_interrupted("distill", broken, own)
    assert RunFolder(tmp_path / "broken").status()["state"] == "interrupted"
    train("distill", broken, own)
    assert same(weights(whole), weights(tmp_path / "broken"))


def test_a_run_takes_the_views_of_its_cache_and_its_settings_repeat_it(caches, tmp_path):
    folder = caches.write(unlabelled=POOL, inputs={"erase": 0.5, "augment_seed": 9, "augment": "crop_flip"})
    path = distil(tmp_path / "run", f"cache:{folder}")
    kept = read_yaml(RunFolder(path).config)
    assert [kept["inputs"][name] for name in ("augment", "erase", "augment_seed", "mirror")] == [
        "crop_flip", 0.5, 9, True,
    ]  # fmt: skip
    again = distil(tmp_path / "again", f"cache:{folder}", inputs=from_mapping(InputConfig, kept["inputs"]))
    assert same(weights(path), weights(again))
    noted = json.loads(RunFolder(path).environment.read_text())["models"]["--teacher"][f"cache:{folder}"]
    assert set(noted) == {"cache.json", "shard-1-of-1.json"}
    assert noted == model_digests([f"cache:{folder}"])[f"cache:{folder}"]


@pytest.mark.parametrize(
    ("given", "name"),
    [({"erase": 0.25}, "erase"), ({"augment": "flip"}, "augment"), ({"image_size": 6}, "image_size"),
     ({"augment_seed": 3}, "augment_seed"), ({"crop_pad": 2}, "crop_pad")],
)  # fmt: skip
def test_a_setting_that_shows_other_views_is_refused_by_name(caches, tmp_path, given, name):
    folder = caches.write()
    message = rf"inputs\.{name} = .*: the views in cache:\S+ were made with .* Leave it out to train on these"
    with pytest.raises(InputError, match=message):
        distil(tmp_path / "run", f"cache:{folder}", inputs=InputConfig(**given))
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("name", ["mixup", "cutmix"])
@pytest.mark.parametrize("views", [0, 3])
def test_mixtures_are_refused(caches, tmp_path, name, views):
    folder = caches.write(views=views, unlabelled=POOL)
    with pytest.raises(InputError, match=rf"inputs\.{name} = 0\.5 with cache:\S+: .* Set inputs\.{name} to 0"):
        distil(tmp_path / "run", f"cache:{folder}", inputs=InputConfig(**{name: 0.5}))


def test_the_centre_teaches_augmented_images_and_a_line_says_what_is_better(caches, tmp_path, capsys):
    folder = caches.write(views=0, unlabelled=POOL)
    distil(tmp_path / "run", f"cache:{folder}", quiet=False)
    said = capsys.readouterr().err
    assert f"--teacher cache:{folder}: the centre view of " in said
    assert "a cache of views (--views 8) teaches better (Beyer et al., 2021, arXiv:2106.05237)" in said
    distil(tmp_path / "fixed", f"cache:{folder}", quiet=False, inputs=InputConfig(augment="none"))
    assert "teaches better" not in capsys.readouterr().err
    assert (tmp_path / "run" / "weights.safetensors").is_file()


def test_the_last_stage_shows_new_views_for_ever(caches, tmp_path, monkeypatch):
    folder, cycles = caches.write(unlabelled=POOL), []
    stream = Data.stream

    def watched(self, split="train", **given):
        if split == "train":
            cycles.append(self.view_cycle)
        return stream(self, split, **given)

    monkeypatch.setattr(Data, "stream", watched)
    distil(tmp_path / "run", f"cache:{folder}", {"fix": {"epochs": 1}, "label_weight": 1.0}, model="convnet")
    assert cycles == [3, 3, 0]


def test_an_assistant_learns_from_a_cache_and_then_teaches(caches, tmp_path):
    folder = caches.write(unlabelled=POOL)
    path = distil(tmp_path / "run", f"cache:{folder}", {"assistants": ("convnet",)})
    stages = sorted(one.name for one in (path / "stages").iterdir())
    assert stages == ["00_assistant_1", "01_distill", "02_target"]
    assert not same(weights(path), weights(distil(tmp_path / "alone", f"cache:{folder}")))


@pytest.mark.distributed
def test_two_processes_learn_from_a_cache_what_one_learns(caches, tmp_path, copies):
    folder = caches.write()
    one = distil(tmp_path / "one", f"cache:{folder}", {"unlabelled": "", "target": {"epochs": 0}})
    words = ["train", "distill", "--teacher", f"cache:{folder}", "--data", DATA, "--model", "mlp", "--device", "cpu"]
    words += ["--out", str(tmp_path / "two"), "--epochs", "4", "--fit.batch_size", "16", "--fit.optimizer", "sgd"]
    words += ["--fit.lr", "0.05", "--quiet", "--method.target.epochs", "0"]
    done = copies.command(*words, world=2)
    assert done.returncode == 0, done.stderr
    for key, value in weights(one).items():
        torch.testing.assert_close(value, weights(tmp_path / "two")[key], rtol=1e-4, atol=1e-5)


def test_an_old_model_may_be_a_cache_too(caches, tmp_path, monkeypatch):
    """``upgrade`` pulls towards what the cache says, as it would towards the model on the same views."""
    folder = caches.write()
    cached = train("upgrade", settings(tmp_path / "cached", old=(f"cache:{folder}",)))
    monkeypatch.setattr(handing, "view_count", lambda addresses: 3)
    inputs = InputConfig(augment_seed=0)
    online = train("upgrade", settings(tmp_path / "online", old=(caches.world.old,), inputs=inputs))
    other = weights(online)
    for key, value in weights(cached).items():  # batches of other sizes are rounded otherwise on some processors
        torch.testing.assert_close(value, other[key], rtol=1e-5, atol=1e-6)


def test_what_needs_the_model_itself_says_so(caches, tmp_path):
    folder = caches.write()
    with pytest.raises(InputError, match=r"--old cache:\S+ holds teachers' outputs; this method needs the model"):
        train("bct", settings(tmp_path / "run", old=(f"cache:{folder}",)))
    with pytest.raises(InputError, match="stored outputs and several teachers have only logits and features"):
        distil(
            tmp_path / "maps",
            f"cache:{folder}",
            {"unlabelled": "", "losses": ("kl_distillation", "attention_transfer")},
        )


def test_a_run_does_not_write_into_its_cache(caches):
    folder = caches.write()
    with pytest.raises(InputError, match=rf"--out {folder} holds the model cache:{folder}: give another --out"):
        distil(folder, f"cache:{folder}")


def test_views_are_counted_and_taken_of_the_one_cache(caches):
    one, centre = caches.write("one"), caches.write("centre", views=0)
    addresses = [caches.world.old, f"cache:{one}", f"cache:{centre}"]
    assert view_count(addresses) == 3
    assert view_count([caches.world.old, f"cache:{centre}"]) == view_count([]) == 0
    config = settings("x", inputs=InputConfig(erase=0.0, resize=9))
    found = take_views(config, addresses).inputs
    assert (found.image_size, found.augment, found.mirror, found.augment_seed, found.resize) == (8, "crop", False, 0, 9)
    assert take_views(config, [caches.world.old]) == config
    other = caches.write("other", views=2)
    with pytest.raises(InputError, match=rf"cache:{one} and cache:{other} hold different views of the same images"):
        take_views(config, [f"cache:{one}", f"cache:{other}"])


def test_a_cache_that_is_not_there_is_said_before_training(tmp_path):
    with pytest.raises(InputError, match=r"cache:\S+: \S+nowhere is not there \(cache\.json is missing\)\. Write"):
        distil(tmp_path / "run", f"cache:{tmp_path / 'nowhere'}")
    assert not (tmp_path / "run").exists()


def test_a_cache_has_an_address():
    found = parse_address("cache:some/where")
    assert (found.kind, found.place, found.run) == ("cache", "some/where", None)
    with pytest.raises(InputError, match=r"'cache:' names nothing: what should follow cache:\?"):
        parse_address("cache:")
