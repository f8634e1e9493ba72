"""Settings of the distillation losses that compare logits, a group a loss, named as the loss."""

from __future__ import annotations

import dataclasses

__all__ = ["LogitSettings"]


@dataclasses.dataclass(frozen=True)
class LogitSettings:
    """A group of settings for each distillation loss of logits that has any."""
