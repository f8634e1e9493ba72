"""Temperatures: those that fit the selection images, before views predict together, so that noise outvotes nobody."""

import numpy as np
import pytest
import torch
from scipy.optimize import minimize_scalar

from modelheir.data import VectorSet
from modelheir.methods.cotrain.build import Build
from modelheir.methods.cotrain.calibrated import calibrated
from modelheir.methods.cotrain.supervised import views_alone
from modelheir.methods.given.views import Views


def nll(logits, label, temperature):
    scaled = logits / temperature
    return float(np.mean(np.logaddexp.reduce(scaled, axis=1) - scaled[np.arange(len(label)), label]))


def test_each_view_is_divided_by_the_temperature_that_fits(world, few, plain, make_build):
    done = few(world.run, "run", given=plain, algorithms=("supervised",))
    build = make_build()
    heads, val = build.loaded(done["supervised"]), build.views.sets["val"]
    for logits, found in zip(
        build.logits(heads, val), done["supervised_calibrated"].describe["temperatures"], strict=True
    ):
        best = minimize_scalar(lambda log, z=logits: nll(z, val.labels, np.exp(log)), bounds=(-4, 4), method="bounded")
        assert nll(logits, val.labels, found) <= best.fun + 1e-6
    spec = done["choice"].describe["model"]
    assert spec["temperatures"] == done["supervised_calibrated"].describe["temperatures"]
    assert spec["temperatures"] != [1.0, 1.0]


def test_off_the_stages_stand_for_themselves(world, few, plain, make_build):
    build = make_build(calibrate=False)
    assert calibrated(build, "supervised", views_alone(build)) == ("supervised",)
    done = few(world.run, "run", given=plain, algorithms=("supervised",), calibrate=False)
    assert done["choice"].describe["model"]["temperatures"] == [1.0, 1.0]


@pytest.mark.parametrize("seed", [0, 1])
def test_a_view_of_noise_does_not_outvote_the_other(world, plain, seed):
    """A head that learnt few samples of noise by heart is as sure as the other; by its temperature it is not heard."""
    generator = np.random.default_rng(seed)
    labels = generator.integers(0, 3, 400)
    good = np.eye(3)[labels] @ generator.normal(size=(3, 8)) * 2 + generator.normal(size=(400, 8))
    noise = generator.normal(size=(400, 40))
    ids = np.array([f"{seed}_{number}" for number in range(400)])
    names = plain.data.classes
    rows = np.repeat(np.arange(400)[:, None], 2, axis=1)
    whole = VectorSet("made", names, ids, labels, (good.astype(np.float32), noise.astype(np.float32)), rows)
    parts = {"train": whole.subset(np.arange(60)), "val": whole.subset(np.arange(60, 200))}
    parts["test"] = whole.subset(np.arange(200, 400))
    right = {}
    for calibrate in (False, True):
        build = _build(world, plain, parts, calibrate=calibrate)
        heads = build.heads()
        task = build.task(heads, {})
        _fit(heads, build)
        model = build.classifier(heads, build.temperatures(heads))
        said = model.eval().on_views([torch.from_numpy(one) for one in parts["test"].read(np.arange(200))]).logits
        right[calibrate] = float((said.argmax(1).numpy() == parts["test"].labels).mean())
        alone = build.logits(heads, parts["test"])[0].argmax(1) == parts["test"].labels
        assert task.describe["model"]["temperatures"] == [1.0, 1.0]
    assert right[True] >= alone.mean() - 0.01
    assert right[True] > right[False]


def _build(world, plain, parts, **settings):
    config = world.config("cotrain", views=("a", "b"), labels="1", head__kind="linear", **settings)
    about = {"address": "a", "fingerprint": "0", "image_size": 0}
    views = Views((about, {**about, "address": "b"}), parts, plain.data)
    return Build(config, plain, lambda done: views, lambda done: parts["train"].ids[:30])


def _fit(heads, build):
    """Train heads on the labels by a plain loop, until they know them by heart."""
    for place, head in enumerate(heads.values()):
        x = torch.from_numpy(build.labelled.read(np.arange(len(build.labelled)))[place])
        y = torch.from_numpy(build.labelled.labels)
        optimizer = torch.optim.Adam(head.parameters(), lr=0.05)
        for _ in range(200):
            optimizer.zero_grad()
            torch.nn.functional.cross_entropy(head(x).logits, y).backward()
            optimizer.step()
