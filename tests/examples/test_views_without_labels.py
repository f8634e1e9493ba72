"""The parts of the example that trains encoders without labels say and do what their papers do."""

import json
import runpy
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from torch.nn import functional

from modelheir.config.fit import FitConfig
from modelheir.config.inputs import InputConfig
from modelheir.data import open_splits
from modelheir.models import load

PATH = Path(__file__).parents[2] / "examples" / "views_without_labels.py"
EXAMPLE = SimpleNamespace(**runpy.run_path(str(PATH)))
FIT = FitConfig(epochs=1, batch_size=8)
CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def images():
    return EXAMPLE.images_without_labels("digits", InputConfig(), 40, seed=0)


def step():
    return SimpleNamespace(device_generator=torch.Generator().manual_seed(3))


def test_labels_are_forgotten_and_only_training_images_are_seen(images):
    assert (images.labels == -1).all()
    assert len(images) == 40
    assert set(images.ids) <= set(open_splits("digits", InputConfig())["train"].ids)


def test_every_image_is_turned_four_ways():
    image = torch.arange(12.0).reshape(1, 3, 2, 2)
    views, quarters = EXAMPLE.turned(torch.cat([image, image + 20]))
    assert quarters.tolist() == [0, 0, 1, 1, 2, 2, 3, 3]
    for view, count in zip(views, quarters.tolist(), strict=True):
        np.testing.assert_array_equal(view[0] % 20, np.rot90(image[0, 0], count))


def test_colours_change_by_the_generator_and_stay_colours():
    images = torch.rand(200, 3, 4, 4, generator=torch.Generator().manual_seed(0))
    one, again = (EXAMPLE.recoloured(images, torch.Generator().manual_seed(1)) for _ in range(2))
    assert torch.equal(one, again)
    assert (one >= 0).all()
    assert (one <= 1).all()
    grey = (one.amax(dim=1) - one.amin(dim=1)).amax(dim=(1, 2)) < 1e-6
    assert 0.1 < grey.float().mean() < 0.3


def test_rotation_is_the_cross_entropy_of_four(images):
    task = EXAMPLE.rotation(images, InputConfig(), FIT, 0, CPU)
    batch = next(iter(task.streams["images"].epoch(0)))
    found = task.objective({"images": batch}, step())
    views, quarters = EXAMPLE.turned(batch.inputs)
    logits = task.modules["model"](views).logits
    assert logits.shape == (32, 4)
    torch.testing.assert_close(found.total, functional.cross_entropy(logits, quarters))


def test_simclr_is_nt_xent_of_two_views_of_the_same_images(images):
    task = EXAMPLE.simclr(images, InputConfig(), FIT, 0, CPU)
    batches = {name: next(iter(stream.epoch(0))) for name, stream in task.streams.items()}
    one, two = batches.values()
    assert torch.equal(one.index, two.index)
    assert not torch.equal(one.inputs, two.inputs)
    found = task.objective(batches, step())

    generator = step().device_generator
    views = torch.cat([EXAMPLE.recoloured(batch.inputs, generator) for batch in (one, two)])
    with torch.no_grad():
        z = task.modules["projection"](task.modules["model"](views).features).double().numpy()
    z /= np.linalg.norm(z, axis=1, keepdims=True)
    closeness, values = np.exp(z @ z.T / 0.5), []
    for i in range(16):
        others = sum(closeness[i, j] for j in range(16) if j != i)
        values.append(-np.log(closeness[i, (i + 8) % 16] / others))
    assert found.total.item() == pytest.approx(np.mean(values), rel=1e-5)


def test_it_goes_on_with_the_same_settings_and_refuses_others(tmp_path, monkeypatch, capsys):
    def run(*further):
        words = [str(PATH), "--images", "64", "--epochs", "1", "--device", "cpu", "--out", str(tmp_path), *further]
        monkeypatch.setattr(sys, "argv", words)
        runpy.run_path(str(PATH), run_name="__main__")
        return capsys.readouterr().out

    told = run()
    written = {path: path.stat().st_mtime_ns for path in tmp_path.glob("stages/*/weights.safetensors")}
    assert len(written) == 2
    assert run() == told
    assert {path: path.stat().st_mtime_ns for path in written} == written
    with pytest.raises(SystemExit, match="other settings"):
        run("--seed", "1")
    assert json.loads((tmp_path / "settings.json").read_text())["seed"] == 0
    widths = [load(f"file:{tmp_path}/{name}.safetensors").feature_size for name in ("rotation", "simclr")]
    assert widths == [128, 128]
