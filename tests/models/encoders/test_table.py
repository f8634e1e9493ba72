import subprocess
import sys

import pytest
import timm
import torch

from modelheir.models.encoders import ENCODERS

IMAGENET = ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
OPENAI = ((0.48145466, 0.4578275, 0.40821073), (0.26862954, 0.26130258, 0.27577711))
HALF = ((0.5,) * 3, (0.5,) * 3)

#: width and the right normalisation
DOCUMENTED = {
    "clip": (768, OPENAI),
    "dinov2": (1024, IMAGENET),
    "swav": (8192, IMAGENET),
    "esvit": (1024, IMAGENET),
    "mae": (1024, IMAGENET),
    "blip": (1408, OPENAI),
    "siglip": (768, HALF),
    "hiera": (768, IMAGENET),
    "align": (640, HALF),
    "owlv2": (768, OPENAI),
    "eva01": (1408, OPENAI),
    "eva02": (1024, OPENAI),
}
OF_TIMM = [name for name, row in ENCODERS.items() if row.library == "timm"]


def test_every_documented_encoder_is_there():
    assert {name: (row.width, row.normalisation) for name, row in ENCODERS.items()} == DOCUMENTED
    assert {name for name, row in ENCODERS.items() if (row.resize, row.crop) != (256, 224)} == {"owlv2"}
    assert ENCODERS["owlv2"].resize == ENCODERS["owlv2"].crop == 960
    assert {row.library for row in ENCODERS.values()} == {"timm", "transformers", "file"}
    assert all(row.family and row.id and row.read for row in ENCODERS.values())


@pytest.mark.parametrize("name", OF_TIMM)
def test_timm_has_the_weights_and_agrees_about_them(name):
    row = ENCODERS[name]
    told = timm.models.get_pretrained_cfg(row.id)
    assert told.has_weights
    assert (told.mean, told.std) == row.normalisation
    with torch.device("meta"):
        assert timm.create_model(row.id, num_classes=0).num_features == row.width


@pytest.mark.extras
def test_transformers_agrees_about_the_widths():
    import transformers

    assert transformers.Blip2VisionConfig().hidden_size == ENCODERS["blip"].width
    assert transformers.Owlv2VisionConfig().hidden_size == ENCODERS["owlv2"].width


def test_listing_needs_no_torch():
    code = "import sys; from modelheir.models.encoders import ENCODERS; print(len(ENCODERS), 'torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["12", "False"]
