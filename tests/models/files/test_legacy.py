import warnings

import numpy as np
import pytest
import torch

from modelheir.checks import InputError
from modelheir.models.files.legacy import read_checkpoint, read_result

LOGITS = torch.tensor([[2.0, 0.0, 1.0], [0.0, 3.0, 1.0], [0.0, 0.0, 1.0], [5.0, 0.0, 0.0]])


def quantised(*shape):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torch means to drop such tensors; old files may hold them
        return torch.quantize_per_tensor(torch.ones(*shape), 0.1, 0, torch.qint8)


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


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"gt": [0, 1.5, 2]}, "gt is 1.5 in row 1"),
        ({"gt": [0, float("nan"), 2]}, "gt is nan in row 1"),
        ({"gt": torch.tensor([0, 1, 2.25])}, "gt is 2.25 in row 2"),
        ({"pred": torch.tensor([0.5, 1, 2])}, "pred is 0.5 in row 0"),
        ({"gt": torch.tensor([0, 1 + 1j, 2])}, "gt must hold numbers, not complex64"),
        ({"outputs": torch.ones(3, 4, dtype=torch.complex64)}, "outputs must hold numbers, not complex64"),
        ({"gt": [[0], [1, 2], [3]]}, "gt must hold numbers, as many in every row"),
        ({"outputs": [[1.0, 2.0], [1.0], [2.0]]}, "outputs must hold numbers, as many in every row"),
        ({"gt": torch.tensor([0, 1, 2]).to_sparse()}, "gt is a sparse tensor"),
        ({"outputs": torch.ones(3, 4, device="meta")}, "outputs is a meta"),
        ({"outputs": quantised(3, 4)}, "outputs is a quantised tensor"),
        ({"gt": torch.tensor([True, False, True])}, "gt must hold numbers, not bool"),
        ({"pred": torch.ones(3, 1)}, "pred must be one class a row"),
        ({"features": torch.ones(3)}, r"features must have shape \(N, D\)"),
        ({"gt": ["a", "b", "c"]}, "gt must hold numbers"),
    ],
)  # fmt: skip
def test_what_would_be_rounded_dropped_or_unreadable_is_refused(changes, said, tmp_path):
    path = tmp_path / "odd.result"
    torch.save({"pred": torch.tensor([0, 1, 2]), "gt": torch.tensor([0, 1, 2]), **changes}, path)
    with pytest.raises(InputError, match=said):
        read_result(path)


@pytest.mark.parametrize(
    ("tensor", "said"),
    [
        (lambda: torch.eye(3).to_sparse(), "sparse"),
        (lambda: torch.ones(3, device="meta"), "meta"),
        (lambda: quantised(3), "quantised"),
    ],
)
def test_unusual_weights_are_named(tensor, said, tmp_path):
    torch.save({"fc.weight": tensor()}, tmp_path / "odd.pth")
    with pytest.raises(InputError, match=f"fc.weight is a {said}"):
        read_checkpoint(tmp_path / "odd.pth")
