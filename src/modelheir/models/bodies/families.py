"""Take a library network apart: body, classifier layer, and the inputs of its auxiliary classifiers.

The classifier layer is moved out and an identity stays in its place, so the body returns the layer's input. Dropout
right before that layer moves out too: features are what the layer reads, before dropout.
"""

from __future__ import annotations

import dataclasses

import torch
from torch import Tensor, nn

from modelheir.checks import InputError
from modelheir.models.heads import ConvHead

__all__ = ["AuxiliaryNet", "Split", "split_timm", "split_torchvision"]


@dataclasses.dataclass(frozen=True, eq=False)
class Split:
    """A network in parts."""

    body: nn.Module
    feature_size: int  #: width of the body's features
    head: nn.Module | None  #: the library's own layer; ``None`` where the body has none
    layout: dict[str, str]  #: our parameter prefix -> the library's
    dropout: float = 0.0  #: that stood before the layer
    auxiliary_heads: tuple[nn.Module, ...] = ()
    auxiliary_sizes: tuple[int, ...] = ()


class AuxiliaryNet(nn.Module):
    """GoogLeNet or Inception v3 without classifier layers; reaches the auxiliary necks in evaluation as well.

    The parts run in the order in which the library registers them, which is the order of its forward pass; a neck
    listed in ``necks`` reads the map after the part named there.
    """

    def __init__(self, net: nn.Module, necks: dict[str, str]) -> None:
        super().__init__()
        self.net, self.necks = net, dict(necks)

    def forward_auxiliary(self, images: Tensor) -> tuple[Tensor, tuple[Tensor, ...]]:
        """Return the features ``(N, D)`` and the input of each auxiliary head, the deepest first."""
        return self._run(images, True)

    def forward(self, images: Tensor) -> Tensor:
        """Return the features ``(N, D)``."""
        return self._run(images, False)[0]

    def _run(self, images: Tensor, auxiliary: bool) -> tuple[Tensor, tuple[Tensor, ...]]:
        skipped = {*self.necks.values(), "fc", "dropout"}
        x: Tensor = self.net._transform_input(images)  # pyright: ignore[reportCallIssue]
        found: list[Tensor] = []
        for name, part in self.net.named_children():
            if name in skipped:
                continue
            x = part(x)
            if auxiliary and name in self.necks:
                found.append(self.net.get_submodule(self.necks[name])(x))
        return torch.flatten(x, 1), tuple(reversed(found))


def split_torchvision(net: nn.Module, classes: int) -> Split:
    """Take any torchvision classifier with ``classes`` outputs apart; edits ``net``."""
    kind = type(net).__name__
    if kind == "SqueezeNet":
        conv = net.get_submodule("classifier.1")
        assert isinstance(conv, nn.Conv2d)
        p = _rate(net.get_submodule("classifier.0"))
        layout = {"body": "features", "head.conv": "classifier.1"}
        return Split(net.get_submodule("features"), conv.in_channels, ConvHead(conv), layout, p)
    if kind == "Inception3":
        return _with_necks(net, {"Mixed_6e": "AuxLogits"}, ("AuxLogits.fc",))
    if kind == "GoogLeNet":
        return _with_necks(net, {"inception4a": "aux1", "inception4d": "aux2"}, ("aux2.fc2", "aux1.fc2"))
    layers = [name for name, part in net.named_modules() if isinstance(part, nn.Linear)]
    if not layers or _linear(net, layers[-1]).out_features != classes:
        raise InputError(f"{kind} has no linear classifier layer at its end, which is needed to read its features.")
    return _split(net, layers[-1])


def split_timm(net: nn.Module, name: str) -> Split:
    """Take a timm network apart at the layer that its configuration names; edits ``net``."""
    path = getattr(net, "pretrained_cfg", {}).get("classifier")
    if not isinstance(path, str) or not isinstance(dict(net.named_modules()).get(path), nn.Linear):
        raise InputError(
            f"timm:{name} does not end in one linear classifier layer, which is needed to read its features: "
            "choose another architecture."
        )
    return _split(net, path)


def _linear(net: nn.Module, path: str) -> nn.Linear:
    layer = net.get_submodule(path)
    assert isinstance(layer, nn.Linear)
    return layer


def _rate(module: nn.Module | None) -> float:
    return float(module.p) if isinstance(module, nn.Dropout) else 0.0


def _split(net: nn.Module, path: str) -> Split:
    layer, dropout = _linear(net, path), 0.0
    parent_path, _, last = path.rpartition(".")
    parent = net.get_submodule(parent_path)
    if isinstance(parent, nn.Sequential) and last.isdigit() and int(last) > 0:
        dropout = _rate(parent[int(last) - 1])
        if dropout:
            parent[int(last) - 1] = nn.Identity()
    setattr(parent, last, nn.Identity())
    return Split(net, layer.in_features, layer, {"head": path, "body": ""}, dropout)


def _with_necks(net: nn.Module, necks: dict[str, str], paths: tuple[str, ...]) -> Split:
    present = {name for name, _ in net.named_children()}
    if not present >= set(necks.values()):  # built with aux_logits=False
        necks, paths = {}, ()
    heads = tuple(_linear(net, path) for path in paths)
    layer, dropout = _linear(net, "fc"), _rate(net.get_submodule("dropout"))
    for path in (*paths, "fc"):
        parent, _, last = path.rpartition(".")
        setattr(net.get_submodule(parent), last, nn.Identity())
    layout = {"head": "fc", **{f"auxiliary_heads.{i}": path for i, path in enumerate(paths)}, "body.net": ""}
    sizes = tuple(head.in_features for head in heads)
    return Split(AuxiliaryNet(net, necks), layer.in_features, layer, layout, dropout, heads, sizes)
