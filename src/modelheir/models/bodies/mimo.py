r"""Several inputs, several outputs: an ensemble of ``M`` members inside one network.

.. math:: z^1, \dots, z^M = h\big(g(x_{\pi_1(n)}, \dots, x_{\pi_M(n)})\big), \qquad
          \bar z(x) = \tfrac{1}{M} \sum_m z^m(x, \dots, x)

In training, images from ``M`` shuffles of the batch are joined along the channels, and head ``m`` learns the label
of its own image. In evaluation one image is repeated ``M`` times and the ``M`` logits are averaged.

Havasi et al., "Training Independent Subnetworks for Robust Prediction", 2021, arXiv:2010.06610, section 2. Ours
differs: the first member keeps the batch's order, and logits go back to the rows of the labels they belong to, so no
loss needs to know of shuffles; at test time logits are averaged where the paper averages probabilities.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from modelheir import checks

__all__ = ["average_members", "join_members", "repeat_members", "split_members", "widen_input"]


def join_members(images: Tensor, *, members: int, repetition: float = 0.4) -> tuple[Tensor, Tensor]:
    """Join each image with ``members - 1`` others along the channels, for training.

    Args:
        images: ``(N, channels, H, W)``, normalised.
        members: ``M``, ``>= 1``.
        repetition: Share of rows in which all members see the same image, 0 to 1, rounded to whole rows. The earlier
            system's ``rho`` is one minus this.

    Returns:
        The joined images, ``(N, M * channels, H, W)``, and the order, int64 ``(M, N)``: row ``n`` shows image
        ``order[m, n]`` to member ``m``. ``order[0]`` counts from 0 to ``N - 1``. Draws are from the global random
        state of the images' device.

    Raises:
        ValueError: If a setting is out of range.

    Example:
        >>> joined, order = join_members(torch.zeros(4, 3, 8, 8), members=2, repetition=1.0)
        >>> joined.shape, order[1]
        (torch.Size([4, 6, 8, 8]), tensor([0, 1, 2, 3]))
    """
    checks.at_least(1, members=members)
    checks.in_range(0, 1, repetition=repetition)
    n, device = images.shape[0], images.device
    rows = torch.arange(n, device=device)
    moving = n - round(repetition * n)
    chosen = torch.randperm(n, device=device)[:moving] if members > 1 else rows[:0]
    orders = [rows]
    for _ in range(members - 1):
        shuffled = chosen[torch.randperm(moving, device=device)]
        orders.append(rows.index_copy(0, chosen, shuffled))
    order = torch.stack(orders)
    return images[order.T].flatten(1, 2), order


def split_members(logits: Tensor, order: Tensor) -> tuple[Tensor, ...]:
    """Split joint logits and bring each member's back to the order of the batch.

    Args:
        logits: Of the joint head, ``(N, M * C)``; member ``m`` owns columns ``m * C`` to ``(m + 1) * C``.
        order: As :func:`join_members` returns it, ``(M, N)``.

    Returns:
        ``M`` tensors ``(N, C)``; row ``n`` of each belongs to image ``n`` and its label.

    Raises:
        ValueError: If the columns do not divide by ``M``.

    Example:
        >>> split_members(torch.tensor([[1.0, 10.0], [2.0, 20.0]]), torch.tensor([[0, 1], [1, 0]]))
        (tensor([[1.], [2.]]), tensor([[20.], [10.]]))
    """
    members = _members_first(logits, order.shape[0])
    return tuple(part.index_select(0, back) for part, back in zip(members, order.argsort(dim=1), strict=True))


def repeat_members(images: Tensor, *, members: int) -> Tensor:
    """Show the same image to every member, for evaluation: ``(N, channels, H, W)`` to ``(N, M * channels, H, W)``."""
    checks.at_least(1, members=members)
    return images.repeat(1, members, *[1] * (images.ndim - 2))


def average_members(logits: Tensor, *, members: int) -> Tensor:
    """Average the members' logits, ``(N, M * C)`` to ``(N, C)``, for evaluation.

    Example:
        >>> average_members(torch.tensor([[1.0, 0.0, 3.0, 4.0]]), members=2)
        tensor([[2., 2.]])
    """
    return _members_first(logits, members).mean(dim=0)


def widen_input(body: nn.Module, *, members: int, keep_weights: bool = False) -> nn.Module:
    """Make the first convolution of ``body`` read ``members`` images joined along the channels; edits the body.

    Args:
        body: Any network that begins with a convolution without groups.
        members: ``M``, ``>= 1``; 1 changes nothing.
        keep_weights: Repeat the weights, divided by ``M``, so that a repeated image gives what it gave before (for
            pretrained weights). Otherwise draw them anew with the spread that keeps the size of the output.

    Returns:
        The body.

    Raises:
        ValueError: If there is no such convolution.
    """
    checks.at_least(1, members=members)
    if members == 1:
        return body
    found = next(((name, part) for name, part in body.named_modules() if isinstance(part, nn.Conv2d)), None)
    if found is None or found[1].groups != 1 or not found[0]:
        raise ValueError("several inputs need a network that begins with a plain convolution, and this one does not")
    name, old = found
    new = nn.Conv2d(
        old.in_channels * members,
        old.out_channels,
        old.kernel_size,  # pyright: ignore[reportArgumentType]
        stride=old.stride,  # pyright: ignore[reportArgumentType]
        padding=old.padding,  # pyright: ignore[reportArgumentType]
        dilation=old.dilation,  # pyright: ignore[reportArgumentType]
        bias=old.bias is not None,
        padding_mode=old.padding_mode,  # pyright: ignore[reportArgumentType]
        device=old.weight.device,
        dtype=old.weight.dtype,
    )
    with torch.no_grad():
        if keep_weights:
            new.weight.copy_(old.weight.repeat(1, members, 1, 1) / members)
        else:
            new.weight.normal_(0, float(old.weight.std()) / members**0.5)
        if new.bias is not None and old.bias is not None:
            new.bias.copy_(old.bias)
    parent, _, last = name.rpartition(".")
    setattr(body.get_submodule(parent), last, new)
    return body


def _members_first(logits: Tensor, members: int) -> Tensor:
    checks.two_dimensional(logits=logits)
    checks.at_least(1, members=members)
    if logits.shape[1] % members:
        raise ValueError(f"{logits.shape[1]} logits do not divide among {members} members")
    return logits.unflatten(1, (members, -1)).transpose(0, 1)
