"""Recipes of layers: which stages they make, what moves in each, and how layers are chosen."""

import types

import pytest

from modelheir import models
from modelheir.checks import InputError
from modelheir.config.inputs import InputConfig
from modelheir.data import open_splits
from modelheir.methods.adapt.builder import Builder
from modelheir.methods.adapt.recipes import recipes
from modelheir.methods.adapt.strategies import STRATEGIES
from modelheir.methods.adapt.tuning import Tuning
from modelheir.methods.given.steps import steps_of_sources
from modelheir.objective.supervised import SupervisedConfig

PAST = ("synthetic:n=60,classes=3,size=8,seed=8", "synthetic:n=60,classes=3,size=8,seed=9")


@pytest.fixture
def make(world):
    """Return what makes a builder; the network has the layers conv1, layer1, fc."""

    def made(layers, *, model="blocks_convnet", **kwargs):
        given = world.given(model=model, kwargs=kwargs or {"blocks": 1})
        steps = steps_of_sources([open_splits(one, InputConfig()) for one in PAST], given.data.splits)
        return Builder(given, steps, tuning=Tuning(layers=layers), supervised=SupervisedConfig(), suffix="")

    return made


def moving(build, stage):
    """Return the layers that move in a stage whose earlier ones hold first weights."""
    model = build.given.model.build()
    about, metrics = {"model": model.spec}, {"val/accuracy": 0.5, "val/loss": 1.0}
    state = model.state_dict()
    done = {
        name: types.SimpleNamespace(name=name, metrics=metrics, describe=about, weights=lambda module: state)
        for name in build.stages
    }
    task = build.stages[stage].prepare(done)
    free = {name for name, value in task.modules["model"].named_parameters() if value.requires_grad}
    layers = models.layers(model)
    found = [name for name, names in layers.items() if free & set(names)]
    assert free == {one for name in found for one in layers[name]}
    return found


def test_stages_run_one_after_another_and_each_moves_its_layers(make):
    build = make("fc-conv1,fc-all")
    node = STRATEGIES["erm_fine_tune"].build(build)
    assert list(build.stages) == ["history", "erm_fine_tune_part1", "erm_fine_tune_part2", "erm_fine_tune"]
    assert node == ("erm_fine_tune",)
    found = [moving(build, name) for name in list(build.stages)[1:]]
    assert found == [["fc"], ["conv1", "fc"], ["conv1", "layer1", "fc"]]
    assert build.before["erm_fine_tune"] == (2, ("erm_fine_tune_part2",))
    assert build.before["erm_fine_tune_part1"] == (2, ("history",))


def test_a_sequence_has_a_recipe_for_each_step_after_the_first(make):
    build = make("conv1:fc-all")
    STRATEGIES["sequential_fine_tune"].build(build)
    assert list(build.stages) == ["step_1", "step_2", "step_3_part1", "step_3"]
    assert moving(build, "step_2") == ["conv1"]
    assert moving(build, "step_3_part1") == ["fc"]
    assert moving(build, "step_3") == ["conv1", "layer1", "fc"]


def test_the_search_tries_every_set_of_layers(make):
    build = make("all")
    node = STRATEGIES["search_fine_tune"].build(build)
    sets = ["conv1", "layer1", "fc", "conv1_layer1", "conv1_fc", "layer1_fc", "conv1_layer1_fc"]
    assert node == tuple(f"search_fine_tune_{one}" for one in sets)
    assert [moving(build, name) for name in node] == [one.split("_") for one in sets]


def test_a_search_may_be_that_of_any_strategy_that_reads_layers(make):
    build = make("search")
    node = STRATEGIES["irm_fine_tune"].build(build)
    assert len(node) == 7
    assert all(build.before[name] == (2, ("history_irm",)) for name in node)


def test_a_search_over_many_layers_is_refused(make):
    build = make("all", model="mlp", hidden=[8] * 8)
    with pytest.raises(InputError, match=r"every subset of 9 layers, 511 in all: it is for at most 8.*surgical_rgn"):
        STRATEGIES["search_fine_tune"].build(build)


@pytest.mark.parametrize(
    ("text", "steps", "sentence"),
    [
        ("layer2", 1, "method.layers = 'layer2': 'layer2' is no layer. Did you mean 'layer1'"),
        ("search_", 1, "'search_' is no layer. Did you mean 'search'"),
        ("fc:all", 1, "holds recipes for 2 steps, and one step alone is tuned"),
        ("fc:all:fc", 2, "holds recipes for 3 steps, and 2 follow the first one"),
    ],
)
def test_what_the_network_or_the_history_lacks_is_named(make, text, steps, sentence):
    with pytest.raises(InputError) as caught:
        recipes(make(text), steps)
    assert sentence in str(caught.value)


def test_layers_are_ranked_on_the_images_of_the_step_that_is_tuned_to(make, monkeypatch):
    build, seen = make("surgical_snr"), []
    from modelheir.models import gradients

    def scores(model, batches, layers, *, score):
        seen.append((score, [str(one) for batch in batches for one in batch.index.tolist()]))
        return dict.fromkeys(layers, 1.0)

    monkeypatch.setattr(gradients, "layer_scores", scores)
    node = STRATEGIES["sequential_fine_tune"].build(build)
    assert node == ("step_3_1", "step_3_2", "step_3_3")
    moving(build, "step_2_1")
    score, rows = seen[0]
    assert score == "snr"
    assert len(rows) == len(build.history.steps[1]["train"])
