"""Co-training as a whole: what it refuses, what it never sees, what it hangs on, and what a run of it is."""

import dataclasses

import numpy as np
import pytest
import torch

from modelheir.checks import InputError
from modelheir.config.fit import FitConfig
from modelheir.config.inputs import InputConfig
from modelheir.config.run import TrainConfig
from modelheir.methods.cotrain.cotrain import Config, accept, settle

VIEWS = ("pixels:left", "pixels:right")


@pytest.mark.parametrize(
    ("config", "run", "said"),
    [
        (Config(labels="1 %"), TrainConfig(data="folder:x"), r"train cotrain needs --views, at least two encoders"),
        (Config(views=VIEWS[:1]), TrainConfig(), r"--views pixels:left: one view has no other to learn from"),
        (Config(views=VIEWS[:1] * 2), TrainConfig(), r"a view that is there twice teaches nothing new"),
        (
            Config(views=VIEWS),
            TrainConfig(data="folder:x"),
            r"needs images without labels: --unlabelled .* or --labels",
        ),
        (
            Config(algorithms=("mct",)),
            TrainConfig(fit=FitConfig(accumulate=2)),
            r"fit\.accumulate = 2: mct does its own steps; set it to 1, and method\.mct\.accumulate",
        ),
        (Config(), TrainConfig(model="convnet"), r"--model convnet: cotrain trains heads on --views and no network"),
    ],
)
def test_what_does_not_fit_is_refused_before_anything_is_read(config, run, said):
    with pytest.raises(InputError, match=said):
        accept(config, run)


def test_what_is_left_open_is_settled():
    digits = settle(Config(), TrainConfig())
    assert (digits.views, digits.labels) == (VIEWS, "5 per class")
    assert digits.algorithms[:2] == ("supervised", "concatenated")
    assert settle(Config(unlabelled="folder:x"), TrainConfig()).labels == "1"
    chosen = Config(views=VIEWS, labels="0.1", algorithms=("svm",))
    assert settle(chosen, TrainConfig()) == chosen


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"labels": "1.0"}, r"--labels 1\.0 uses every label, and no image is left without one"),
        ({"labels": "0.02"}, r"of 3 classes would have no label \(class"),
        ({"labels": "99 per class"}, r"99 labels per class are asked for"),
        ({"labels": "many"}, r"labels = 'many': must be a share such as 0\.01"),
        ({"unlabelled": "synthetic:n=96,classes=3,size=8"}, r"every image of it is also in the data"),
    ],
)
def test_labels_and_pools_that_do_not_fit_are_refused_by_the_plan(world, few, plain, settings, said):
    with pytest.raises(InputError, match=said):
        few(world.plan, plain, **settings)


def test_a_class_that_no_training_image_has_is_named(world, few, plain, relabelled):
    labels = plain.data.splits["train"].labels
    with pytest.raises(InputError, match=r"1 of 3 classes would have no label \(class2\)"):
        few(world.plan, relabelled(plain, "train", np.where(labels == 2, 1, labels)))


def test_a_class_that_the_views_lack_is_named(make_build, plain):
    """Images that could not be read have no vector, and a class may have no other."""
    build = make_build(labels="1 per class")
    train = build.views.sets["train"]
    build.views.sets["train"] = train.subset(~np.isin(train.ids, build.labelled.ids[build.labelled.labels == 1]))
    del build.labelled
    with pytest.raises(InputError, match=r"1 of 3 classes would have no label \(class1\)"):
        _ = build.labelled


def test_a_plan_is_each_seed_s_stages_and_the_choice(world, few, plain):
    names = [one.name for one in few(world.plan, plain, seeds=2, algorithms=("mct", "svm", "supervised"))]
    stages = ("supervised", "mct", "mct_calibrated", "svm", "svm_calibrated", "supervised_calibrated")
    assert names == [f"{name}_seed{seed}" for seed in (0, 1) for name in stages] + ["choice"]


def test_images_that_are_reported_on_are_left_out_of_the_pool(world, few, plain):
    """The same source, of which the data are a part: what is left are the images that were not taken."""
    given = world.given(inputs=InputConfig(augment="none", train_per_class=10), fit=plain.fit)
    held = {one for split in given.data.splits.values() for one in split.ids}
    pool = few(world.plan, given, unlabelled="synthetic:n=96,classes=3,size=8", algorithms=("consistency",))
    ids = pool[0].prepare({}).streams["unlabelled"].ids
    assert len(ids) == 96 - len(held)
    assert not {one.removeprefix("unlabelled/") for one in ids} & held


def equal(ours, theirs):
    return ours.keys() == theirs.keys() and all(torch.equal(ours[key], theirs[key]) for key in ours)


LEARNERS = ("label_spreading", "pseudo_label", "consistency", "cotrain", "mct", "mpl")
SURE = {
    "pseudo_threshold": 0.36,
    "mct__targets__confidence": 0.34,
    "mpl__targets__confidence": 0.34,
    "rounds__number": 2,
    "consistency__labels__confidence": 0.34,
}


def test_labels_of_the_pool_are_never_seen(world, few, plain, relabelled):
    """The same weights bit for bit, stage by stage, where the pool's labels are not there at all."""
    train = plain.data.splits["train"]
    first = few(world.run, "first", given=plain, algorithms=LEARNERS, **SURE)
    stage = few(world.plan, plain, algorithms=("supervised",))[0]
    known = np.isin(train.ids, stage.prepare({}).streams["train"].ids)
    assert known.sum() == 15
    bare = relabelled(plain, "train", np.where(known, train.labels, -1))
    second = few(world.run, "second", given=bare, labels="1.0", algorithms=LEARNERS, **SURE)
    assert {name: equal(one.weights("model"), second[name].weights("model")) for name, one in first.items()} == (
        dict.fromkeys(first, True)
    )


def test_what_is_chosen_hangs_on_no_label_of_the_reporting_images(world, few, plain, relabelled):
    settings = {"algorithms": ("supervised", "concatenated", "logistic", "mct"), **SURE}
    del settings["pseudo_threshold"]
    first = few(world.run, "first", given=plain, **settings)["choice"]
    labels = plain.data.splits["test"].labels
    spoilt = relabelled(plain, "test", (labels + 1) % 3)
    second = few(world.run, "second", given=spoilt, **settings)["choice"]
    assert equal(first.weights("model"), second.weights("model"))
    assert first.describe["chosen"] == second.describe["chosen"]
    ours, theirs = ({name: row["value"] for name, row in one.describe["rows"].items()} for one in (first, second))
    assert ours != theirs


def test_a_copy_as_the_second_view_is_self_training(make_build, finished):
    """E-3 i: two heads that say the same of the same vectors teach each other what each says itself."""
    from modelheir.methods.cotrain.rounds import rounds

    build = make_build(algorithms=("cotrain",), exchange__share=0.3)
    for name, one in build.views.sets.items():
        build.views.sets[name] = dataclasses.replace(one, views=one.views[:1] * 2, rows=one.rows[:, [0, 0]])
    rounds(build)
    head = build.heads()["view_1"]
    task = build.stages["round_1"].prepare({"supervised": finished(build, {"view_1": head, "view_2": head})})
    told = task.describe["cotraining"]
    assert told["taught"][0] == told["taught"][1]
    assert (told["conflicts"], told["agreement"]) == (0, 1.0)
    (own, _) = build.logits({"view_1": head, "view_2": head}, build.pool)
    assert told["taught"][0]["labels"] == own.argmax(1)[told["taught"][0]["rows"]].tolist()


def test_what_says_which_part_of_a_network_moves_is_refused(world):
    with pytest.raises(InputError, match="--trainable head: encoders stay as they are and heads train whole"):
        accept(world.config("cotrain"), TrainConfig(trainable="head"))
