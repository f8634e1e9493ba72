"""Encoders that are tuned on the labelled images: what trains on what, what every algorithm then sees, what is kept."""

import shutil

import numpy as np
import pytest
import torch

from modelheir import models
from modelheir.assemble.embedding.embedding import embed
from modelheir.assemble.embedding.settings import EmbedConfig
from modelheir.checks import InputError
from modelheir.config.run import TrainConfig
from modelheir.methods.cotrain.cotrain import Config, accept
from modelheir.models.encoders import load_encoder
from modelheir.runs.files import write_json
from modelheir.runs.folder import RunFolder
from modelheir.runs.tensors import save_weights

DATA = "synthetic:n=96,classes=3,size=8"
SMALL = {"tuning__epochs": 2, "tuning__batch_size": 4, "tuning__lr": 0.01, "algorithms": ("supervised",)}


@pytest.fixture
def views(world):
    return ("pixels:left", world.save_model("conv", model="convnet", seed=6))


def equal(ours, theirs):
    return ours.keys() == theirs.keys() and all(torch.equal(ours[key], theirs[key]) for key in ours)


@pytest.mark.parametrize("tune", ["all", "low_rank:2"])
def test_the_encoder_trains_on_the_labelled_images_alone(world, few, plain, views, tune):
    stages = few(world.plan, plain, views=views, tune=tune, **SMALL)
    assert [one.name for one in stages] == ["tuned_view_2", "supervised", "supervised_calibrated", "choice"]
    task = stages[0].prepare({})
    assert len(task.streams["train"].ids) == 15
    assert set(task.streams["train"].ids) < set(plain.data.splits["train"].ids)
    assert (task.streams["train"].labels >= 0).all()
    assert set(task.evaluate) == {"val"}
    assert (task.fit.epochs, task.fit.lr, task.fit.batch_size, task.fit.keep) == (2, 0.01, 4, "best")
    (encoder, rate, _), (head, own, _) = task.parameter_groups(task.modules["model"])
    assert (rate, own, len(head)) == (1.0, 10.0, 2)
    moving = {id(value) for value in task.modules["model"].encoder.parameters() if value.requires_grad}
    assert moving == {id(value) for value in encoder}
    kinds = {
        name.rpartition(".")[2]
        for name, value in task.modules["model"].encoder.named_parameters()
        if id(value) in moving
    }
    assert kinds == ({"up", "down"} if tune != "all" else {"weight", "bias"})


@pytest.mark.parametrize(("tune", "rate"), [("all", 3e-4), ("low_rank:2", 3e-3)])
def test_the_rate_is_chosen_where_it_is_left_open(world, few, plain, views, tune, rate):
    stages = few(world.plan, plain, views=views, tune=tune, **{**SMALL, "tuning__lr": 0.0})
    assert stages[0].prepare({}).fit.lr == rate


def test_heads_see_the_vectors_of_the_tuned_encoder(world, few, plain, views):
    done = few(world.run, "run", given=plain, views=views, tune="all", **SMALL)
    told = done["supervised"].describe["model"]["encoders"]
    assert [one.get("tuned") for one in told] == [None, "all"]
    state = done["tuned_view_2"].weights("model")
    own = load_encoder(views[1], image_size=0)
    first = own.fingerprint
    own.body.load_state_dict(
        {k.removeprefix("encoder.body."): v for k, v in state.items() if k.startswith("encoder.body.")}
    )
    del own.fingerprint
    assert own.fingerprint == told[1]["fingerprint"] != first
    stage = few(world.plan, plain, views=views, tune="all", **SMALL)[1]
    batch = next(stage.prepare(done).evaluate["test"].epoch(0))
    test = plain.data.splits["test"]
    pixels = np.stack([test.image(number) for number in range(len(batch.labels))])
    seen = own(torch.from_numpy(pixels).permute(0, 3, 1, 2).float() / 255)
    torch.testing.assert_close(batch.inputs[1], seen, rtol=1e-4, atol=1e-5)


def test_the_run_s_model_carries_them_wherever_it_lies(world, few, plain, views, tmp_path):
    done = few(world.run, "run", given=plain, views=views, tune="low_rank:2", **SMALL)
    last = done["choice"]
    folder = RunFolder(tmp_path / "published")
    write_json(folder.model, last.describe["model"])
    save_weights(folder.weights, last.weights("model"))
    shutil.move(folder.path, tmp_path / "elsewhere")
    shutil.rmtree(tmp_path / "conv")  # the encoder's own run is not needed any more
    model = models.load(f"run:{tmp_path / 'elsewhere'}").eval()
    test = plain.data.splits["test"]
    pixels = np.stack([test.image(number) for number in range(len(test))])
    with torch.no_grad():
        said = model(torch.from_numpy(pixels).permute(0, 3, 1, 2).float() / 255).logits
    from modelheir.runs.predictions import read_predictions

    kept = read_predictions(last.folder / "predictions" / "test.parquet")
    np.testing.assert_allclose(kept.logits, said.numpy(), atol=1e-4)
    state = last.weights("model")
    key = next(key for key in state if key.startswith("tuned.2.") and key.endswith("weight"))
    save_weights(folder_of(tmp_path / "other", last).weights, {**state, key: state[key] + 1})
    with pytest.raises(InputError, match="is not the one that this classifier was trained on"):
        models.load(f"run:{tmp_path / 'other'}")(torch.zeros(1, 3, 8, 8))


def folder_of(path, result):
    found = RunFolder(path)
    write_json(found.model, result.describe["model"])
    return found


def test_a_stage_of_heads_alone_says_where_the_encoders_are(world, few, plain, views):
    done = few(world.run, "run", given=plain, views=views, tune="all", **SMALL)
    model = models.from_spec(done["supervised"].describe["model"])
    model.load_state_dict(done["supervised"].weights("model"))
    with pytest.raises(InputError, match=r"this stage holds the heads alone, and the encoder .* was tuned for them"):
        model(torch.zeros(1, 3, 8, 8))


def test_seeds_tune_apart_and_the_first_one_s_encoders_are_kept(world, few, plain, views):
    done = few(world.run, "run", given=plain, views=views, tune="all", **{**SMALL, "seeds": 2})
    assert [name for name in done if name.startswith("tuned")] == ["tuned_view_2_seed0", "tuned_view_2_seed1"]
    first, second = (done[f"tuned_view_2_seed{seed}"].weights("model") for seed in (0, 1))
    assert not equal(first, second)
    prints = [done[f"supervised_seed{seed}"].describe["model"]["encoders"][1]["fingerprint"] for seed in (0, 1)]
    assert prints[0] != prints[1]
    assert done["choice"].describe["model"]["encoders"][1]["fingerprint"] == prints[0]
    own = {k.removeprefix("encoder."): v for k, v in first.items() if k.startswith("encoder.")}
    kept = {k.removeprefix("tuned.2."): v for k, v in done["choice"].weights("model").items() if k.startswith("tuned")}
    assert equal(own, kept)


@pytest.mark.parametrize("tune", ["all", "low_rank:2"])
@pytest.mark.parametrize("stop_after", [3, 9, 14])
def test_a_killed_run_goes_on(world, few, plain, views, tune, stop_after):
    """In the middle of the tuning, and in the heads after it: the same bits."""
    settings = {"views": views, "tune": tune, **SMALL}
    whole = few(world.run, "whole", given=plain, **settings)
    with pytest.raises(KeyboardInterrupt):
        few(world.run, "cut", given=plain, stop_after=stop_after, **settings)
    after = few(world.run, "cut", given=plain, **settings)
    for name, one in whole.items():
        assert equal(one.weights("model"), after[name].weights("model")), name


def test_labels_of_the_pool_are_never_seen(world, few, plain, views, relabelled):
    train = plain.data.splits["train"]
    settings = {"views": views, "tune": "all", **SMALL}
    first = few(world.run, "first", given=plain, **settings)
    known = np.isin(train.ids, few(world.plan, plain, **settings)[0].prepare({}).streams["train"].ids)
    bare = relabelled(plain, "train", np.where(known, train.labels, -1))
    second = few(world.run, "second", given=bare, **{**settings, "labels": "1.0"})
    assert all(equal(one.weights("model"), second[name].weights("model")) for name, one in first.items())


def test_a_folder_that_embed_wrote_is_of_an_encoder_that_can_be_tuned(world, few, plain, views, tmp_path):
    config = EmbedConfig(
        encoder=(views[1],), data=DATA, out=str(tmp_path / "views"), dtype="float32", device="cpu", quiet=True
    )
    (made,) = embed(config)
    done = few(world.run, "run", given=plain, views=(views[0], str(made.folder)), tune="all", **SMALL)
    told = done["choice"].describe["model"]["encoders"][1]
    assert (told["address"], told["tuned"]) == (views[1], "all")
    same = few(world.run, "same", given=plain, views=views, tune="all", **SMALL)
    assert equal(done["choice"].weights("model"), same["choice"].weights("model"))
    world.save_model("conv", model="convnet", seed=7)
    with pytest.raises(InputError, match=r"holds vectors of another .* than is found there now"):
        few(world.plan, plain, views=(views[0], str(made.folder)), tune="all", **SMALL)[0].prepare({})


def test_heads_of_several_members_follow_as_others_do(world, few, plain, views):
    """Q-14: the older step of fine-tuning failed on them."""
    done = few(world.run, "run", given=plain, views=views, tune="all", head__members=2, **SMALL)
    assert done["supervised"].describe["model"]["heads"]["view_2"]["vectors"]["members"] == 2
    assert done["choice"].describe["model"]["encoders"][1]["tuned"] == "all"


def test_what_has_no_weights_is_said(world, few, plain, views, caplog):
    few(world.plan, plain, views=("pixels:top", views[1]), tune="all", **SMALL)
    assert "--tune all: pixels:top has no weights to train, and stays as it is" in caplog.text


def test_an_encoder_that_is_not_there_is_named_before_another_is_trained(world, few, plain, views):
    stages = few(world.plan, plain, views=(views[1], "run:nowhere"), tune="all", **SMALL)
    with pytest.raises(InputError, match="the run folder nowhere does not exist"):
        stages[0].prepare({})


@pytest.mark.parametrize(
    ("config", "said"),
    [
        (Config(tune="head"), "--tune head: must be all, or low_rank:R with the rank of adapters"),
        (Config(tune="low_rank:2,head"), "must be all, or low_rank:R"),
        (Config(tune="plane:3"), "must be all, or low_rank:R"),
        (Config(tune="low_rank"), "must be all, or low_rank:R with the rank of adapters"),
        (Config(tune="all"), r"none of --views pixels:left pixels:right has weights to train"),
        (Config(tune="all", views=("pixels:left", "colour")), r"none of --views pixels:left colour has weights"),
    ],
)
def test_what_cannot_be_tuned_is_refused_before_anything_is_read(config, said):
    with pytest.raises(InputError, match=said):
        accept(config, TrainConfig())
