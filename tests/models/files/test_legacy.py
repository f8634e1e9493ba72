import numpy as np
import pytest
import torch

from modelheir.checks import InputError
from modelheir.models.files.legacy import read_checkpoint, read_result

LOGITS = torch.tensor([[2.0, 0.0, 1.0], [0.0, 3.0, 1.0], [0.0, 0.0, 1.0], [5.0, 0.0, 0.0]])


def result(**changes):
    made = {
        "info": {"top1": torch.tensor(75.0), "top5": 100.0},
        "pred": LOGITS.argmax(1),
        "gt": torch.tensor([0, 1, 2, 1]),
        "outputs": LOGITS,
        "features": [],
    }
    return {key: value for key, value in {**made, **changes}.items() if value is not None}


@pytest.mark.parametrize("kind", ["torch", "numpy", "half"])
def test_result(tmp_path, kind):
    made = result(features=torch.ones(4, 2), outputs_raw=torch.zeros(4, 10, 3))
    if kind == "numpy":
        made = {key: value.numpy() if isinstance(value, torch.Tensor) else value for key, value in made.items()}
        made["info"] = {"top1": np.float64(75.0), "top5": np.float32(100)}
    if kind == "half":
        made["outputs"] = LOGITS.half()
    torch.save(made, tmp_path / "a.result")
    found = read_result(tmp_path / "a.result")
    assert found.sample_id.tolist() == ["0", "1", "2", "3"]
    assert found.label.tolist() == [0, 1, 2, 1]
    assert found.prediction.tolist() == [0, 1, 2, 0]
    assert (found.label == found.prediction).mean() == 0.75
    np.testing.assert_array_equal(found.logits, LOGITS.numpy())
    assert found.logits.dtype == np.float32
    assert found.features.shape == (4, 2)


def test_empty_features_are_none_and_predictions_follow_the_logits(tmp_path):
    torch.save(result(pred=None), tmp_path / "a.result")
    found = read_result(tmp_path / "a.result")
    assert found.features is None
    assert found.prediction.tolist() == [0, 1, 2, 0]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ([1, 2], "no result file"),
        ({"pred": torch.ones(2)}, "no result file"),
        (result(gt=torch.zeros(3)), "pred has 4 rows and gt has 3"),
        (result(outputs=torch.zeros(4)), r"shape \(N, C\)"),
        (result(features=torch.zeros(5, 2)), "features has 5 rows"),
        (result(gt=["cat", "dog", "cat", "dog"]), "must hold numbers"),
        (result(info=torch.nn.Linear(1, 1)), "refused"),
        (result(gt=np.array([object()] * 4)), "refused"),
    ],
)
def test_anything_else_is_refused(tmp_path, content, message):
    torch.save(content, tmp_path / "a.result")
    with pytest.raises(InputError, match=message):
        read_result(tmp_path / "a.result")


def test_checkpoint(tmp_path):
    state = {"module.fc.weight": torch.ones(3, 2)}
    torch.save(
        {"epoch": 4, "arch": "resnet18", "state_dict": state, "best_acc1": torch.tensor(1.0)}, tmp_path / "a.pth.tar"
    )
    assert set(read_checkpoint(tmp_path / "a.pth.tar")) == {"fc.weight"}
