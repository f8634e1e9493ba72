"""Several frozen encoders, a head on each, and one prediction: what co-training leaves, as a classifier of images.

Encoders that were left as they are are loaded from their addresses again; the weights of those that were tuned for it
are among its own. All must be those that the heads were trained on, as their fingerprints say.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from modelheir.checks import InputError
from modelheir.classes import ClassList
from modelheir.models.encoders import Encoder, built_again, kept_facts, load_encoder
from modelheir.models.joint import joint_logits
from modelheir.models.vector_heads.building import vector_head_from_spec
from modelheir.models.vector_heads.head import VectorHead
from modelheir.types import Outputs

__all__ = ["ViewClassifier", "from_vector_spec"]


class ViewClassifier(nn.Module):
    """Images in 0..1 to :class:`~modelheir.types.Outputs`, by way of the views' vectors.

    Args:
        heads: One a view, in the order of the encoders; or a single one on all views side by side.
        spec: What :func:`from_vector_spec` needs to build the same again; JSON values. ``encoders`` are mappings with
            ``address``, ``fingerprint`` and ``image_size``, and ``tuned`` where they were; ``joint`` and ``prior`` are
            those of :func:`~modelheir.models.joint.joint_logits`; ``temperatures``, one a head, divide its logits
            before.
        tuned: Number of a view, from 1 -> its encoder, whose weights are to be this classifier's own; what builds it
            again is added to the specification. A tuned encoder that is not given is somewhere else, and images cannot
            be classified then, only vectors.
    """

    def __init__(
        self, heads: Mapping[str, nn.Module], *, spec: Mapping[str, Any], tuned: Mapping[str, Encoder] | None = None
    ) -> None:
        super().__init__()
        self.heads, self.tuned = nn.ModuleDict(heads), nn.ModuleDict(tuned or {})
        self.spec = copy.deepcopy(dict(spec))
        for number, encoder in (tuned or {}).items():
            self.spec["encoders"][int(number) - 1].setdefault("kept", kept_facts(encoder))
        self._encoders: tuple[Encoder, ...] = ()  # in a tuple: their weights are not this module's

    @property
    def classes(self) -> tuple[str, ...]:
        """Names of the logits' columns."""
        return tuple(self.spec["classes"])

    @property
    def class_list(self) -> ClassList:
        """The classes as ``modelheir.classes`` matches them."""
        return self.classes

    def rename(self, classes: Sequence[str]) -> None:
        """Give the logits' columns these names, in order."""
        self.spec["classes"] = list(classes)

    @property
    def image_size(self) -> int:
        """Height and width, in pixels, of the images that it was made for."""
        return int(self.spec["image_size"])

    @property
    def feature_size(self) -> int:
        """Width ``D`` of the features."""
        return sum(head.feature_size for head in self.heads.values())  # pyright: ignore[reportArgumentType,reportCallIssue]

    @property
    def resolution(self) -> int:
        """0: each encoder resizes images by itself."""
        return 0

    def encoders(self) -> tuple[Encoder, ...]:
        """Return the encoders, loaded at the first call.

        Raises:
            InputError: If one is not there, or not the one that the heads were trained on.
        """
        if not self._encoders:
            self._encoders = tuple(self._encoder(number, told) for number, told in enumerate(self.spec["encoders"], 1))
        return self._encoders

    def _encoder(self, number: int, told: Mapping[str, Any]) -> Encoder:
        """Return the encoder of a view, from 1."""
        if "tuned" in told and str(number) not in self.tuned:
            raise InputError(
                f"this stage holds the heads alone, and the encoder {told['address']} was tuned for them: take the "
                "run's own model, run:DIR without a stage."
            )
        own: Any = self.tuned[str(number)] if "tuned" in told else None
        found = own or load_encoder(told["address"], image_size=told["image_size"])
        if found.fingerprint != told["fingerprint"]:
            raise InputError(
                f"the encoder {told['address']} is not the one that this classifier was trained on (its weights or its "
                "preparation of images differ): give it the old one, or train anew."
            )
        return found

    def forward(self, images: Tensor) -> Outputs:
        """Classify images, float ``(N, 3, H, W)`` in 0..1."""
        return self.on_views(tuple(one.to(images.device)(images) for one in self.encoders()))

    def on_views(self, views: Sequence[Tensor]) -> Outputs:
        """Classify vectors ``(N, D)``, one tensor a view; features are the heads' side by side."""
        if len(self.heads) == 1:
            views = (torch.cat(tuple(views), 1),)
        said = [head(view) for head, view in zip(self.heads.values(), views, strict=True)]
        logits = [one.logits.float() / by for one, by in zip(said, self.spec["temperatures"], strict=True)]
        prior = torch.tensor(self.spec["prior"], dtype=torch.float32, device=logits[0].device)
        joint = logits[0] if len(logits) == 1 else joint_logits(logits, self.spec["joint"], prior)
        return Outputs(joint, torch.cat([one.features for one in said], 1))


def from_vector_spec(spec: Mapping[str, Any]) -> ViewClassifier | VectorHead:
    """Build the classifier of a saved specification again, or a single head, with initial weights."""
    if "vectors" in spec:
        return vector_head_from_spec(spec)
    heads = {name: vector_head_from_spec(one) for name, one in spec["heads"].items()}
    tuned = {
        str(number): built_again(told["address"], told["image_size"], told["kept"])
        for number, told in enumerate(spec["encoders"], 1)
        if "kept" in told
    }
    return ViewClassifier(heads, spec=spec, tuned=tuned)
