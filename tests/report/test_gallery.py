import base64
import io

import numpy as np
import pytest
from PIL import Image

from modelheir.report import gallery


def test_missing_pictures_leave_an_empty_address(chosen, images):
    found = gallery.illustrated(chosen, images)
    assert {card.flip.sample_id for card in found.cards if card.address.startswith("data:image/png;base64,")} == {
        "a",
        "b",
        "d",
    }
    assert found.pictured
    assert found.cards[0].small
    assert not gallery.illustrated(chosen).pictured


def picture(size, kind, mode="RGB"):
    store = io.BytesIO()
    noise = np.random.default_rng(0).integers(0, 255, (*size[::-1], 3), np.uint8)
    Image.fromarray(noise).convert(mode).save(store, kind)
    return store.getvalue()


def test_large_and_unusual_pictures_are_made_small_and_readable():
    for content in (picture((900, 600), "PNG"), picture((20, 20), "BMP"), picture((300, 10), "PNG", "RGBA")):
        address, _ = gallery.data_address(content)
        head, _, body = address.partition(",")
        assert head in ("data:image/jpeg;base64", "data:image/png;base64")
        assert len(body) < 40_000
        with Image.open(io.BytesIO(base64.b64decode(body))) as back:
            assert max(back.size) <= 300


@pytest.mark.parametrize("content", [b"", b"no picture", b"<svg onload='alert(1)'/>", picture((90, 90), "PNG")[:50]])
def test_what_is_no_picture_gets_no_address(content):
    assert gallery.data_address(content)[0] == ""
