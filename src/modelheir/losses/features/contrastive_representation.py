r"""Contrastive representation distillation (CRD), within the batch: tell each image's old features from the others'.

.. math:: \ell_i = -\tfrac12 \log \frac{e^{s_{ii}}}{\sum_j e^{s_{ij}}}
          - \tfrac12 \log \frac{e^{s_{ii}}}{\sum_j e^{s_{ji}}}, \qquad
          s_{ij} = \tfrac{1}{\tau} \cos(W f_i, W^{old} f^{old}_j)

Tian et al., "Contrastive Representation Distillation", 2020, arXiv:1910.10699, with the bound of van den Oord et al.,
"Representation Learning with Contrastive Predictive Coding", 2018, arXiv:1807.03748, eq. 4, in the place of its own.

This is not the paper's memory bank: the negatives are the other images of the batch (of all processes with ``gather``),
not 16,384 stored ones, whatever their class; so it needs no index of the images and wants large batches. Both
projections are trained, as in the paper; the two directions are averaged. The mean of the values is the loss.
"""

import torch
from torch import Tensor, nn

from modelheir import checks
from modelheir.losses.features.maps import check_feature_vectors, unit_length
from modelheir.losses.gather import Gather, first_row
from modelheir.losses.precision import full_precision
from modelheir.losses.seeded_layers import seeded_linear

__all__ = ["ContrastiveRepresentationLoss"]


class ContrastiveRepresentationLoss(nn.Module):
    """Holds both projections; they must be trained, averaged over processes and saved with the model.

    Args:
        new_features: Width ``D`` of the new model's features, ``>= 1``.
        old_features: Width ``D'`` of the old model's, ``>= 1``.
        width: Of the projections, ``>= 1``.
        temperature: ``tau``, divisor of the cosines, ``> 0``.
        seed: Of the first weights; the same on every process.

    Raises:
        ValueError: If a width or setting is out of range.
    """

    def __init__(
        self,
        new_features: int,
        old_features: int,
        *,
        width: int = 128,
        temperature: float = 0.07,
        seed: int = 0,
    ) -> None:
        super().__init__()
        checks.at_least(1, new_features=new_features, old_features=old_features, width=width)
        checks.above(0, temperature=temperature)
        self.temperature = temperature
        generator = torch.Generator().manual_seed(seed)
        self.new_projection = seeded_linear(new_features, width, generator=generator)
        self.old_projection = seeded_linear(old_features, width, generator=generator)

    def per_image(self, new: Tensor, old: Tensor, *, gather: Gather | None = None) -> Tensor:
        """Return one value an image of this process, ``(N,)``, in nats, ``>= 0``, for ``new`` and ``old``.

        ``gather`` (as :func:`all_gather`) takes the images of all processes as negatives. One image alone has 0.
        """
        check_feature_vectors(new=new, old=old)
        count = new.shape[0]
        with torch.autocast(new.device.type, enabled=False):
            new = unit_length(self.new_projection(full_precision(new)))
            old = unit_length(self.old_projection(full_precision(old.detach())))
            all_new, all_old = (one if gather is None else gather(one) for one in (new, old))
            own = torch.arange(count, device=new.device)[:, None] + (0 if gather is None else first_row(count))
            parts = [
                similarity.logsumexp(dim=1) - similarity.gather(1, own)[:, 0]
                for similarity in (new @ all_old.T / self.temperature, old @ all_new.T / self.temperature)
            ]
            return (parts[0] + parts[1]).clamp_min(0) / 2

    def forward(self, new: Tensor, old: Tensor) -> Tensor:
        """Return the scalar loss for features ``new`` ``(N, D)`` and ``old`` ``(N, D')``."""
        return self.per_image(new, old).mean()
