"""Real classes of transformers, tiny and random, saved as whole models and loaded as ``hf:DIR``."""

import sys

import pytest
import torch

from modelheir.checks import InputError
from modelheir.models.encoders import ENCODERS, Encoder, Preparation, load_encoder
from modelheir.models.encoders.hugging_face import Pooled, read_vision_model, sized
from modelheir.runs.tensors import load_weights, save_weights

pytestmark = pytest.mark.extras

BACKBONE = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2}
VISION = {**BACKBONE, "intermediate_size": 37, "image_size": 32, "patch_size": 8}
TEXT = {
    **{"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 17},
    **{"vocab_size": 40, "max_position_embeddings": 8, "bos_token_id": 0, "eos_token_id": 1, "pad_token_id": 1},
}
LANGUAGE = {
    **{"model_type": "opt", "vocab_size": 40, "hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2},
    **{"ffn_dim": 17, "max_position_embeddings": 8, "word_embed_proj_dim": 16},
}
QUERIES = {
    **{"vocab_size": 40, "hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2},
    **{"intermediate_size": 17, "encoder_hidden_size": 32},
}
EFFICIENT = {
    **{"width_coefficient": 0.25, "depth_coefficient": 0.2, "hidden_dim": 24, "image_size": 32},
    **{"kernel_sizes": [3] * 3, "in_channels": [32, 16, 16], "out_channels": [16, 16, 96], "strides": [2, 2, 2]},
    **{"num_block_repeats": [1] * 3, "expand_ratios": [1, 2, 2]},
}


def whole(name, vision=None):
    """Build a whole model of images and texts, and return it with its own tower of images."""
    import transformers as t

    vision = {**(EFFICIENT if name == "align" else VISION), **(vision or {})}
    torch.manual_seed(0)
    if name == "clip":
        model = t.CLIPModel(t.CLIPConfig(text_config=TEXT, vision_config=vision, projection_dim=8))
    elif name == "siglip":
        model = t.SiglipModel(t.SiglipConfig(text_config=TEXT, vision_config=vision))
    elif name == "align":
        model = t.AlignModel(t.AlignConfig(text_config=TEXT, vision_config=vision, projection_dim=8))
    elif name == "owlv2":
        model = t.Owlv2ForObjectDetection(t.Owlv2Config(text_config=TEXT, vision_config=vision, projection_dim=8))
        return model.eval(), model.owlv2.vision_model.eval()
    else:
        config = t.Blip2Config(vision_config=vision, qformer_config=QUERIES, text_config=LANGUAGE, num_query_tokens=2)
        model = t.Blip2ForConditionalGeneration(config)
    return model.eval(), model.vision_model.eval()


def plain(name, **settings):
    """Build a model of images alone."""
    import transformers as t

    torch.manual_seed(0)
    if name == "dinov2":
        return t.Dinov2Model(t.Dinov2Config(**BACKBONE, image_size=32, patch_size=8)).eval()
    if name == "mae":
        return t.ViTMAEModel(t.ViTMAEConfig(**VISION)).eval()
    return t.ViTModel(t.ViTConfig(**VISION), **settings).eval()


@pytest.mark.parametrize(("name", "width"), [("clip", 32), ("siglip", 32), ("align", 24), ("owlv2", 32), ("blip", 32)])
def test_of_a_model_of_images_and_texts_the_tower_of_images_is_read(name, width, tmp_path, draw):
    model, tower = whole(name)
    model.save_pretrained(tmp_path)
    images = draw(2, 3, 32, 32)
    body = read_vision_model(str(tmp_path), "hf:x")
    found = Encoder(body, address="hf:x", preparation=Preparation(32, 32))
    assert found.width == width
    with torch.no_grad():
        torch.testing.assert_close(found(images), tower(pixel_values=images).pooler_output.flatten(1))
    assert type(body.model) is type(tower) or body.model.vision_model.__class__ is type(tower)


@pytest.mark.parametrize("name", ["dinov2", "vit"])
def test_of_a_model_of_images_the_pooled_output_is_read(name, tmp_path, draw):
    model, images = plain(name), draw(2, 3, 32, 32)
    model.save_pretrained(tmp_path)
    found = Encoder(read_vision_model(str(tmp_path), "hf:x"), address="hf:x", preparation=Preparation(32, 32))
    with torch.no_grad():
        torch.testing.assert_close(found(images), model(pixel_values=images).pooler_output)


def test_a_pooling_layer_without_weights_is_not_read(tmp_path, draw):
    """It would be a random projection, as the older MAE was read through one: the class token is taken."""
    model, images = plain("vit", add_pooling_layer=False), draw(2, 3, 32, 32)
    model.save_pretrained(tmp_path)
    one, again = (read_vision_model(str(tmp_path), "hf:x").eval() for _ in range(2))
    with torch.no_grad():
        torch.testing.assert_close(one(images), model(pixel_values=images).last_hidden_state[:, 0])
        assert torch.equal(one(images), again(images))


def test_a_masked_auto_encoder_sees_the_whole_image(tmp_path, draw):
    plain("mae").save_pretrained(tmp_path)
    body, images = read_vision_model(str(tmp_path), "hf:x").eval(), draw(2, 3, 32, 32)
    with torch.no_grad():
        assert body.model(pixel_values=images).last_hidden_state.shape == (2, 1 + 16, 32)
        torch.testing.assert_close(body(images), body(images))


def test_a_map_without_a_pooled_output_is_averaged(draw):
    class Map(torch.nn.Module):
        def forward(self, pixel_values):
            return type("Out", (), {"last_hidden_state": pixel_values})

    images = draw(2, 3, 4, 4)
    torch.testing.assert_close(Pooled(Map())(images), images.mean(dim=(2, 3)))


def test_missing_weights_are_refused(tmp_path):
    whole("clip")[0].save_pretrained(tmp_path)
    path = tmp_path / "model.safetensors"
    state = load_weights(path)
    gone = [key for key in state if key.startswith("vision_model.") and key.endswith("layers.1.mlp.fc2.weight")]
    assert len(gone) == 1
    save_weights(path, {key: value for key, value in state.items() if key not in gone})
    with pytest.raises(InputError, match=r"hf:x lacks 1 weights \(encoder.layers.1.mlp.fc2.weight, ...\)"):
        read_vision_model(str(tmp_path), "hf:x")


def preprocessor(path, **settings):
    import transformers as t

    t.CLIPImageProcessor(**settings).save_pretrained(path)


def test_the_preparation_is_the_one_beside_the_weights(tmp_path, draw):
    whole("clip")[0].save_pretrained(tmp_path)
    mean, std = [0.1, 0.2, 0.3], [0.4, 0.5, 0.6]
    size = {"size": {"shortest_edge": 36}, "crop_size": {"height": 32, "width": 32}}
    preprocessor(tmp_path, **size, image_mean=mean, image_std=std)
    found = load_encoder(f"hf:{tmp_path}")
    assert found.preparation == Preparation(36, 32, tuple(mean), tuple(std))
    assert found(draw(2, 3, 50, 40)).shape == (2, 32)
    preprocessor(tmp_path, size={"height": 40, "width": 40}, do_center_crop=False, do_normalize=False)
    found = load_encoder(f"hf:{tmp_path}")
    assert found.preparation == Preparation(40, 40)


def test_pixels_that_are_scaled_around_zero_are_normalised_so(tmp_path):
    """As ALIGN's, whose preprocessor says -1..1 without a mean and a deviation."""
    import transformers as t

    whole("align")[0].save_pretrained(tmp_path)
    size = {"size": {"height": 34, "width": 34}, "crop_size": {"height": 28, "width": 28}, "do_center_crop": True}
    scale = {"rescale_factor": 1 / 127.5, "rescale_offset": True, "do_normalize": False, "include_top": False}
    t.EfficientNetImageProcessor(**size, **scale).save_pretrained(tmp_path)
    assert load_encoder(f"hf:{tmp_path}").preparation == Preparation(34, 28, (0.5,) * 3, (0.5,) * 3)


def test_weights_in_half_precision_are_read_in_single(tmp_path):
    whole("blip")[0].half().save_pretrained(tmp_path)
    assert {one.dtype for one in read_vision_model(str(tmp_path), "hf:x").parameters()} == {torch.float32}


def test_what_transformers_prints_is_as_before(tmp_path, capfd):
    from transformers.utils import logging

    plain("vit", add_pooling_layer=False).save_pretrained(tmp_path)
    before = logging.get_verbosity(), logging.is_progress_bar_enabled()
    capfd.readouterr()
    read_vision_model(str(tmp_path), "hf:x")
    assert capfd.readouterr() == ("", "")
    assert (logging.get_verbosity(), logging.is_progress_bar_enabled()) == before


def test_another_size_brings_the_positions_to_it(tmp_path, draw):
    model, tower = whole("clip")
    model.save_pretrained(tmp_path)
    preprocessor(tmp_path, size={"shortest_edge": 36}, crop_size=32)
    found, images = load_encoder(f"hf:{tmp_path}", image_size=64), draw(2, 3, 72, 72)
    assert (found.image_size, found.preparation.resize) == (64, 72)
    with torch.no_grad():
        expected = tower(pixel_values=found.prepare(images), interpolate_pos_encoding=True).pooler_output
    torch.testing.assert_close(found(images), expected)
    assert sized(found.body, 32).arguments == {"interpolate_pos_encoding": True}


@pytest.mark.parametrize(("name", "size"), [("blip", 224), ("align", 224), ("owlv2", 960)])
def test_documented_encoders_of_transformers_see_what_they_should(name, size, tmp_path, draw):
    """OWLv2 at its own 960 pixels: at 224 it has 197 tokens for 3601 positions, and the older code failed."""
    vision = {"image_size": size} if name == "align" else {"image_size": size, "patch_size": size // 4}
    model, tower = whole(name, vision)
    model.save_pretrained(tmp_path)
    found, images = load_encoder(f"encoder:{name}:{tmp_path}"), draw(2, 3, 50, 60).sigmoid()
    assert found.image_size == size
    assert (found.preparation.mean, found.preparation.std) == ENCODERS[name].normalisation
    with torch.no_grad():
        expected = tower(pixel_values=found.prepare(images)).pooler_output.flatten(1)
    torch.testing.assert_close(found(images), expected)
    smaller = load_encoder(f"encoder:{name}:{tmp_path}", image_size=size // 2)
    assert smaller(images).shape == expected.shape


def test_what_cannot_be_had_is_said_in_one_sentence(tmp_path, monkeypatch):
    with pytest.raises(InputError, match=r"cannot get the published weights of hf:.*none.* local file with hf:DIR\.$"):
        load_encoder(f"hf:{tmp_path / 'none'}")
    monkeypatch.setitem(sys.modules, "transformers", None)
    with pytest.raises(InputError, match="hf:openai/clip needs the extra 'hub'"):
        load_encoder("hf:openai/clip")
    with pytest.raises(InputError, match="encoder:blip needs the extra 'hub'"):
        load_encoder("encoder:blip")
