"""Settings of the distillation losses that compare features or maps of features, a group a loss, named as the loss."""

from __future__ import annotations

import dataclasses

__all__ = ["FeatureSettings"]


@dataclasses.dataclass(frozen=True)
class FeatureSettings:
    """A group of settings for each distillation loss of features that has any."""
