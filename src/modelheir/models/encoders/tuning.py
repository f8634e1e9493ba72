"""An encoder that trains for a while and is frozen again, and what builds the frozen one from its weights alone.

Trained are all weights, or low-rank adapters beside weights that stay (:mod:`modelheir.models.adapters.low_rank`). What
comes out is a plain encoder: adapters are part of its weights by then.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from modelheir.checks import InputError
from modelheir.models.adapters import add_low_rank
from modelheir.models.building import from_spec
from modelheir.models.classifier import Classifier, normalised
from modelheir.models.encoders.classifiers import Features
from modelheir.models.encoders.encoder import Encoder
from modelheir.models.encoders.loading import load_encoder
from modelheir.models.encoders.preparation import Preparation
from modelheir.models.teachers.freeze import freeze, thawed_copy

__all__ = ["ThawedEncoder", "built_again", "kept_facts", "refilled"]


class ThawedEncoder(nn.Module):
    """A copy of an encoder through which gradients flow, behind the same preparation of images.

    Weights that do not reach the vectors, such as a classifier layer, stay as they are.

    Args:
        encoder: Stays as it is.
        rank: Of adapters beside fixed weights, whose batch normalisations keep their statistics; 0 trains all weights.
        seed: Of the adapters' first draw.

    Raises:
        InputError: If there is nothing to train.
    """

    mean: Tensor
    std: Tensor

    def __init__(self, encoder: Encoder, *, rank: int = 0, seed: int = 0) -> None:
        super().__init__()
        self.preparation, self.body = encoder.preparation, thawed_copy(encoder.body)
        for name in ("mean", "std"):
            self.register_buffer(name, getattr(encoder, name).clone(), persistent=False)
        named = dict(self.body.named_parameters())
        reached = _reached(self, encoder.image_size)
        for name in named.keys() - reached:
            named[name].requires_grad_(False)
        adapters = 0
        if rank:
            self.body.requires_grad_(False)
            for part in self.body.modules():
                if isinstance(part, nn.modules.batchnorm._NormBase):
                    freeze(part)
            adapters = add_low_rank(self.body, rank=rank, seed=seed, leave=named.keys() - reached)
        if not (adapters if rank else reached):
            what = "no layer that takes adapters" if named else "no weights"
            raise InputError(f"{encoder.address} has {what}, so nothing of it can be trained.")

    def forward(self, images: Tensor) -> Tensor:
        """Encode images as :class:`Encoder` does: ``(N, 3, H, W)`` or grey, in 0..1, to ``(N, D)``."""
        return self.body(normalised(self.preparation.square(images), self.mean, self.std, 0))


def refilled(encoder: Encoder, state: Mapping[str, Tensor]) -> Encoder:
    """Return the encoder with other weights, as new; its body is taken over.

    Args:
        encoder: Is not to be used any more.
        state: Of its body, whole.

    Raises:
        InputError: If they are not the weights of such a body.
    """
    try:
        encoder.body.load_state_dict(dict(state))
    except RuntimeError as error:
        reason = str(error).split("\n")[-1].strip().rstrip(".")
        raise InputError(f"the weights do not fit {encoder.address} ({reason}).") from error
    found = Encoder(encoder.body, address=encoder.address, preparation=encoder.preparation)
    found.asked_size = encoder.asked_size
    return found


def kept_facts(encoder: Encoder) -> dict[str, Any]:
    """Return what :func:`built_again` needs to make the encoder without its weights, as JSON values."""
    body, told = encoder.body, {"preparation": dataclasses.asdict(encoder.preparation)}
    if isinstance(body, Features) and type(body.classifier) is Classifier:
        return {**told, "network": body.classifier.spec, "resolution": body.classifier.resolution}
    return told


def built_again(address: str, image_size: int, kept: Mapping[str, Any]) -> Encoder:
    """Build an encoder whose weights are still to be loaded.

    A classifier's body is built from its description, so that neither a run folder nor a file of weights need be there
    any more; others are loaded from their address first.

    Args:
        address: Of the encoder that was trained.
        image_size: As it was asked for.
        kept: By :func:`kept_facts`.

    Raises:
        InputError: If the encoder is not there, or the description is damaged.
    """
    if "network" not in kept:
        return load_encoder(address, image_size=image_size)
    try:
        classifier, told = from_spec(kept["network"]), dict(kept["preparation"])
        classifier.resolution = int(kept["resolution"])
        view = Preparation(told["resize"], told["crop"], tuple(told["mean"]), tuple(told["std"]))
    except (KeyError, TypeError, ValueError) as error:
        raise InputError(f"the description of {address} is damaged ({error}): was it written by modelheir?") from error
    return Encoder(Features(classifier), address=address, preparation=view)


def _reached(module: ThawedEncoder, size: int) -> set[str]:
    """Return the names of the body's parameters on which vectors hang, by one blank image in evaluation mode."""
    body = module.body.eval()
    device = next((one.device for one in body.parameters()), torch.device("cpu"))
    with torch.enable_grad():
        found = module(torch.zeros(1, 3, size, size, device=device))
        if found.requires_grad:
            found.sum().backward()
    names = {name for name, value in body.named_parameters() if value.grad is not None}
    body.zero_grad(set_to_none=True)
    body.train()
    return names
