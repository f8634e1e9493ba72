r"""A cohort: networks that train together and compare themselves with each other, none of them frozen.

.. math:: L = \sum_i \Big[ k_y \mathrm{CE}(z_i, y)
          + \tfrac{1}{K - 1} \sum_{j \ne i} \sum_e k_e \overline{\ell_e(z_i, z_j)} \Big]

over ``K`` networks, in which ``z_j`` is a constant: deep mutual learning, Zhang et al., 2018, arXiv:1706.00384, eq. 10.
Ours takes one step for all networks at once, where the paper takes one after another and runs the moved one again.

Without constants gradients flow into both networks of a pair, and each direction counts half, so that a symmetric loss
counts once a pair: for two networks that is ``CE + CE + loss(a, b)``, which SSLD's documents call DML. For a symmetric
loss (``jeffreys``, ``feature_distance``) both forms have the same gradient; the logged terms of the second are half as
large.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

from modelheir import models
from modelheir.checks import InputError
from modelheir.objective.distances import LOSSES, make_loss

if TYPE_CHECKING:
    from torch import Tensor

    from modelheir.models import Classifier
    from modelheir.types import Batch, Outputs, Step

__all__ = ["Cohort", "Seen"]


class Seen(NamedTuple):
    """What one network said of a batch."""

    outputs: Outputs
    layer: Tensor | None  #: what its tap saw, if a loss reads maps


class Cohort:
    """The losses among several networks in training, ready for batches; each network runs once a batch.

    Args:
        networks: At least two, of one class list, by name.
        losses: Names of rows of ``LOSSES`` that can give both models a gradient.
        loss_weights: One a loss; none: all 1.
        settings: Has the groups of settings of the losses.
        constant: Whether the other network is a constant in a network's loss.
        taps: Where losses of maps look: one path for all networks, or one each; none: the last map of each.
        image_size: Pixels a side of a batch.
        where: Dotted key of the settings, for messages.

    Raises:
        InputError: If a tap does not exist, or two networks give a loss of maps other shapes.
    """

    def __init__(
        self,
        networks: Mapping[str, Classifier],
        *,
        losses: tuple[str, ...],
        settings: Any,
        constant: bool,
        image_size: int,
        loss_weights: tuple[float, ...] = (),
        taps: tuple[str, ...] = (),
        where: str = "method",
    ) -> None:
        self.networks = dict(networks)
        self.share = (1.0 if constant else 0.5) / (len(self.networks) - 1)  #: of one direction of one pair
        self.weights = dict(zip(losses, loss_weights or (1.0,) * len(losses), strict=True))
        first = next(iter(self.networks.values()))
        shapes = {"logits": len(first.classes), "features": first.feature_size}
        self.taps: dict[str, models.Taps] = {}
        reading = [name for name in losses if LOSSES[name].reads == "maps"]
        if reading:
            shapes["maps"] = self._tap(taps, image_size, reading[0], where)
        self.losses = {
            name: make_loss(
                name,
                settings,
                *[shapes[LOSSES[name].reads]] * 2,
                seed=0,
                setting=f"{where}.losses",
                both=not constant,
            )[0]
            for name in losses
        }

    def _tap(self, taps: tuple[str, ...], image_size: int, loss: str, where: str) -> Any:
        """Register the taps, and return the one shape of what they see."""
        if len(taps) > 1 and len(taps) != len(self.networks):
            raise InputError(
                f"{where}.taps names {len(taps)} places for {len(self.networks)} networks "
                f"({', '.join(self.networks)}): give one for all, or one each in this order."
            )
        found = {}
        for number, (name, network) in enumerate(self.networks.items()):
            path = taps[number % len(taps)] if taps else models.stage_taps(network, image_size)[-1][0]
            found[name] = (path, models.tap_shapes(network, [path], image_size)[path])
            self.taps[name] = models.Taps(network, [path])
        if len({shape for _, shape in found.values()}) > 1:
            words = ", ".join(f"{path} of {name} is {shape}" for name, (path, shape) in found.items())
            raise InputError(
                f"{where}.losses = {loss!r} compares maps of one shape, and {words}: name places in {where}.taps."
            )
        return next(iter(found.values()))[1]

    def run(self, batch: Batch) -> dict[str, Seen]:
        """Run every network over a batch, once."""
        return {name: self._run(name, network, batch) for name, network in self.networks.items()}

    def _run(self, name: str, network: Classifier, batch: Batch) -> Seen:
        if name not in self.taps:
            return Seen(network(batch.inputs), None)
        with self.taps[name].record() as found:
            outputs = network(batch.inputs)
        return Seen(outputs, next(iter(found.values())))

    def terms(self, said: Mapping[str, Seen], batch: Batch, step: Step) -> dict[str, dict[str, Tensor]]:
        """Return each network's losses to its peers: network -> loss -> scalar, weighted, a mean over all images."""
        return {
            name: {
                loss: self.weights[loss] * self._towards_peers(name, loss, said, batch, step) for loss in self.losses
            }
            for name in said
        }

    def _towards_peers(self, name: str, loss: str, said: Mapping[str, Seen], batch: Batch, step: Step) -> Tensor:
        reads = LOSSES[loss].reads
        own, *others = (_read(said[one], reads) for one in (name, *(peer for peer in said if peer != name)))
        values = [self.losses[loss](own, other, batch.labels, step).mean() for other in others]
        total = values[0]
        for value in values[1:]:
            total = total + value
        return self.share * total


def _read(seen: Seen, reads: str) -> Any:
    return seen.layer if reads == "maps" else getattr(seen.outputs, reads)
