"""Several batches in one call: who said what, and under which name it is logged."""

import torch

from modelheir import models
from modelheir.objective.together import NamedStep, run_together
from modelheir.types import Batch, Outputs


def batch(inputs):
    none = torch.full((len(inputs),), -1)
    return Batch(inputs, none, none)


def test_each_batch_gets_what_was_said_of_it_features_and_further_heads_too(draw):
    calls = []

    def model(inputs):
        calls.append(len(inputs))
        return Outputs(inputs[:, :2], inputs[:, 1:], (inputs[:, :1], 2 * inputs[:, :1]))

    a, b, c = draw(4, 3), draw(1, 3), draw(2, 3)
    said = run_together(model, batch(a), batch(b), batch(c))
    assert calls == [7]
    for outputs, inputs in zip(said, (a, b, c), strict=True):
        assert torch.equal(outputs.logits, inputs[:, :2])
        assert torch.equal(outputs.features, inputs[:, 1:])
        assert [torch.equal(one, k * inputs[:, :1]) for k, one in zip((1, 2), outputs.auxiliary, strict=True)] == [
            True,
            True,
        ]


def test_batch_norms_see_the_images_of_all(draw):
    net = models.build("convnet", classes=("a", "b"), image_size=8)
    a, b = draw(4, 3, 8, 8).sigmoid(), draw(6, 3, 8, 8).sigmoid() / 4
    whole = net(torch.cat([a, b])).logits
    first, second = run_together(net, batch(a), batch(b))
    torch.testing.assert_close(torch.cat([first.logits, second.logits]), whole)
    assert not torch.allclose(net(a).logits, first.logits, atol=1e-3)


def test_a_named_step_is_the_step_with_a_name_in_the_log():
    class Step:
        epoch, seen = 3, {}

        def observe(self, name, value):
            self.seen[name] = value

    step = Step()
    named = NamedStep(step, "peer_1")
    assert named.epoch == 3
    named.observe("train/accuracy", torch.tensor(0.5))
    assert list(step.seen) == ["train/peer_1_accuracy"]
