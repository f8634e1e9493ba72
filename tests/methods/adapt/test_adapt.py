"""Adapt: its plan, its seeds, and what it refuses."""

import pytest

from modelheir.checks import InputError
from modelheir.config.inputs import InputConfig
from modelheir.config.run import TrainConfig
from modelheir.config.unread import refuse_unread
from modelheir.methods import METHODS

PAST = ("synthetic:n=60,classes=3,size=8,seed=9",)


def test_a_plan_is_the_strategies_of_each_seed_and_the_choice(world):
    plan = world.plan("adapt", history=PAST, strategies=("erm_final", "erm_fine_tune"), seeds=2, rates=(1.0,))
    every = [f"{name}_seed{seed}" for seed in (0, 1) for name in ("erm_final", "history", "erm_fine_tune")]
    assert [stage.name for stage in plan] == [*every, "choice"]


def test_the_first_seed_is_the_run_s_own_and_the_others_differ(world):
    plan = {one.name: one for one in world.plan("adapt", history=PAST, strategies=("erm_final",), seeds=2)}
    alone = {one.name: one for one in world.plan("adapt", history=PAST, strategies=("erm_final",), seeds=1)}
    first, second = (plan[f"erm_final_seed{seed}"].prepare({}).modules["model"].state_dict() for seed in (0, 1))
    single = alone["erm_final"].prepare({}).modules["model"].state_dict()
    assert all((first[key] == single[key]).all() for key in single)
    assert any((first[key] != second[key]).any() for key in first)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"strategies": ()}, r"method\.strategies = \[\]: name at least one, each once"),
        ({"rates": (1.0, 1.0)}, r"method\.rates = \[1\.0, 1\.0\]: name at least one, each once"),
        ({"pulls": ()}, r"method\.pulls = \[\]: name at least one"),
        ({"supervised__likelihood_scale": 1.0}, "likelihood_scale = 1.0 needs a likelihood for each image"),
    ],
)
def test_settings_that_do_not_fit_are_refused(world, settings, message):
    with pytest.raises(InputError, match=message):
        METHODS["adapt"].accept(world.config("adapt", **{"history": PAST, **settings}), TrainConfig())


@pytest.mark.parametrize("name", ["erm_all_weighted", "irm_all", "dro_fine_tune", "coral_all"])
def test_images_whose_step_counts_are_not_mixed(world, name):
    run = TrainConfig(inputs=InputConfig(mixup=0.2))
    with pytest.raises(InputError, match=rf"method\.strategies = '{name}'.*or leave that strategy out"):
        METHODS["adapt"].accept(world.config("adapt", strategies=("erm_all", name)), run)
    METHODS["adapt"].accept(world.config("adapt", strategies=("erm_all",)), run)


def test_data_without_time_is_refused(world):
    with pytest.raises(InputError, match="has no column 'time' that says when an image was taken"):
        world.plan("adapt", history=())


@pytest.mark.parametrize(
    ("name", "settings", "said"),
    [
        ("erm_side_tune", {"samples": "nearest"}, "joint.samples = 'nearest' has no effect with method.strategies"),
        ("erm_side_tune", {"loss_by_time": True}, "joint.loss_by_time = True has no effect"),
        ("joint_model", {"ablate": True}, "joint.ablate = True has no effect"),
        ("joint_model", {"side_layer_sizes": "4"}, "joint.side_layer_sizes = '4' has no effect"),
        ("joint_side_tune", {"adapter_rank": 2}, "joint.adapter_rank = 2 has no effect"),
        ("joint_side_tune", {"efficient_decays": (0.1, 0.1)}, r"efficient_decays = \[0.1, 0.1\]: name each once"),
        ("sequential_side_tune", {"layers": "search"}, "sequential_side_tune has a frozen past"),
    ],
)
def test_settings_of_copies_that_no_strategy_reads_are_refused(world, name, settings, said):
    own = {f"joint__{key}": value for key, value in settings.items()}
    with pytest.raises(InputError, match=said):
        METHODS["adapt"].accept(world.config("adapt", strategies=(name,), history=PAST, **own), TrainConfig())


@pytest.mark.parametrize(
    ("choice", "aside"),
    [
        ({"joint__adjacent": "none"}, {"joint__adjacent_weights": (5.0,)}),
        ({"joint__loss_by_time": True}, {"joint__newest_weight": 2.0}),
        ({"joint__ablate": True}, {"joint__efficient_decays": (0.1,)}),
        ({"domains__dro": "worst"}, {"domains__dro_rate": 0.5}),
    ],
)
def test_choices_leave_settings_aside(world, choice, aside):
    config = world.config("adapt", strategies=("joint_side_tune", "dro_all"), **choice, **aside)
    (key,), (group, _, name) = aside, next(iter(aside)).partition("__")
    with pytest.raises(InputError, match=rf"method\.{key.replace('__', '.')} = .* has no effect"):
        refuse_unread(config, METHODS["adapt"].config(), "method")
    assert name in getattr(config, group).unread()
