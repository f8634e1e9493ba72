"""Further data and models of a method's own settings: opened, checked, noted and held; by a method known only here."""

import dataclasses
import json
import shutil

import pytest
import torch

from modelheir import methods
from modelheir.assemble import declared, train
from modelheir.checks import InputError
from modelheir.config.describe import settings
from modelheir.config.network import NetworkConfig
from modelheir.methods import METHODS
from modelheir.methods.declared import ModelUse, SourceUse
from modelheir.methods.method import Method
from modelheir.models import build
from modelheir.plans import Stage
from modelheir.runs import RunFolder
from modelheir.runs.files import write_json
from modelheir.runs.tensors import save_weights
from modelheir.types import LossTerms

SEEN = []


@dataclasses.dataclass(frozen=True)
class Config:
    teacher: str = ""
    pool: str = ""
    views: str = ""


def plan(config, given):
    def prepare(done):
        model = given.model.build()
        SEEN.append(given)
        stream = given.sources["pool"].stream("unlabelled")
        teacher = given.models["teacher"].teacher(stream)

        def loss(batches, step):
            target = teacher(batches["pool"]).logits
            labels = torch.nn.functional.cross_entropy(model(batches["train"].inputs).logits, batches["train"].labels)
            return LossTerms({"task": labels, "pool": (model(batches["pool"].inputs).logits - target).square().mean()})

        task = given.task(model, given.data.stream(), loss, references={"teacher": teacher})
        return dataclasses.replace(task, streams={**task.streams, "pool": stream})

    return [Stage("train", prepare)]


TINY = Method(
    name="tiny",
    summary="for tests",
    situation="tests",
    config=Config,
    plan=plan,
    sources=lambda config: {"pool": SourceUse(config.pool, labelled=False), "views": SourceUse(config.views)},
    models=lambda config: {"teacher": ModelUse((config.teacher,), teaches=True)},
)
POOL = "synthetic:n=60,classes=5,size=8"


@pytest.fixture
def tiny(monkeypatch):
    monkeypatch.setitem(methods.METHODS, "tiny", TINY)
    SEEN.clear()


def save_model(path, seed=0, classes=("class0", "class1", "class2")):
    model = build("mlp", classes=classes, image_size=8, config=NetworkConfig(), seed=seed)
    folder = RunFolder(path)
    write_json(folder.model, model.spec)
    save_weights(folder.weights, model.state_dict())
    return f"run:{path}"


def test_a_method_trains_on_its_own_source_and_teacher(tiny, quick, tmp_path):
    teacher = f"run:{train('finetune', quick({'epochs': 1}, out=str(tmp_path / 'old')))}"
    own = Config(teacher=teacher, pool=POOL)
    config = quick(allow_weak_teacher=True)
    folder = RunFolder(train("tiny", config, own))
    (given,) = SEEN
    assert set(given.sources) == {"pool"}  # views was not given
    pool = given.sources["pool"].splits["unlabelled"]
    assert (pool.labels == -1).all()
    assert pool.classes == given.data.classes
    assert len(given.models["teacher"]) == 1
    noted = json.loads(folder.environment.read_text())
    assert noted["sources"]["--method.pool"]["unlabelled"]["images"] == len(pool)
    assert set(noted["models"]["--method.teacher"][teacher]) == {"weights.safetensors", "model.json"}
    assert train("tiny", config, own) == folder.path  # finished, and everything as it was
    shutil.rmtree(tmp_path / "old")
    assert train("tiny", config, own) == folder.path  # a finished run needs its teacher no more


def test_another_teacher_or_source_under_the_same_name_is_refused(tiny, quick, tmp_path, train_interrupted):
    teacher = save_model(tmp_path / "old", seed=1)
    own = Config(teacher=teacher, pool=POOL)
    config = quick(allow_weak_teacher=True)
    train_interrupted("tiny", config, own)
    save_model(tmp_path / "old", seed=2)
    with pytest.raises(InputError, match=r"another model: weights\.safetensors of --method\.teacher run:.*restore the"):
        train("tiny", config, own)
    save_model(tmp_path / "old", seed=1)
    noted = RunFolder(tmp_path / "run").environment
    found = json.loads(noted.read_text())
    good = json.dumps(found)
    found["sources"]["--method.pool"]["unlabelled"]["pixels"] = "0"
    noted.write_text(json.dumps(found))
    with pytest.raises(InputError, match=r"other data: the unlabelled split of --method\.pool has changed"):
        train("tiny", config, own)
    noted.write_text(good)
    train("tiny", config, own)


def test_an_old_model_that_was_exchanged_is_refused(quick, tmp_path, train_interrupted):
    old = save_model(tmp_path / "old", seed=1)
    config = quick(old=(old,), allow_weak_teacher=True)
    train_interrupted("upgrade", config)
    save_model(tmp_path / "old", seed=2)
    with pytest.raises(InputError, match=r"another model: weights\.safetensors of --old run:"):
        train("upgrade", config)


@pytest.mark.parametrize("method", ["tiny", "elodi"])
def test_a_teacher_that_knows_nothing_is_refused(tiny, quick, tmp_path, method):
    path = tmp_path / "old"
    teacher = save_model(path)
    weights = RunFolder(path).weights
    made = build("mlp", classes=("class0", "class1", "class2"), image_size=8, config=NetworkConfig())
    state = {key: torch.zeros_like(value) for key, value in made.state_dict().items()}
    save_weights(weights, state)  # always the first class
    own = Config(teacher=teacher, pool=POOL) if method == "tiny" else METHODS["elodi"].config(ensemble=(teacher,))
    flag = "teacher" if method == "tiny" else "ensemble"
    with pytest.raises(InputError, match=rf"^--method\.{flag} {teacher} is right on .* no better than chance"):
        train(method, quick(), own)
    assert not (tmp_path / "run").exists() or not list((tmp_path / "run").iterdir())


def test_labels_of_a_source_are_in_the_runs_class_numbers(quick):
    """Names are matched; a class that the run lacks is no label."""
    config = quick(inputs=dataclasses.replace(quick().inputs, image_size=8, train_per_class=2))
    classes = ("class4", "class1", "x")
    found = declared.open_sources({"views": SourceUse("synthetic:n=60,classes=5,size=8")}, config, classes)["views"]
    from modelheir.data import open_splits

    own = open_splits("synthetic:n=60,classes=5,size=8", dataclasses.replace(config.inputs, train_per_class=0))
    assert list(found) == ["train", "val", "test"]
    for split, images in found.items():
        assert images.classes == classes
        expected = [{4: 0, 1: 1}.get(int(label), -1) for label in own[split].labels]
        assert images.labels.tolist() == expected
    with pytest.raises(InputError, match=r"--method\.views .* share no class name"):
        declared.open_sources({"views": SourceUse(POOL)}, config, ("cat", "dog"))


def test_the_run_does_not_write_into_what_its_method_reads(tiny, quick, tmp_path):
    teacher = save_model(tmp_path / "run" / "in")
    with pytest.raises(InputError, match=r"holds the model run:"):
        train("tiny", quick(), Config(teacher=teacher, pool=POOL))


@pytest.mark.parametrize("name", METHODS)
def test_what_a_method_declares_are_its_settings(name):
    method = METHODS[name]
    keys = {one.key for one in settings(method.config, "method")}
    named = {*method.sources(method.config()), *method.models(method.config())}
    assert {f"method.{one}" for one in named} <= keys
    assert declared.declared_models(method, method.config()) == {}  # by default nothing is named
