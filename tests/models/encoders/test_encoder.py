import subprocess
import sys

import numpy as np
import pytest
import timm
import torch
from torch import nn

from modelheir.models import state_hash, thawed_copy
from modelheir.models.encoders import Encoder, Preparation, load_encoder

MEAN, STD = (0.5, 0.25, 0.125), (0.5, 2.0, 4.0)


class Changing(nn.Module):
    """A network whose outputs and buffers change in training mode: batch normalisation, dropout and drop-path."""

    def __init__(self):
        super().__init__()
        self.swin = timm.create_model(
            "swin_tiny_patch4_window7_224",
            num_classes=0,
            embed_dim=8,
            depths=(1, 1),
            num_heads=(1, 2),
            img_size=28,
            drop_path_rate=0.9,
        )
        self.norm, self.dropout = nn.BatchNorm1d(16), nn.Dropout(0.5)

    def forward(self, images):
        return self.dropout(self.norm(self.swin(images)))


def encoder(body=None, address="file:x", **settings):
    torch.manual_seed(3)
    return Encoder(body or Changing(), address=address, preparation=Preparation(28, 28, **settings))


def test_a_frozen_encoder_is_the_same_before_and_after_a_head_is_trained(draw):
    """The older system put encoders in training mode, where drop-path was active and batch statistics drifted."""
    frozen, images = encoder(), draw(4, 3, 28, 28)
    before, said = state_hash(frozen), frozen(images)
    whole = nn.Sequential(frozen, nn.Linear(frozen.width, 3)).train()
    optimizer = torch.optim.SGD([p for p in whole.parameters() if p.requires_grad], lr=1.0)
    for _ in range(3):
        optimizer.zero_grad()
        nn.functional.cross_entropy(whole(images), torch.tensor([0, 1, 2, 0])).backward()
        optimizer.step()
    assert not any(module.training for module in frozen.modules())
    assert state_hash(frozen) == before
    assert torch.equal(frozen(images), said)
    assert torch.equal(frozen(images[:1]), said[:1]) or torch.allclose(frozen(images[:1]), said[:1], atol=1e-6)
    assert frozen.train() is frozen


def test_the_body_would_change_if_it_were_trained(draw):
    """What the test above rests on."""
    body, images = thawed_copy(encoder().body), draw(4, 3, 28, 28)
    assert not torch.equal(body(images), body(images))


def test_no_gradient_comes_out(draw):
    images = draw(2, 3, 28, 28).requires_grad_()
    assert not encoder()(images).requires_grad


def test_the_width_is_that_of_one_blank_image():
    assert encoder(nn.Flatten()).width == 3 * 28 * 28
    assert encoder().width == 16


@pytest.mark.parametrize("body", [nn.Identity(), nn.Flatten(0)])
def test_a_body_without_one_vector_an_image_is_refused(body):
    with pytest.raises(ValueError, match=r"file:x must give one vector an image, \(N, D\), got shape"):
        encoder(body)


def test_images_are_normalised_by_channel(draw):
    images = draw(2, 3, 28, 28)
    expected = (images.numpy() - np.array(MEAN).reshape(3, 1, 1)) / np.array(STD).reshape(3, 1, 1)
    found = encoder(nn.Flatten(), mean=MEAN, std=STD)
    np.testing.assert_allclose(found(images).numpy(), expected.reshape(2, -1), rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(found.prepare(images).numpy(), expected, rtol=1e-5, atol=1e-6)


def test_the_fingerprint_tells_encoders_apart():
    prints = [encoder().fingerprint, encoder(address="file:y").fingerprint, encoder(mean=MEAN).fingerprint]
    other = Changing()
    other.norm.running_mean += 1
    prints += [encoder(other).fingerprint, encoder(nn.Flatten()).fingerprint]
    assert len(set(prints)) == 5
    assert encoder().fingerprint == prints[0]
    assert all(len(one) == 64 for one in prints)


def test_the_fingerprint_is_the_same_in_every_process():
    code = "from modelheir.models.encoders import load_encoder; print(load_encoder('colour').fingerprint)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == load_encoder("colour").fingerprint
