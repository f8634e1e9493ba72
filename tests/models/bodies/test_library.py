import urllib.error

import pytest
import torch
import torchvision

from modelheir.address import parse_address
from modelheir.checks import InputError
from modelheir.config.network import NetworkConfig
from modelheir.models import build, load, state_hash
from modelheir.models.bodies import library

THREE = ("a", "b", "c")
PRETRAINED = NetworkConfig(pretrained=True)


@pytest.fixture
def shelf(monkeypatch):
    """Put random weights where torchvision would download its own, by file name."""
    made = {}

    def fetch(url, *args, **kwargs):
        name = url.rsplit("/", 1)[1].split("-")[0]
        if name not in made:
            init = {"init_weights": True} if name in ("googlenet", "inception_v3") else {}
            made[name] = torchvision.models.get_model(name, weights=None, **init)
            for part in made[name].modules():
                if isinstance(part, torch.nn.BatchNorm2d):
                    part.running_mean.normal_()
        return made[name].state_dict()

    monkeypatch.setattr("torchvision.models._api.load_state_dict_from_url", fetch)
    return made


@pytest.mark.parametrize("name", ["resnet18", "squeezenet1_1", "googlenet", "mobilenet_v2"])
def test_published_weights_give_the_librarys_logits(shelf, name):
    model = load(f"tv:{name}").eval()
    assert len(model.classes) == len(set(model.classes)) == 1000
    assert (model.classes[0], model.classes[134], model.classes[517]) == ("tench", "crane bird", "crane")
    assert model.resolution == 224
    weights = torchvision.models.get_model_weights(name)["DEFAULT"]
    theirs = shelf[name].eval()
    if name == "googlenet":
        theirs.transform_input = True  # what the library sets for these weights
    images = torch.rand(2, 3, 224, 224)
    view = weights.transforms()
    with torch.no_grad():
        normal = torchvision.transforms.functional.normalize(images, view.mean, view.std)
        torch.testing.assert_close(model(images).logits, theirs(normal), rtol=1e-4, atol=1e-5)


def test_published_body_under_a_new_classifier(shelf):
    model = build("tv:resnet18", classes=THREE, image_size=32, config=PRETRAINED)
    torch.testing.assert_close(model.body.layer1[0].conv1.weight, shelf["resnet18"].layer1[0].conv1.weight)
    assert model.head.out_features == 3
    assert model.resolution == 0
    thousand = build("tv:resnet18", classes=[str(n) for n in range(1000)], image_size=32, config=PRETRAINED)
    torch.testing.assert_close(thousand.head.weight, shelf["resnet18"].fc.weight)


def test_published_auxiliary_heads_are_new_for_other_classes(shelf):
    model = build("tv:googlenet", classes=THREE, image_size=64, config=PRETRAINED)
    assert [head.out_features for head in model.auxiliary_heads] == [3, 3]
    torch.testing.assert_close(model.body.net.aux1.fc1.weight, shelf["googlenet"].aux1.fc1.weight)


def test_several_members_start_from_published_weights(shelf):
    config = NetworkConfig(pretrained=True, mimo_members=2)
    model = build("tv:resnet18", classes=THREE, image_size=32, config=config)
    single = build("tv:resnet18", classes=THREE, image_size=32, config=PRETRAINED)
    images = torch.rand(2, 3, 32, 32)
    torch.testing.assert_close(model.eval()(images).features, single.eval()(images).features, rtol=1e-4, atol=1e-5)


def test_offline_is_one_sentence(monkeypatch):
    def fail(*args, **kwargs):
        raise urllib.error.URLError("no route to host")

    monkeypatch.setattr("torchvision.models._api.load_state_dict_from_url", fail)
    with pytest.raises(InputError, match=r"cannot get the published weights of tv:resnet18 .*no route.*file:PATH"):
        build("tv:resnet18", classes=THREE, image_size=32, config=PRETRAINED)


def test_timm_weights_are_the_librarys_affair(monkeypatch):
    def fail(*args, **kwargs):
        raise OSError("offline")

    monkeypatch.setattr("timm.create_model", fail)
    with pytest.raises(InputError, match=r"timm:resnet10t .*offline"):
        build("timm:resnet10t", classes=THREE, image_size=32, config=PRETRAINED)
    with pytest.raises(InputError, match="no published weights"):
        library.published("timm:resnet50t")


def test_a_tag_chooses_among_weights_and_never_the_network():
    """SD-5: further training data, distilled, or plain: each is an address of its own."""
    plain = build("timm:resnet10t", classes=THREE, image_size=32, seed=1)
    tagged = build("timm:resnet10t.c3_in1k", classes=THREE, image_size=32, seed=1)
    assert tagged.spec["name"] == "timm:resnet10t.c3_in1k"
    assert state_hash(tagged) == state_hash(plain)
    assert parse_address("timm:resnet10t.c3_in1k").place == "resnet10t.c3_in1k"
    large, small = (library.published(f"timm:vit_base_patch16_224.{tag}") for tag in ("augreg_in21k", "augreg_in1k"))
    assert (len(large.classes), len(small.classes)) == (21843, 1000)
    for call in (lambda name: build(name, classes=THREE, image_size=32), library.published):
        with pytest.raises(InputError, match=r"unknown weights of timm:resnet10t 'c3_in2k'. Did you mean 'c3_in1k'\?"):
            call("timm:resnet10t.c3_in2k")


def test_published_facts():
    told = library.published("timm:vit_tiny_patch16_224")
    assert (told.image_size, told.mean, len(told.classes)) == (224, (0.5, 0.5, 0.5), 1000)
    assert library.published("tv:inception_v3").image_size == 299


def test_a_vision_transformer_keeps_the_size_of_its_weights():
    config = NetworkConfig(pretrained=False)
    assert build("tv:vit_b_32", classes=THREE, image_size=64, config=config).body.image_size == 64
