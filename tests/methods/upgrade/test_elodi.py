"""ELODI: members, then a student of their mean logits; resumable member by member."""

from pathlib import Path

import pytest
import torch

from modelheir.checks import InputError
from modelheir.config.inputs import InputConfig
from modelheir.methods import METHODS
from modelheir.runs.folder import RunFolder


class Step:
    """The least an objective reads of the engine."""

    epoch, number = 0, 0

    @staticmethod
    def gather(values):
        return values

    @staticmethod
    def observe(name, value):
        pass


def terms(world, **settings):
    """Return the terms of the student's first batch, with the logits that they are of."""
    other = world.save_model("other", seed=6)
    made = world.plan("elodi", ensemble=(world.old, other), **settings)[0].prepare({})
    batch = next(made.streams["train"].epoch(0))
    new = made.modules["model"](batch.inputs).logits
    a, b = (model.eval()(batch.inputs).logits for model in world.given(old=[world.old, other]).old.models)
    return made.objective({"train": batch}, Step()).terms, new, (a + b) / 2, batch.labels


@pytest.mark.parametrize("share", [None, 0.8])
def test_by_default_all_images_are_pulled_by_the_squared_difference_of_all_logits(world, share):
    settings = {} if share is None else {"pull__mix_alpha": share}
    found, new, mean, labels = terms(world, **settings)
    assert set(found) == {"task", "ensemble"}
    kept, taken = (1.0, 1.0) if share is None else (1 - share, share)
    torch.testing.assert_close(found["ensemble"], taken * ((new - mean) ** 2).mean())
    torch.testing.assert_close(found["task"], kept * torch.nn.functional.cross_entropy(new, labels))


def test_the_papers_distance_has_no_margin(world):
    """Zhao et al., eq. 3: every logit but the label's."""
    found, new, mean, labels = terms(world, distance__loss="logit_difference")
    others = 1 - torch.nn.functional.one_hot(labels, 3)
    torch.testing.assert_close(found["ensemble"], (others * (new - mean) ** 2).mean())


def test_the_second_pull_is_to_the_old_model_and_has_settings_and_modules_of_its_own(world):
    projection = {"distance__loss": "random_projection", "old_distance__loss": "random_projection"}
    made = world.plan("elodi", ensemble=(world.old,), old_pull__weight=2.0, **projection)[0].prepare({})
    assert set(made.modules) == {"model", "random_projection", "old_random_projection"}
    assert set(made.references) == {"teacher", "classes", "old_teacher", "old_classes"}
    settings = {"old_pull__filter": "all_pass", "old_distance__loss": "logit_matching"}
    found, new, _, _ = terms(world, old_pull__weight=2.0, **settings)
    old = world.given().old.models[0]
    batch = next(world.given().data.stream().epoch(0))
    torch.testing.assert_close(found["old"], 2 * ((new - old.eval()(batch.inputs).logits) ** 2).mean())
    alone = world.plan("elodi", ensemble=(world.old,))[0].prepare({})
    assert set(alone.references) == {"teacher", "classes"}


def test_mixed_images_are_refused_by_the_pull_that_needs_labels(world):
    given = world.given(inputs=InputConfig(mixup=0.5))
    with pytest.raises(InputError, match=r"^method\.old_pull\.filter = 'old_correct' needs unmixed images"):
        world.plan("elodi", given, old_pull__weight=1.0)
    with pytest.raises(InputError, match=r"^method\.pull\.filter = 'old_correct' needs unmixed images"):
        world.plan("elodi", given, pull__filter="old_correct")
    assert len(world.plan("elodi", given)) == 9


def test_members_begin_from_seeds_of_their_own_that_are_not_the_students(world):
    given = world.given()
    made = [stage.prepare({}) for stage in world.plan("elodi", given, members=2)[:2]]
    for number, task in enumerate(made):
        own = given.member(number + 1)
        fresh = own.model.build().state_dict()
        assert all(torch.equal(fresh[key], value) for key, value in task.modules["model"].state_dict().items())
        orders = [next(stream.epoch(0)).index.tolist() for stream in (task.streams["train"], own.data.stream())]
        assert orders[0] == orders[1]


def test_student_follows_the_mean_logits_of_its_members(world):
    config = world.config("elodi", members=3)
    given = world.given(old=[])
    done = world.run("elodi", "run", given=given, members=3)
    assert list(done) == ["member_0", "member_1", "member_2", "student"]
    heads = [done[name].weights("model")["head.weight"] for name in ("member_0", "member_1", "member_2")]
    assert not torch.equal(heads[0], heads[1])
    task = METHODS["elodi"].plan(config, given)[-1].prepare(done)
    batch = next(task.streams["train"].epoch(0))
    logits = []
    for name in ("member_0", "member_1", "member_2"):
        model = given.model.build()
        model.load_state_dict(done[name].weights("model"))
        logits.append(model.eval()(batch.inputs).logits)
    torch.testing.assert_close(task.references["teacher"](batch).logits, torch.stack(logits).mean(0))


def test_old_pull_adds_a_second_teacher(world, rows):
    log = rows()
    world.run("elodi", "run", log=log, members=1, old_pull__weight=0.5)
    student = [row for row in log if row["stage"] == "student"]
    for row in student:
        assert row["loss"] == pytest.approx(row["loss/task"] + row["loss/ensemble"] + row["loss/old"], rel=1e-5)


def test_finished_members_are_read_and_not_trained_again(world):
    with pytest.raises(KeyboardInterrupt):
        world.run("elodi", "run", members=2, stop_after=14)  # inside the second member
    first = RunFolder(world.tmp_path / "run").stage(0, "member_0")
    stamp = first.weights.stat().st_mtime_ns
    resumed = world.run("elodi", "run", members=2)
    assert first.weights.stat().st_mtime_ns == stamp
    straight = world.run("elodi", "straight", members=2)
    a, b = resumed["student"].weights("model"), straight["student"].weights("model")
    assert all(torch.equal(a[key], b[key]) for key in a)


def test_trained_members_are_taken_as_they_are(world):
    other = world.save_model("other", seed=6)
    done = world.run("elodi", "run", ensemble=(world.old, other), members=5)
    assert list(done) == ["student"]
    task = world.plan("elodi", ensemble=(world.old, other))[0].prepare({})
    batch = next(task.streams["train"].epoch(0))
    a, b = (model.eval()(batch.inputs).logits for model in world.given(old=[world.old, other]).old.models)
    torch.testing.assert_close(task.references["teacher"](batch).logits, (a + b) / 2, rtol=1e-4, atol=1e-5)


def test_student_starts_from_the_old_weights(world):
    config = world.config("elodi", ensemble=(world.old,), start_from_old=True)
    task = METHODS["elodi"].plan(config, world.opened("elodi", config))[0].prepare({})
    old = world.given().old.models[0].state_dict()
    assert all(torch.equal(old[key], value) for key, value in task.modules["model"].state_dict().items())


@pytest.mark.parametrize("settings", [{"pull__start_epoch": 2}, {"pull__weight": 0.0}])
def test_without_its_pull_the_student_is_trained_plainly(world, settings):
    plain = world.run("finetune", "plain")["train"].weights("model")
    done = world.run("elodi", "run", ensemble=(world.old,), pull__mix_alpha=0.8, **settings)  # two epochs
    assert all(torch.equal(plain[key], value) for key, value in done["student"].weights("model").items())


@pytest.mark.parametrize(
    ("old", "settings", "message"),
    [
        (
            None,
            {"old_pull__mix_alpha": 0.5},
            r"method\.old_pull\.mix_alpha = 0\.5 has no effect.*method\.pull\.mix_alpha",
        ),
        ([], {"old_pull__weight": 1.0}, r"method\.old_pull\.weight = 1\.0 .*--old"),
    ],
)
def test_settings_of_the_second_pull_that_would_do_nothing(world, old, settings, message):
    with pytest.raises(InputError, match=message):
        world.plan("elodi", world.given(old=old), **settings)


def test_the_published_loss_is_a_settings_file_away():
    """Zhao et al., section 3.3: a share of 0.8 of the distance without the label's logit, and no margin."""
    import yaml

    given = yaml.safe_load((Path(__file__).parents[3] / "configs/elodi/full.yaml").read_text())["method"]
    assert (given["pull"]["mix_alpha"], given["members"]) == (0.8, 8)
    distance = given["distance"]
    assert distance["loss"] == "logit_difference"
    assert (distance["logit_difference"]["margin"], distance["logit_difference"]["exclude_label"]) == (0.0, True)
    own = METHODS["elodi"].config()
    assert (own.pull.share, own.distance.loss) == (None, "logit_matching")  # ours, as the docstring says
    assert own.members == 8
