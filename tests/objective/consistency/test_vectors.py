"""FixMatch on vectors: by hand, every setting, through the real engine with resuming, and that it helps."""

import contextlib
import dataclasses
import functools

import numpy as np
import pytest
import torch

from modelheir import inference
from modelheir.config.fit import FitConfig
from modelheir.config.vector_head import VectorHeadConfig
from modelheir.data import VectorSet, vector_stream
from modelheir.engine.stages import run_plan
from modelheir.models import build_vector_head, vector_moments
from modelheir.objective import (
    ConsistencyConfig,
    PseudoLabelConfig,
    SupervisedConfig,
    VectorNoiseConfig,
    make_pseudo_labels,
    make_supervised,
    vector_consistency,
)
from modelheir.plans import Stage, Task
from modelheir.runs.folder import RunFolder

D, C = 6, 3
CLASSES = ("a", "b", "c")


class Step:
    """The least that is read of the engine, seeded anew for each step."""

    epoch = 0

    def __init__(self, number=0):
        self.device_generator = torch.Generator().manual_seed(number)
        self.seen = {}

    def gather(self, values):
        return values

    def observe(self, name, value):
        self.seen[name] = value.item()


def vectors(per_class, seed, scale=1.0, known=True):
    """Three normal clouds."""
    rng = np.random.default_rng(seed)
    labels = np.repeat(np.arange(C), per_class)
    values = (scale * (2 * np.eye(C, D)[labels] + rng.normal(size=(len(labels), D)))).astype(np.float32)
    ids = np.array([f"{seed}_{n}" for n in range(len(labels))])
    labels = labels if known else np.full_like(labels, -1)
    return VectorSet("v", CLASSES, ids, labels.astype(np.int64), (values,), np.arange(len(labels))[:, None])


def world(config=None, scale=1.0, samples=60):
    config = config or ConsistencyConfig()
    train, pool = vectors(4, 1, scale), vectors(samples // C, 2, scale, known=False)
    moments = vector_moments([pool.views[0]])
    head = build_vector_head(VectorHeadConfig(), width=D, classes=CLASSES, moments=moments)
    labels = make_pseudo_labels(config.labels, classes=C, samples=len(pool), labelled=(4, 4, 4))
    objective = vector_consistency(
        head, config, labels, make_supervised(SupervisedConfig()), mean=moments.mean, deviation=moments.deviation
    )
    streams = {
        "unlabelled": vector_stream(pool, batch_size=20, train=True, seed=0),
        "train": vector_stream(train, batch_size=12, train=True, seed=0),
    }
    return head, labels, objective, streams, moments


def batch(streams):
    return {name: next(iter(stream.epoch(0))) for name, stream in streams.items()}


def test_by_hand(log_softmax):
    config = ConsistencyConfig(
        weight=2.0, labels=PseudoLabelConfig(confidence=0.4), weak=VectorNoiseConfig(gaussian=0.1)
    )
    head, _, objective, streams, moments = world(config, scale=5.0)
    given, step = batch(streams), Step()
    found = objective(given, step).terms
    generator = torch.Generator().manual_seed(0)
    train, pool = given["train"].inputs, given["unlabelled"].inputs
    weak = [x + 0.1 * moments.deviation * torch.randn(x.shape, generator=generator) for x in (train, pool)]
    kept = torch.rand(pool.shape, generator=generator) >= 0.3
    strong = torch.where(kept, pool, moments.mean)
    strong = strong + 0.5 * moments.deviation * torch.randn(pool.shape, generator=generator)
    known, p, q = (log_softmax(head(x).logits.detach().numpy()) for x in (*weak, strong))
    sure = np.flatnonzero(np.exp(p).max(1) >= 0.4)
    assert 0 < len(sure) < 20
    expected = 2 * sum(-q[n, p[n].argmax()] for n in sure) / 20
    assert found["unlabelled"].item() == pytest.approx(expected, rel=1e-4)
    labels = given["train"].labels.numpy()
    assert found["task"].item() == pytest.approx(-known[np.arange(12), labels].mean(), rel=1e-4)
    assert step.seen["train/confident"] == pytest.approx(len(sure) / 20)


@pytest.mark.parametrize(
    "changed",
    [
        {"weight": 3.0},
        {"labels": PseudoLabelConfig(confidence=0.6)},
        {"weak": VectorNoiseConfig(gaussian=1.0)},
        {"weak": VectorNoiseConfig(dropout=0.5)},
        {"weak": VectorNoiseConfig(mask=0.5)},
        {"strong": VectorNoiseConfig(gaussian=1.0)},
        {"strong": VectorNoiseConfig(dropout=0.5)},
        {"strong": VectorNoiseConfig(mask=0.5)},
    ],
)
def test_every_setting_reaches_the_loss(changed):
    usual = ConsistencyConfig(labels=PseudoLabelConfig(confidence=0.4))
    values = []
    for config in (usual, dataclasses.replace(usual, **changed)):
        _, _, objective, streams, _ = world(config)
        values.append(objective(batch(streams), Step()).terms["unlabelled"].item())
    assert values[0] != values[1]


@functools.cache
def train(config, steps=45, samples=300):
    head, _, objective, streams, _ = world(config, samples=samples)
    optimizer = torch.optim.SGD(head.parameters(), lr=0.3)
    number = 0
    while number < steps:
        for pool in streams["unlabelled"].epoch(number):
            (known,) = streams["train"].epoch(number)
            optimizer.zero_grad()
            objective({"unlabelled": pool, "train": known}, Step(number)).total.backward()
            optimizer.step()
            number += 1
    test = vectors(300, 3)
    with torch.no_grad():
        said = head.eval()(torch.from_numpy(test.views[0])).logits.argmax(1).numpy()
    return (said == test.labels).mean()


@pytest.mark.parametrize("threshold", ["fixed", "flexmatch", "freematch", "softmatch"])
def test_samples_without_labels_help(threshold):
    """Three clouds, four labels each: every kind comes nearer to the best possible than labels alone do."""
    momentum = {"momentum": 0.9} if threshold in ("freematch", "softmatch") else {}
    confidence = {"confidence": 0.8} if threshold in ("fixed", "flexmatch") else {}
    labels = PseudoLabelConfig(threshold=threshold, **confidence, **momentum)
    alone = train(ConsistencyConfig(weight=0.0))
    assert train(ConsistencyConfig(labels=labels)) > alone + 0.01


class Progress:
    """Stops a run after some steps."""

    def __init__(self, left):
        self.left = left

    def stage(self, name, steps, done=0):
        pass

    def epoch(self, row):
        pass

    def note(self, text):
        pass

    def close(self):
        pass

    def advance(self, images):
        self.left -= 1
        if self.left == 0:
            raise KeyboardInterrupt


def test_the_engine_trains_it_and_resumes_bit_by_bit(tmp_path, rows):
    labels = PseudoLabelConfig(threshold="flexmatch", align="labelled", sharpen=0.5)
    val = vector_stream(vectors(20, 3), batch_size=30, train=False, seed=0)

    def run(folder, stop_after=-1):
        def prepare(done):
            head, state, objective, streams, _ = world(ConsistencyConfig(labels=labels))
            return Task(
                modules={"model": head},
                streams=streams,
                objective=objective,
                evaluate={"val": val},
                state={"labels": state},
                describe={"model": head.spec},
            )

        with contextlib.suppress(KeyboardInterrupt):
            return run_plan(
                [Stage("only", prepare)],
                RunFolder(tmp_path / folder),
                runtime=inference.Runtime("cpu"),
                fit_config=FitConfig(epochs=3, batch_size=20, optimizer="sgd", lr=0.1, save_every_steps=2),
                seed=1,
                log=rows(),
                progress=Progress(stop_after),
            )["only"]

    whole = run("whole")
    assert run("parts", stop_after=5) is None
    again = run("parts")
    assert again.metrics == whole.metrics
    assert all(torch.equal(value, again.weights("model")[key]) for key, value in whole.weights("model").items())
    assert whole.metrics["val/accuracy"] > 0.6
