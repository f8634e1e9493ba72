r"""Labels that a model is sure of: its most probable class, where that is probable enough.

.. math:: \hat y_n = \arg\max_c p_{nc} \;\text{ if } \max_c p_{nc} \ge \tau, \text{ else } -1,
          \quad p = \mathrm{softmax}(z)

Pseudo-labels of Lee, "Pseudo-Label", 2013, ICML workshop on challenges in representation learning, with the threshold
of Sohn et al., "FixMatch", 2020, arXiv:2001.07685, eq. 4. With :func:`cross_entropy`, which counts an image without a
label as 0, the mean over a batch is FixMatch's loss of unlabelled images.
"""

import torch
from torch import Tensor

from modelheir import checks
from modelheir.losses.precision import full_precision

__all__ = ["confident_labels"]


@torch.no_grad()
def confident_labels(logits: Tensor, *, threshold: float) -> Tensor:
    """Return each image's most probable class, or -1 where it is not probable enough.

    Args:
        logits: Shape ``(N, C)``. No gradient flows.
        threshold: Lowest probability of the class, 0 to 1; 0 labels every image.

    Returns:
        int64 ``(N,)``; of equal probabilities the first class.

    Raises:
        ValueError: If the shape does not fit or the threshold is out of range.

    Example:
        >>> confident_labels(torch.tensor([[3.0, 0.0], [0.1, 0.2]]), threshold=0.9)
        tensor([ 0, -1])
    """
    checks.two_dimensional(logits=logits)
    checks.in_range(0, 1, threshold=threshold)
    most, labels = full_precision(logits).softmax(dim=1).max(dim=1)
    return labels.masked_fill(most < threshold, -1)
