import numpy as np
import pytest
import torch

from modelheir.data.streams.rows import tensor_stream


def test_batches_carry_rows_labels_views_and_stored_values():
    x, y = torch.arange(10.0).reshape(5, 2), torch.tensor([0, 2, 1, -1, 0])
    stream = tensor_stream((x, -x), y, batch_size=2, train=True, seed=3, extra={"old": x.sum(1)})
    assert stream.classes == ("0", "1", "2")
    assert len(stream) == 2
    for batch in stream.epoch(1):
        left, right = batch.inputs
        assert torch.equal(left, x[batch.index])
        assert torch.equal(right, -x[batch.index])
        assert torch.equal(batch.labels, y[batch.index])
        assert torch.equal(batch.extra["old"], x.sum(1)[batch.index])


def test_two_processes_and_a_late_start_give_the_same_rows():
    def rows(**where):
        stream = tensor_stream(
            torch.zeros(9, 1), torch.zeros(9, dtype=torch.int64), batch_size=4, train=True, seed=1, **where
        )
        return [batch.index.tolist() for batch in stream.epoch(0)]

    parts = [rows(rank=rank, world=2) for rank in range(2)]
    assert [a + b for a, b in zip(*parts, strict=True)] == rows()


def test_evaluation_keeps_all_in_order_from_a_late_start():
    stream = tensor_stream(torch.arange(5.0)[:, None], [0, 1, 0, 1, 1], batch_size=2, train=False, seed=0, ids="abcde")
    assert [batch.index.tolist() for batch in stream.epoch(0, 1)] == [[2, 3], [4]]
    assert list(stream.epoch(0, 3)) == []
    assert stream.ids.tolist() == list("abcde")


def test_wrong_lengths_and_labels_are_named():
    with pytest.raises(ValueError, match=r"labels has 2, x\[0\] has 3"):
        tensor_stream(torch.zeros(3, 1), [0, 1], batch_size=1, train=False, seed=0)
    with pytest.raises(ValueError, match="largest_label must be from -1 to 1, got 2"):
        tensor_stream(torch.zeros(2, 1), np.array([0, 2]), batch_size=1, train=False, seed=0, classes=("a", "b"))


@pytest.mark.parametrize(("labels", "said"), [([0, 1, 2, 0, 1, 2], True), ([0, -1, 2, 0, 1, 2], False)])
def test_a_batch_says_whether_all_labels_of_its_stream_are_known(labels, said):
    stream = tensor_stream(torch.zeros(6, 2), labels, batch_size=3, train=True, seed=0, classes=("a", "b", "c"))
    assert [batch.labelled for batch in stream.epoch(0)] == [said, said]
