import pytest
import timm
import torch

from modelheir import runs
from modelheir.checks import InputError
from modelheir.config.network import NetworkConfig
from modelheir.models import build, state_hash
from modelheir.models.bodies import library
from modelheir.models.encoders import load_encoder
from modelheir.models.files.export import export_safetensors
from modelheir.runs.files import write_json
from modelheir.runs.folder import RunFolder

CLASSES = ("a", "b", "c")


def save_run(path, model):
    folder = RunFolder(path)
    write_json(folder.model, model.spec)
    runs.save_weights(folder.weights, model.state_dict())
    return f"run:{path}"


@pytest.fixture
def model():
    config = NetworkConfig(embedding=5, dropout=0.5, mean=(0.5,) * 3)
    return build("convnet", classes=CLASSES, image_size=8, config=config, seed=1).eval()


def test_a_run_s_features_are_what_its_last_layer_reads(tmp_path, model, draw):
    found, images = load_encoder(save_run(tmp_path / "run", model)), draw(4, 3, 8, 8).sigmoid()
    assert (found.width, found.image_size) == (5, 8)
    said = found.train()(images)  # training mode would drop and would move batch statistics
    torch.testing.assert_close(model.head(said), model(images).logits)
    assert load_encoder(str(tmp_path / "run"))(images).equal(said)


def test_other_images_are_brought_to_the_size_of_training(tmp_path, model, draw):
    images = draw(2, 3, 20, 30)
    small = torch.nn.functional.interpolate(images, size=(8, 8), mode="bilinear", antialias=True)
    found = load_encoder(save_run(tmp_path / "run", model))
    torch.testing.assert_close(found(images), model(small).features)


def test_a_size_that_is_asked_for_reaches_the_network(tmp_path, draw):
    model = build("convnet", classes=CLASSES, image_size=8, config=NetworkConfig(resolution=16), seed=1).eval()
    address, images = save_run(tmp_path / "run", model), draw(2, 3, 8, 8)
    assert load_encoder(address).image_size == 16
    found = load_encoder(address, image_size=12)
    model.resolution = 12
    assert found.image_size == 12
    torch.testing.assert_close(found(images), model(images).features)


def test_a_file_says_its_size_or_is_told(tmp_path, model, draw):
    export_safetensors(model, tmp_path / "m.safetensors")
    images = draw(2, 3, 8, 8)
    torch.testing.assert_close(load_encoder(f"file:{tmp_path / 'm.safetensors'}")(images), model(images).features)
    plain = build("convnet", classes=CLASSES, image_size=8, seed=2).eval()
    torch.save(plain.state_dict(), tmp_path / "m.pt")
    address = f"file:{tmp_path / 'm.pt'}:convnet"
    with pytest.raises(InputError, match=r"m.pt:convnet does not say the size of its images: give image_size"):
        load_encoder(address)
    torch.testing.assert_close(load_encoder(address, image_size=8)(images), plain(images).features)


def test_torchvision_s_weights_see_their_own_size(monkeypatch, draw):
    published = build("tv:resnet18", classes=[str(n) for n in range(1000)], image_size=224, seed=4).eval()
    state = {**published.body.state_dict(), **{f"fc.{key}": v for key, v in published.head.state_dict().items()}}
    monkeypatch.setattr(library, "fetch_torchvision", lambda name: state)
    found, images = load_encoder("tv:resnet18"), draw(1, 3, 64, 64).sigmoid()
    assert (found.width, found.image_size) == (512, 224)
    large = torch.nn.functional.interpolate(images, size=(224, 224), mode="bilinear", antialias=True)
    torch.testing.assert_close(found(images), published(large).features)
    assert load_encoder("tv:resnet18", image_size=64).image_size == 64


def test_weights_of_timm_without_a_classifier_are_read_too(monkeypatch, draw):
    """Such as those of DINOv2: the layer that the house puts behind them is not read."""
    real = timm.create_model

    def make(name, pretrained=False, **given):
        torch.manual_seed(1)
        return real(name, pretrained=False, embed_dim=32, depth=2, num_heads=2, **given)

    monkeypatch.setattr(timm, "create_model", make)
    found = load_encoder("timm:vit_large_patch14_reg4_dinov2.lvd142m", image_size=28)
    assert (found.width, found.image_size) == (32, 28)
    assert found.body.classifier.mean.flatten().tolist() == pytest.approx([0.485, 0.456, 0.406])
    body = make("vit_large_patch14_reg4_dinov2.lvd142m", num_classes=1, img_size=28).eval()
    images = draw(2, 3, 28, 28).sigmoid()
    tokens = body.forward_features(found.body.classifier.prepare(images))
    torch.testing.assert_close(found(images), body.forward_head(tokens, pre_logits=True))


def test_images_too_small_for_the_network_are_refused(tmp_path):
    address = save_run(tmp_path / "run", build("mlp", classes=CLASSES, image_size=8, seed=1))
    with pytest.raises(InputError, match=r"run cannot encode images of 6 pixels \("):
        load_encoder(address, image_size=6)


@pytest.mark.extras
def test_packaged_weights_are_one_encoder_however_often_they_are_loaded(draw):
    one, again = (load_encoder("pkg:efficientnet_lite0", image_size=64) for _ in range(2))
    images = draw(2, 3, 32, 32).sigmoid()
    assert (one.width, one.image_size) == (1280, 64)
    assert torch.equal(one(images), again(images))
    assert one.fingerprint == again.fingerprint != load_encoder("pkg:efficientnet_lite0", image_size=96).fingerprint
    assert state_hash(one) == state_hash(again)
