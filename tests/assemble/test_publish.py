"""What a finished run shows is the model that its plan names."""

import dataclasses

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from torch.nn.functional import cross_entropy

from modelheir.assemble import predict, train
from modelheir.methods import METHODS, Method
from modelheir.models import load
from modelheir.runs import RunFolder, read_predictions
from modelheir.types import LossTerms, Outputs, Stage, Task


@dataclasses.dataclass(frozen=True)
class JointConfig:
    """No settings."""


def joint(together):
    """Return a plan of two time steps that are trained together; ``together`` evaluates their mean."""

    def plan(settings, parts):
        def prepare(done):
            models = {f"t{time}": parts.member(time).new_model() for time in range(2)}

            def objective(batches, step):
                batch = batches["train"]
                losses = [cross_entropy(model(batch.inputs).logits, batch.labels) for model in models.values()]
                return LossTerms({"task": torch.stack(losses).sum()})

            def mean(batch):
                first, second = (model(batch.inputs) for model in models.values())
                return Outputs((first.logits + second.logits) / 2, second.features)

            return Task(
                models,
                {"train": parts.stream()},
                objective,
                evaluate=parts.evaluation(),
                predict=mean if together else None,
                publish="t1",
                describe={"model": models["t1"].spec},
            )

        return [Stage("joint", prepare)]

    return plan


@pytest.mark.parametrize("together", [False, True])
def test_the_module_that_a_plan_names_is_published(together, tmp_path, monkeypatch, quick, train_interrupted):
    method = Method("joint", "", "", JointConfig, joint(together))
    monkeypatch.setitem(METHODS, "joint", method)
    folder, config = RunFolder(tmp_path / "run"), quick()
    train_interrupted("joint", config)
    train("joint", config)
    stored = load_file(folder.stage(0, "joint").weights)
    t0, t1 = (
        {key.removeprefix(f"{name}/"): value for key, value in stored.items() if key.startswith(f"{name}/")}
        for name in ("t0", "t1")
    )
    assert not torch.equal(t0["head.weight"], t1["head.weight"])
    published = load_file(folder.weights)
    assert published.keys() == t1.keys()
    assert all(torch.equal(published[key], t1[key]) for key in t1)
    for spec in (f"run:{folder.path}", f"run:{folder.path}#joint"):
        found = load(spec).state_dict()
        assert all(torch.equal(found[key], t1[key]) for key in t1)

    said = [predict(f"run:{folder.path}", config.data, device="cpu").logits]
    first = load(f"run:{folder.path}")
    first.load_state_dict(t0)
    said.append(predict(first, config.data, device="cpu").logits)
    expected = np.mean(said, axis=0) if together else said[0]
    np.testing.assert_allclose(read_predictions(folder.predictions("test")).logits, expected, atol=1e-5)
    assert np.abs(said[0] - said[1]).max() > 0.01
