"""Logistic regression, SVM and label spreading: what scikit-learn says, kept as a head."""

import numpy as np
import pytest
import torch
from sklearn.linear_model import LogisticRegression
from sklearn.semi_supervised import LabelSpreading
from sklearn.svm import LinearSVC

from modelheir.config.inputs import InputConfig
from modelheir.data import open_splits
from modelheir.methods.cotrain import classical

TWO = "synthetic:n=80,classes=2,size=8"
MODELS = {
    "logistic": lambda penalty: LogisticRegression(C=penalty, max_iter=2000),
    "svm": lambda penalty: LinearSVC(C=penalty, random_state=0, max_iter=5000),
}


def prepared(build, name):
    (stage,) = getattr(classical, name)(build)
    return build.stages[stage].prepare({})


@pytest.mark.parametrize("classes", [3, 2])
@pytest.mark.parametrize("name", MODELS)
@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_the_linear_head_says_what_scikit_learn_says(world, make_build, plain, name, classes):
    if classes == 2:
        plain = world.given(inputs=InputConfig(augment="none"), fit=plain.fit, splits=open_splits(TWO, InputConfig()))
    build = make_build(plain)
    task = prepared(build, name)
    val, test = build.views.sets["val"], build.views.sets["test"]
    x, y = build.wide(build.labelled), build.labelled.labels
    fitted = {penalty: MODELS[name](penalty).fit(x, y) for penalty in (1.0, 0.1, 0.01, 0.001, 10.0)}
    right = {penalty: (one.predict(build.wide(val)) == val.labels).mean() for penalty, one in fitted.items()}
    best = max(right, key=lambda penalty: right[penalty])  # the first of equals
    assert task.describe["setting"] == {"C": best}
    assert not task.streams  # nothing is trained
    vectors = [torch.from_numpy(one) for one in test.read(np.arange(len(test)))]
    said = task.modules["model"].eval().on_views(vectors).logits.detach().numpy()
    expected = fitted[best].decision_function(build.wide(test))
    if classes == 2:
        np.testing.assert_allclose(said[:, 1] - said[:, 0], expected, rtol=1e-4, atol=1e-4)
    else:
        np.testing.assert_allclose(said, expected, rtol=1e-4, atol=1e-4)
    assert (said.argmax(1) == fitted[best].predict(build.wide(test))).all()
    if name == "logistic":
        probabilities = np.exp(said - said.max(1, keepdims=True))
        probabilities /= probabilities.sum(1, keepdims=True)
        np.testing.assert_allclose(probabilities, fitted[best].predict_proba(build.wide(test)), rtol=1e-3, atol=1e-4)


def test_label_spreading_names_the_pool(make_build):
    build = make_build()
    task = prepared(build, "label_spreading")
    x = np.concatenate([build.wide(build.labelled), build.wide(build.pool)])
    y = np.concatenate([build.labelled.labels, np.full(len(build.pool), -1)])
    neighbours = task.describe["setting"]["neighbours"]
    spread = LabelSpreading(kernel="knn", n_neighbors=neighbours, max_iter=100).fit(x, y)
    stream = task.streams["train"]
    assert stream.ids.tolist() == [*build.labelled.ids, *build.pool.ids]
    assert stream.labels.tolist() == [*build.labelled.labels, *spread.transduction_[15:]]
    assert task.describe["named"] == len(build.pool)


def test_selection_images_without_a_label_choose_nothing(make_build, plain, relabelled):
    labels = plain.data.splits["val"].labels.copy()
    labels[::2] = -1
    build = make_build(relabelled(plain, "val", labels))
    assert prepared(build, "logistic").describe["setting"]["C"] in (1.0, 0.1, 0.01, 0.001, 10.0)
