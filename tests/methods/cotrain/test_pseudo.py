"""Pseudo-labels: the pool's surest by the product of what the views say, given to every view alike."""

import numpy as np
import pytest
import torch
from scipy.special import softmax

from modelheir.checks import InputError


def prepared(make_build, finished, **settings):
    """Return pieces of a seed, the stage's task, and what its heads before said of the pool, by NumPy."""
    from modelheir.methods.cotrain.pseudo import pseudo_labels

    build = make_build(algorithms=("pseudo_label",), calibrate=False, **settings)
    (name,) = pseudo_labels(build)
    heads = build.heads()
    before = finished(build, heads)
    each = [softmax(one, 1) for one in build.logits(heads, build.pool)]
    return build, lambda: build.stages[name].prepare({"supervised": before}), each


@pytest.mark.parametrize("rule", ["product", "mean"])
def test_the_surest_by_the_joint_probability_are_named(make_build, finished, rule):
    build, task, each = prepared(make_build, finished, pseudo_threshold=0.36, joint=rule)
    joint = each[0] * each[1] if rule == "product" else each[0] + each[1]
    joint /= joint.sum(1, keepdims=True)
    sure = np.flatnonzero(joint.max(1) >= 0.36)
    assert 0 < len(sure) < len(joint)
    found = task()
    stream = found.streams["train"]
    assert stream.ids.tolist() == [*build.labelled.ids, *build.pool.ids[sure]]
    assert stream.labels.tolist() == [*build.labelled.labels, *joint[sure].argmax(1)]
    assert found.describe["named"] == len(sure)
    first = build.heads()["view_1"].state_dict()["layers.hidden.0.weight"]
    assert not torch.equal(found.modules["model"].heads["view_1"].layers.hidden[0].weight, first)  # new heads learn


def test_where_none_is_sure_it_is_said_how_sure_they_are(make_build, finished):
    _, task, each = prepared(make_build, finished, pseudo_threshold=1.0)
    joint = each[0] * each[1]
    surest = (joint / joint.sum(1, keepdims=True)).max()
    with pytest.raises(InputError, match=rf"reaches method\.pseudo_threshold = 1\.0 \(the surest has {surest:.3f}\)"):
        task()
