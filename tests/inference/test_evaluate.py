"""Metrics of predictions against scikit-learn, and their edges."""

import json

import numpy as np
import pytest
import torch
from PIL import Image
from sklearn.metrics import accuracy_score, log_loss, top_k_accuracy_score

from modelheir.checks import InputError
from modelheir.config.inputs import InputConfig
from modelheir.data import make_stream, open_source, tensor_stream
from modelheir.inference.evaluate import predict_stream, summarise
from modelheir.inference.runtime import Runtime
from modelheir.types import Outputs, Predictions


def predictions(logits, label):
    logits = np.asarray(logits, np.float32)
    ids = np.array([f"s{i}" for i in range(len(label))])
    return Predictions(ids, np.asarray(label), logits.argmax(1), logits=logits)


def test_summary_is_scikit_learns():
    rng = np.random.default_rng(0)
    logits, label = rng.normal(size=(70_001, 7)), rng.integers(0, 7, 70_001)  # over one block
    found = summarise(predictions(logits, label))
    probabilities = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
    assert found["accuracy"] == pytest.approx(accuracy_score(label, logits.argmax(1)), abs=1e-12)
    assert found["loss"] == pytest.approx(log_loss(label, probabilities), rel=1e-6)
    assert found["top5"] == pytest.approx(top_k_accuracy_score(label, logits, k=5), abs=1e-12)


def test_unlabelled_samples_do_not_count_and_five_classes_have_no_top5():
    assert summarise(predictions(np.eye(5), [-1] * 5)) == {}
    found = summarise(predictions(np.eye(5), [0, 1, 3, -1, -1]))
    assert set(found) == {"accuracy", "loss"}
    assert found["accuracy"] == pytest.approx(2 / 3)


@pytest.fixture
def damaged(tmp_path):
    """Write 20 pictures of one grey level each, 10 a class; the body of number 7 is cut."""
    for i in range(20):
        file = tmp_path / "images" / "ab"[i // 10] / f"{i:02d}.jpg"
        file.parent.mkdir(parents=True, exist_ok=True)
        noise = np.random.default_rng(i).integers(0, 3, (16, 16, 3))
        Image.fromarray((noise + 10 * i).astype(np.uint8)).save(file, quality=95)
        if i == 7:
            file.write_bytes(file.read_bytes()[:-100])
    return f"folder:{tmp_path / 'images'}"


def grey(batch):
    level = (batch.inputs.mean((1, 2, 3)) * 25.5)[:, None]
    return Outputs(torch.cat([level, -level], 1), level)


def evaluation_stream(spec, **settings):
    config = InputConfig(loader="streaming", workers=0, image_size=16, **settings)
    return make_stream(
        open_source(spec, config)["train"], config=config, batch_size=8, train=False, seed=0, device="cpu"
    )


def test_undecodable_images_are_left_out_of_the_predictions_and_named(damaged, caplog):
    found = predict_stream(grey, evaluation_stream(damaged, max_bad_share=0.05), Runtime("cpu"), features=True)
    sound = [i for i in range(20) if i != 7]
    assert found.sample_id.tolist() == [f"{'ab'[i // 10]}/{i:02d}.jpg" for i in sound]
    assert found.label.tolist() == [i // 10 for i in sound]
    assert found.logits[:, 0].round().tolist() == found.features[:, 0].round().tolist() == sound
    assert caplog.text.count("1 of 20 images cannot be decoded (a/07.jpg") == 1
    with pytest.raises(InputError, match=r"1 of 20 images cannot be decoded \(a/07.jpg.*inputs.max_bad_share = 0.04"):
        predict_stream(grey, evaluation_stream(damaged, max_bad_share=0.04), Runtime("cpu"))


def test_a_stream_that_forgets_a_sample_is_an_error():
    stream = tensor_stream(torch.zeros(10, 3, 2, 2), [0, 1] * 5, batch_size=4, train=False, seed=0)
    stream.epoch = lambda epoch: list(type(stream).epoch(stream, epoch))[:-1]
    with pytest.raises(ValueError, match="2 of 10 samples were not evaluated"):
        predict_stream(grey, stream, Runtime("cpu"))


WORKER = """
import json, sys
import torch
from modelheir.config.inputs import InputConfig
from modelheir.data import make_stream, open_source, tensor_stream
from modelheir.inference.evaluate import predict_stream
from modelheir.inference.runtime import Runtime
from modelheir.types import Outputs

runtime = Runtime("cpu")
share = {"rank": runtime.rank, "world": runtime.world}

def grey(batch):
    level = (batch.inputs.mean((1, 2, 3)) * 25.5)[:, None]
    return Outputs(torch.cat([level, -level, level], 1), level.expand(-1, 5))

config = InputConfig(loader="streaming", workers=0, image_size=16, max_bad_share=0.05)
images = open_source(sys.argv[1], config)["train"]
stream = make_stream(images, config=config, batch_size=8, train=False, seed=0, device="cpu", **share)
one = predict_stream(grey, tensor_stream(torch.ones(1, 3, 2, 2), [0], batch_size=4, train=False, seed=0, **share),
                     runtime, features=True)
all_but_one = predict_stream(grey, stream, runtime)
with open(f"{sys.argv[2]}/{runtime.rank}.json", "w") as file:
    json.dump([one.logits.tolist(), one.features.tolist(), all_but_one.sample_id.tolist(), list(stream.skipped)], file)
"""


@pytest.mark.distributed
def test_processes_without_a_sample_take_part_and_all_leave_out_the_same(damaged, tmp_path, copies):
    done = copies.program(WORKER, damaged, tmp_path, world=2)
    assert done.returncode == 0, done.stderr
    for logits, features, ids, skipped in (json.loads((tmp_path / f"{rank}.json").read_text()) for rank in range(2)):
        assert logits == [[25.5, -25.5, 25.5]]
        assert features == [[25.5] * 5]
        assert ids == [f"{'ab'[i // 10]}/{i:02d}.jpg" for i in range(20) if i != 7]
        assert skipped == [7]
