"""What the ways make: blends and averages of the weights they name, and the stages that gradients ask for."""

import pytest
import torch

from modelheir import models
from modelheir.checks import InputError
from modelheir.methods.adapt.ways import SHARES
from modelheir.models import blends, gradients

PAST = ("synthetic:n=60,classes=3,size=8,seed=8", "synthetic:n=60,classes=3,size=8,seed=9")


def test_wise_ft_is_the_blend_that_is_best_on_selection(world):
    done = world.run("adapt", "run", history=PAST, strategies=("wise_ft",), seeds=1, rates=(1.0,))
    about = done["wise_ft"].describe
    scores = dict(map(tuple, about["scores"]))
    assert scores[about["share of the past"]] == max(scores.values())
    past, present = done["history"].weights("model"), done["erm_fine_tune"].weights("model")
    expected = blends.interpolate(past, present, about["share of the past"])
    for key, value in done["wise_ft"].weights("model").items():
        torch.testing.assert_close(value, expected[key])
    assert scores[0.0] == pytest.approx(done["erm_fine_tune"].metrics["val/accuracy"])


def test_dawin_answers_as_the_two_models_it_is_between(world):
    done = world.run("adapt", "run", history=PAST, strategies=("dawin",), seeds=1, rates=(1.0,))
    start, tuned = (models.from_spec(done[name].describe["model"]).eval() for name in ("history", "erm_fine_tune"))
    start.load_state_dict(done["history"].weights("model"))
    tuned.load_state_dict(done["erm_fine_tune"].weights("model"))
    found = models.from_spec(done["choice"].describe["model"]).eval()
    found.load_state_dict(done["choice"].weights("model"))
    images = torch.rand(6, 3, 8, 8, generator=torch.Generator().manual_seed(0))
    wanted = blends.DaWin(start, tuned)(images).logits
    torch.testing.assert_close(found(images).logits, wanted)
    assert done["dawin"].describe["of"] == ["history", "erm_fine_tune"]
    assert done["choice"].metrics["val/accuracy"] == done["dawin"].metrics["val/accuracy"]
    with pytest.raises(InputError, match="the model to begin from answers each image with weights of its own"):
        world.given().model.begin_from(found)
    with pytest.raises(InputError, match="--old answers each image with weights of its own"):
        world.run("bct", "next", given=world.given(old=(f"run:{world.tmp_path / 'run'}#dawin",)))


def test_shares_are_from_none_to_all_of_the_past():
    assert (SHARES[0], SHARES[-1], len(SHARES)) == (0.0, 1.0, 11)


def test_the_average_is_that_of_the_chain(world):
    done = world.run("adapt", "run", history=PAST, strategies=("sequential_average",), seeds=1, rates=(1.0,))
    chain = [done[f"step_{number}"].weights("model") for number in (1, 2, 3)]
    for key, value in done["sequential_average"].weights("model").items():
        torch.testing.assert_close(value, torch.stack([one[key] for one in chain]).mean(0))


def test_surgery_moves_the_stages_that_gradients_ask_for(world):
    settings = {"history": PAST, "strategies": ("surgical_rgn",), "seeds": 1, "rates": (1.0,)}
    done = world.run("adapt", "run", **settings)
    past = done["history"].weights("model")
    model = models.from_spec(done["history"].describe["model"])
    model.load_state_dict(past)
    layers = {f"stage:{number}": names for number, names in enumerate(models.stages(model))}
    stream = world.given().data.stream("train", train=False)
    best = gradients.ranked_layers(gradients.layer_scores(model, stream.epoch(0), layers, score="rgn"))
    first = done["surgical_rgn_1"]
    assert first.describe["layers"] == best[0]
    moved = {key for key, value in first.weights("model").items() if not torch.equal(value, past[key])}
    assert moved == set(layers[best[0]])
    assert set(done[f"surgical_rgn_{len(layers)}"].describe["layers"].split(",")) == set(layers)


@pytest.mark.parametrize("rates", [(1.0,), (1.0, 0.1)])
def test_a_low_rank_change_is_one(world, rates):
    done = world.run("adapt", "run", history=PAST, strategies=("low_rank_fine_tune",), seeds=1, rates=rates)
    past, now = (done[name].weights("model") for name in ("history", "low_rank_fine_tune"))
    key = next(key for key, value in past.items() if value.ndim == 2 and min(value.shape) > 8)
    plain = {name.replace("parametrizations.", "").removesuffix(".original"): value for name, value in now.items()}
    assert key in plain or any(key.split(".")[-2] in name for name in plain)


@pytest.mark.parametrize("name", ["irm_all", "dro_all", "coral_all", "ewc_fine_tune", "sequential_replay"])
def test_a_way_is_resumed_to_the_same_numbers(world, name):
    settings = {"history": PAST, "strategies": (name,), "seeds": 1, "rates": (1.0,), "pulls": (0.1,)}
    first = world.run("adapt", "first", **settings)
    with pytest.raises(KeyboardInterrupt):
        world.run("adapt", "second", stop_after=5, **settings)
    second = world.run("adapt", "second", **settings)
    assert {key: one.metrics for key, one in first.items()} == {key: one.metrics for key, one in second.items()}
