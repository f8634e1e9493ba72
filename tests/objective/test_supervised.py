import dataclasses
import os

import numpy as np
import pytest
import torch
from torch import distributed

from modelheir.checks import InputError
from modelheir.config.inputs import InputConfig
from modelheir.config.unread import refuse_unread
from modelheir.losses import all_gather
from modelheir.methods import METHODS
from modelheir.objective import SupervisedConfig, accept_supervised, make_supervised
from modelheir.types import Batch, Outputs

N, C = 6, 4
LABELS = torch.tensor([0, 1, 2, 3, -1, 0])


class Step:
    """What the supervised part sees of the engine on one process."""

    def __init__(self):
        self.seen, self.gathers = {}, 0

    def gather(self, values):
        self.gathers += 1
        return values

    def observe(self, name, value):
        self.seen[name] = value


def make(draw, *, auxiliary=(), targets=None, extra=None):
    inputs = torch.zeros(N, 1, 1, 1)
    batch = Batch(inputs, LABELS, torch.arange(N), targets=targets, extra=extra or {})
    return Outputs(draw(N, C), draw(N, 2), tuple(auxiliary)), batch


def cross_entropy(logits, log_softmax, smoothing=0.0):
    """Mean over labelled images by NumPy."""
    rows = log_softmax(logits.numpy())[LABELS.numpy() >= 0]
    labels = LABELS.numpy()[LABELS.numpy() >= 0]
    target = (1 - smoothing) * np.eye(C)[labels] + smoothing / C
    return -(target * rows).sum(1).mean()


@pytest.mark.parametrize("smoothing", [0.0, 0.2])
def test_unlabelled_images_are_left_out_and_labels_are_smoothed(draw, log_softmax, smoothing):
    outputs, batch = make(draw)
    step = Step()
    terms = make_supervised(SupervisedConfig(label_smoothing=smoothing))(outputs, batch, step)
    assert list(terms) == ["task"]
    assert terms["task"].item() == pytest.approx(cross_entropy(outputs.logits, log_softmax, smoothing), rel=1e-5)
    right = outputs.logits.argmax(1).numpy() == LABELS.numpy()
    assert step.seen["train/accuracy"].item() == pytest.approx(right[LABELS.numpy() >= 0].mean())


def test_each_auxiliary_head_is_a_term_with_its_weight(draw, log_softmax):
    heads = draw(N, C), draw(N, C)
    outputs, batch = make(draw, auxiliary=heads)
    terms = make_supervised(SupervisedConfig(auxiliary_weight=0.3))(outputs, batch, Step())
    for number, logits in enumerate(heads):
        wanted = 0.3 * cross_entropy(logits, log_softmax)
        assert terms[f"auxiliary_{number}"].item() == pytest.approx(wanted, rel=1e-5)
    assert list(make_supervised(SupervisedConfig(auxiliary_weight=0))(outputs, batch, Step())) == ["task"]


def test_mixed_images_take_their_targets(draw, log_softmax):
    targets = torch.softmax(draw(N, C), 1)
    outputs, batch = make(draw, targets=targets)
    step = Step()
    got = make_supervised(SupervisedConfig(label_smoothing=0.1))(outputs, batch, step)["task"]
    mixed = 0.9 * targets.numpy() + 0.1 / C
    assert got.item() == pytest.approx(-(mixed * log_softmax(outputs.logits.numpy())).sum(1).mean(), rel=1e-5)
    assert step.seen == {}  # no image has one right answer


def test_one_against_all_is_the_mean_of_scipys_log_sigmoids(draw):
    from scipy.special import log_expit

    outputs, batch = make(draw)
    got = make_supervised(SupervisedConfig(binary=True))(outputs, batch, Step())["task"].item()
    z, known = outputs.logits.numpy().astype(float), LABELS.numpy() >= 0
    hot = np.eye(C)[LABELS.numpy()]
    each = -(hot * log_expit(z) + (1 - hot) * log_expit(-z))
    assert got == pytest.approx(each[known].mean(), rel=1e-5)


@pytest.mark.parametrize(("scale", "smoothing"), [(2.0, 0.0), (0.5, 0.2)])
def test_likely_flips_count_less_at_an_equal_mean(draw, log_softmax, scale, smoothing):
    likelihood = torch.tensor([0.0, 1.0, 0.0, 0.0, 0.0, 0.0])
    outputs, batch = make(draw, extra={"likelihood": likelihood})
    batch = dataclasses.replace(batch, labels=torch.tensor([0, 1, 2, 3, 1, 0]), labelled=True)
    config = SupervisedConfig(likelihood_base=0.5, likelihood_scale=scale, label_smoothing=smoothing)
    step = Step()
    got = make_supervised(config)(outputs, batch, step)["task"].item()
    weights = 1 / (scale * likelihood.numpy() + 0.5)
    target = (1 - smoothing) * np.eye(C)[batch.labels.numpy()] + smoothing / C
    each = -(target * log_softmax(outputs.logits.numpy())).sum(1)
    assert got == pytest.approx((weights / weights.mean() * each).mean(), rel=1e-5)
    assert step.gathers > 0  # the weights have mean 1 over the batch of all processes


@pytest.mark.parametrize("binary", [False, True])
def test_where_every_label_is_known_nothing_is_gathered_and_the_loss_is_the_same(draw, binary):
    outputs = Outputs(draw(N, C), draw(N, 2), (draw(N, C),))
    batch = Batch(torch.zeros(N, 1), LABELS.abs(), torch.arange(N))
    supervised = make_supervised(SupervisedConfig(binary=binary))
    counted, known = Step(), Step()
    expected = supervised(outputs, batch, counted)
    found = supervised(outputs, dataclasses.replace(batch, labelled=True), known)
    assert (counted.gathers, known.gathers) == (3, 0)
    assert found.keys() == expected.keys()
    for name, value in expected.items():
        torch.testing.assert_close(found[name], value)
    torch.testing.assert_close(known.seen["train/accuracy"], counted.seen["train/accuracy"])


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"binary": True, "label_smoothing": 0.1}, r"label_smoothing = 0\.1 has no effect with .*\.binary = True"),
        ({"binary": True, "likelihood_scale": 2.0}, r"likelihood_scale = 2\.0 has no effect with .*\.binary = True"),
        ({"likelihood_base": 2.0}, r"likelihood_base = 2\.0 has no effect with .*\.likelihood_scale = 0\.0"),
    ],
)
def test_what_another_choice_leaves_aside_is_refused(settings, message):
    with pytest.raises(InputError, match=message):
        refuse_unread(SupervisedConfig(**settings), SupervisedConfig(), "method.supervised")
    refuse_unread(SupervisedConfig(likelihood_base=2.0, likelihood_scale=1.0), SupervisedConfig())
    refuse_unread(SupervisedConfig(binary=True), SupervisedConfig())


def test_a_weight_from_likelihoods_needs_them_and_one_label_an_image():
    weighted = SupervisedConfig(likelihood_scale=0.5)
    accept_supervised(SupervisedConfig(), InputConfig(mixup=1.0))
    accept_supervised(weighted, InputConfig(), likelihoods=True)
    with pytest.raises(
        InputError, match=r"method\.supervised\.likelihood_scale = 0\.5 needs a likelihood for each image"
    ):
        accept_supervised(weighted, InputConfig())
    with pytest.raises(InputError, match=r"likelihood_scale = 0\.5 needs unmixed images"):
        accept_supervised(weighted, InputConfig(cutmix=1.0), likelihoods=True)


@pytest.mark.parametrize("name", [name for name, one in METHODS.items() if hasattr(one.config(), "supervised")])
def test_every_method_refuses_a_weight_from_likelihoods_that_it_has_not(world, name):
    further = {"elodi": {"ensemble": (world.old,)}, "self_distill": {"weight": 0.0}, "distill": {"label_weight": 1.0}}
    settings = {**world.small(name), **further.get(name, {})}
    with pytest.raises(InputError, match=r"method\.supervised\.likelihood_scale = 1\.0 needs a likelihood"):
        world.plan(name, supervised__likelihood_scale=1.0, **settings)


def test_the_usual_settings_are_plain_cross_entropy():
    assert dataclasses.asdict(SupervisedConfig()) == {
        "label_smoothing": 0.0,
        "binary": False,
        "auxiliary_weight": 1.0,
        "likelihood_base": 1.0,
        "likelihood_scale": 0.0,
    }


def test_one_against_all_takes_mixed_targets_too(draw):
    from scipy.special import log_expit

    targets = torch.softmax(draw(N, C), 1)
    outputs, batch = make(draw, targets=targets)
    got = make_supervised(SupervisedConfig(binary=True))(outputs, batch, Step())["task"].item()
    z, hot = outputs.logits.numpy().astype(float), targets.numpy()
    assert got == pytest.approx(-(hot * log_expit(z) + (1 - hot) * log_expit(-z)).mean(), rel=1e-5)


LOGITS = np.random.default_rng(0).normal(size=(2, 3, C))  # a row a process
LABELLED = np.array([[2, -1, -1], [1, 0, 3]])  # right on all of one, and on a third of three


def _part(rank: int, world: int, folder: str) -> None:
    torch.set_num_threads(1)
    os.environ.setdefault("GLOO_SOCKET_IFNAME", "lo")
    distributed.init_process_group("gloo", init_method=f"file://{folder}/meet", rank=rank, world_size=world)
    step = Step()
    step.gather = all_gather
    batch = Batch(torch.zeros(3, 1, 1, 1), torch.tensor(LABELLED[rank]), torch.arange(3))
    outputs = Outputs(torch.tensor(LOGITS[rank]), torch.zeros(3, 2))
    terms = make_supervised(SupervisedConfig())(outputs, batch, step)
    torch.save((terms["task"], step.seen["train/accuracy"]), f"{folder}/{rank}.pt")
    distributed.destroy_process_group()


@pytest.mark.distributed
def test_two_processes_with_unequal_numbers_of_labels_average_to_loss_and_accuracy_of_all(
    tmp_path, log_softmax, copies
):
    copies.part(_part, 2, str(tmp_path))
    loss, accuracy = np.mean([torch.load(tmp_path / f"{rank}.pt") for rank in range(2)], axis=0)
    logits, labels = LOGITS[LABELLED >= 0], LABELLED[LABELLED >= 0]
    assert loss == pytest.approx(-log_softmax(logits)[np.arange(4), labels].mean())
    assert accuracy == pytest.approx((logits.argmax(1) == labels).mean()) == 0.5
