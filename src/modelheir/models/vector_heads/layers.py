r"""The layers of one head: vectors to features to logits, all of whose kinds divide logits by one temperature.

.. math:: h = N(D(\phi(W x + b))), \qquad z = (W_{out} f + b_{out}) / \tau

``mlp``: each hidden layer reads the one before; the order is linear, batch norm, ReLU, dropout. ``fcnn`` is the head
of Meta Co-Training (Rothenberger and Diochnos, 2023, arXiv:2311.18083) as its public code has it: LeakyReLU of slope
0.01, dropout, batch norm, and layer ``k`` reads ``[h_1, ..., h_{k-1}]``. Documented, it also reads ``h_{k-1}`` a second
time, leaves the last width in the list unbuilt, and sends the logits through LeakyReLU. Ours does none of the three
unless asked to.

The public code has two definitions of the temperature, of which one multiplies. Here it always divides.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from modelheir import checks
from modelheir.checks import InputError

__all__ = ["Layers", "SkipLayers", "make_layers", "perceptron"]

_SLOPE = 0.01  #: of LeakyReLU below 0


def perceptron(width: int, hidden: Sequence[int], *, dropout: float = 0.0, batch_norm: bool = False) -> nn.Sequential:
    """Return hidden layers in a row: linear, batch norm where asked for, ReLU, dropout; none for an empty list."""
    parts: list[nn.Module] = []
    for before, after in zip((width, *hidden), hidden, strict=False):
        parts += [nn.Linear(before, after), *([nn.BatchNorm1d(after)] if batch_norm else []), nn.ReLU()]
        if dropout > 0:
            parts.append(nn.Dropout(dropout))
    return nn.Sequential(*parts)


class SkipLayers(nn.Module):
    """Hidden layers each of which reads all before it; vectors ``(N, D)`` to the input of the last layer."""

    def __init__(self, width: int, hidden: Sequence[int], *, dropout: float = 0.0, documented: bool = False) -> None:
        """Make them.

        Args:
            width: ``D``.
            hidden: Widths, at least one to build.
            dropout: Of each layer, before its batch norm.
            documented: Build all but the last width, and let each layer read the one before it twice.
        """
        super().__init__()
        built = tuple(hidden[:-1] if documented else hidden)
        if not built:
            least = "two widths, of which the last is not built" if documented else "one width"
            raise InputError(f"a head of kind fcnn needs hidden layers, got hidden = {list(hidden)}: give {least}.")
        self.documented = documented
        self.layers, self.norms = nn.ModuleList(), nn.ModuleList()
        self.dropout = nn.Dropout(dropout) if dropout > 0 else nn.Identity()
        reads = width
        for number, size in enumerate(built, 1):
            self.layers.append(nn.Linear(reads, size))
            self.norms.append(nn.BatchNorm1d(size))
            reads = sum(built[:number]) + (size if documented else 0)
        self.out_features = reads

    def forward(self, vectors: Tensor) -> Tensor:
        """Return the joined outputs of all hidden layers, ``(N, out_features)``."""
        found: list[Tensor] = []
        read = vectors
        for layer, norm in zip(self.layers, self.norms, strict=True):
            found.append(norm(self.dropout(nn.functional.leaky_relu(layer(read), _SLOPE))))
            read = torch.cat([*found, found[-1]] if self.documented else found, dim=1)
        return read


class Layers(nn.Module):
    """Hidden layers, the last layer and the temperature; scaled vectors ``(N, D)`` to logits and features."""

    def __init__(
        self, hidden: nn.Module, last: nn.Linear, *, temperature: float = 1.0, leaky_logits: bool = False
    ) -> None:
        super().__init__()
        checks.above(0, temperature=temperature)
        self.hidden, self.last = hidden, last
        self.temperature, self.leaky_logits = temperature, leaky_logits

    def forward(self, vectors: Tensor) -> tuple[Tensor, Tensor]:
        """Return logits ``(N, C)`` and the features ``(N, F)`` that the last layer read."""
        features = self.hidden(vectors)
        logits = self.last(features)
        if self.leaky_logits:
            logits = nn.functional.leaky_relu(logits, _SLOPE)
        return logits / self.temperature, features


def make_layers(
    kind: str,
    width: int,
    classes: int,
    *,
    hidden: Sequence[int] = (),
    dropout: float = 0.0,
    batch_norm: bool = False,
    documented: bool = False,
    temperature: float = 1.0,
) -> Layers:
    """Return the layers of one head with new weights from the global generator.

    Args:
        kind: ``linear``, ``mlp`` or ``fcnn``; each reads only the settings that it has.
        width: ``D`` of the vectors, ``>= 1``.
        classes: ``C``, ``>= 1``.
        hidden: Widths of the hidden layers.
        dropout: Share of what each hidden layer gives, 0 to 1.
        batch_norm: In each hidden layer of ``mlp``.
        documented: Of ``fcnn``: as first published, output activation included.
        temperature: Divides the logits, ``> 0``.

    Raises:
        InputError: If the kind is unknown, or ``fcnn`` has no width to build.
        ValueError: If a number is out of range.
    """
    checks.one_of(("linear", "mlp", "fcnn"), kind=kind)
    checks.at_least(1, width=width, classes=classes)
    checks.in_range(0, 1, dropout=dropout)
    if kind == "fcnn":
        inner: nn.Module = SkipLayers(width, hidden, dropout=dropout, documented=documented)
        size = inner.out_features
    else:
        used = hidden if kind == "mlp" else ()
        inner, size = perceptron(width, used, dropout=dropout, batch_norm=batch_norm), (width, *used)[-1]
    leaky = documented and kind == "fcnn"
    return Layers(inner, nn.Linear(size, classes), temperature=temperature, leaky_logits=leaky)
