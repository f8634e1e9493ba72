r"""DaWin: for each image, a model between the start and the tuned one, nearer to whichever is surer of that image.

.. math:: \theta(x) = (1 - \lambda(x))\, \theta_0 + \lambda(x)\, \theta_1, \qquad
          \lambda(x) = \frac{e^{-H_1(x)}}{e^{-H_0(x)} + e^{-H_1(x)}}

with ``H`` the entropy of each model's softmax. Nothing is trained and no label is read. Oh et al., "DaWin:
Training-free Dynamic Weight Interpolation for Robust Adaptation", 2025, arXiv:2410.03782, section 3. Ours differs:
where fewer models are wanted than images, ``lambda`` is rounded to a fixed grid; the paper fits a mixture of beta
distributions to the test images, so that what it says of one image depends on the others. Its correction by the
entropies' spread over the test set is left out for the same reason.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.func import functional_call

from modelheir import checks
from modelheir.checks import InputError
from modelheir.classes import ClassList
from modelheir.losses.precision import full_precision
from modelheir.models.blends.interpolation import interpolate
from modelheir.types import Outputs

__all__ = ["DaWin", "dawin_share", "need_one_network", "rebuild"]


def dawin_share(start: Tensor, tuned: Tensor, *, levels: int = 0) -> Tensor:
    r"""Return how far from the start to the tuned model each image's own model lies.

    Args:
        start: Logits of the model before tuning, ``(N, C)``.
        tuned: Logits of the tuned model, ``(N, C)``.
        levels: 0 for an own value each; or at least 2 equally spaced values from 0 to 1, the nearest one is taken.

    Returns:
        :math:`\lambda`, ``(N,)``, 0 to 1; of 1 the tuned model answers alone.

    Raises:
        ValueError: If the shapes differ or ``levels`` is 1 or negative.

    Example:
        >>> flat, sure = torch.tensor([[0.0, 0.0]]), torch.tensor([[50.0, 0.0]])
        >>> dawin_share(flat, flat), dawin_share(flat, sure), dawin_share(flat, sure, levels=3)
        (tensor([0.5000]), tensor([0.6667]), tensor([0.5000]))
    """
    checks.two_dimensional(start=start)
    checks.same_shape(start=start, tuned=tuned)
    if levels:
        checks.at_least(2, levels=levels)
    share = (_entropy(start) - _entropy(tuned)).sigmoid()
    return (share * (levels - 1)).round() / (levels - 1) if levels else share


class DaWin(nn.Module):
    """Answers each image with its own interpolated weights; keeps two models of one architecture and trains neither.

    A batch costs two passes and one more for each share that occurs in it, on the images of that share. Running
    statistics are interpolated as weights are.

    Args:
        start: The model before tuning.
        tuned: The tuned model, with the same names and shapes of weights.
        levels: As for :func:`dawin_share`; 11 keeps the cost at 13 passes at most.

    Raises:
        ValueError: If the two are not of one architecture.
    """

    def __init__(self, start: nn.Module, tuned: nn.Module, *, levels: int = 11) -> None:
        super().__init__()
        interpolate(start.state_dict(), tuned.state_dict(), 0.0)  # refuses other names and shapes
        self.start, self.tuned, self.levels = start, tuned, levels

    @property
    def spec(self) -> dict[str, Any]:
        """The tuned classifier's specification, with what :func:`rebuild` needs under ``dawin``."""
        return {**self._classifier.spec, "dawin": {"levels": self.levels}}

    @property
    def classes(self) -> tuple[str, ...]:
        """Names of the logits' columns."""
        return self._classifier.classes

    @property
    def class_list(self) -> ClassList:
        """The classes as ``modelheir.classes`` matches them."""
        return self._classifier.class_list

    def rename(self, classes: Sequence[str]) -> None:
        """Give the logits' columns these names, in order."""
        for one in (self.start, self.tuned):
            one.rename(classes)  # pyright: ignore[reportCallIssue]

    @property
    def head(self) -> nn.Module:
        """The tuned classifier's last layer."""
        return self._classifier.head

    @property
    def feature_size(self) -> int:
        """Width ``D`` of the features."""
        return int(self._classifier.feature_size)

    @property
    def image_size(self) -> int:
        """Height and width, in pixels, of the images that the classifiers were made for."""
        return int(self._classifier.image_size)

    @property
    def _classifier(self) -> Any:
        return self.tuned

    @torch.no_grad()
    def forward(self, inputs: Any) -> Outputs:
        """Return logits ``(N, C)`` and features ``(N, D)`` of images, each from its own model; without gradient."""
        first, second = self.start(inputs), self.tuned(inputs)
        share = dawin_share(first.logits, second.logits, levels=self.levels)
        logits, features = torch.empty_like(second.logits), torch.empty_like(second.features)
        states = self.start.state_dict(), self.tuned.state_dict()
        for value in share.unique().tolist():
            rows = (share == value).nonzero()[:, 0]
            state = interpolate(*states, min(max(1 - value, 0.0), 1.0))
            answer: Any = functional_call(self.tuned, state, (inputs[rows],))
            logits[rows], features[rows] = answer.logits.to(logits.dtype), answer.features.to(features.dtype)
        return Outputs(logits, features)


def need_one_network(model: Any, said: str, use: str) -> None:
    """Refuse a model that answers each image with other weights, where one set of them is asked for.

    Raises:
        InputError: ``said`` names the model, ``use`` what it is for.
    """
    if isinstance(model, DaWin):
        raise InputError(
            f"{said} answers each image with weights of its own (dawin), and {use} needs one network: take another "
            "strategy's model, such as wise_ft."
        )


def rebuild(model: nn.Module, settings: Mapping[str, Any]) -> DaWin:
    """Make the module of a saved ``spec["dawin"]`` again; its weights come from the state dict."""
    return DaWin(copy.deepcopy(model), model, levels=settings["levels"])


def _entropy(logits: Tensor) -> Tensor:
    log = full_precision(logits).log_softmax(dim=1)
    return -(log.exp() * log).sum(dim=1)
