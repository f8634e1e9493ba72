"""Keep what a model says about each crop while ten-crop evaluation averages them."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from modelheir import inference

if TYPE_CHECKING:
    import numpy as np
    from torch import Tensor

    from modelheir.inference.runtime import Runtime
    from modelheir.types import Batch, Outputs

__all__ = ["CropLogits"]


class CropLogits:
    """Collects the logits of every view, batch by batch."""

    def __init__(self) -> None:
        self._index: list[Tensor] = []
        self._logits: list[Tensor] = []

    def average(self, network: Callable[[Any], Outputs], batch: Batch) -> Outputs:
        """Classify a batch of several views as :func:`average_views` does, and keep the logits of each view."""
        import torch

        seen: list[Tensor] = []

        def watched(images: Any) -> Outputs:
            outputs = network(images)
            seen.append(outputs.logits.float())
            return outputs

        outputs = inference.average_views(watched, batch)  # type: ignore[arg-type]
        self._index.append(batch.index)
        self._logits.append(torch.stack(seen, dim=1))
        return outputs

    def together(self, runtime: Runtime) -> np.ndarray:
        """Return the logits ``(N, V, C)`` of all processes in the order of the rows, each row once."""
        import numpy as np
        import torch

        none = torch.empty(0, dtype=torch.int64, device=runtime.device)
        rows = runtime.gather_rows(torch.cat(self._index) if self._index else none).cpu().numpy()
        position = np.unique(rows, return_index=True)[1]
        return inference.gather_parts(self._logits, runtime, dims=3)[position]
