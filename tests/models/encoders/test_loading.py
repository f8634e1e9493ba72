import pytest
import torch

from modelheir.address import ENCODER_KINDS, MODEL_KINDS
from modelheir.checks import InputError
from modelheir.models.encoders import load_encoder
from modelheir.models.encoders.loading import _MAKERS


def test_every_kind_of_address_has_what_makes_it():
    assert sorted(_MAKERS) == sorted(set(ENCODER_KINDS) - set(MODEL_KINDS))


def test_it_is_put_where_it_is_asked_for():
    found = load_encoder("pixels:left", image_size=4, device="meta")
    assert found.mean.device.type == "meta"
    assert found(torch.zeros(2, 3, 4, 4, device="meta")).shape == (2, 8)


def test_a_negative_size_is_refused():
    with pytest.raises(InputError, match="image_size = -1: must be >= 0 pixels"):
        load_encoder("colour", image_size=-1)


def test_what_is_no_encoder_is_refused():
    with pytest.raises(InputError, match=r"'pixel:left' is no encoder: .* Did you mean 'pixels:'\?"):
        load_encoder("pixel:left", image_size=4)
