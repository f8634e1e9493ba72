"""What a tap would give, before anything trains: shapes by path, and where each resolution of a network ends.

Both come from one call with a blank image in evaluation mode, which moves nothing.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor, nn

from modelheir.checks import InputError
from modelheir.config.taps import Tap
from modelheir.models.groups import is_block, parts
from modelheir.models.module_names import title
from modelheir.models.taps import Taps, times_written

__all__ = ["stage_taps", "tap_shapes"]


def tap_shapes(model: nn.Module, paths: Iterable[str | Tap], image_size: int) -> dict[str, tuple[int, ...]]:
    """Return the shapes of taps, without the batch, by one call with a blank image in evaluation mode.

    Args:
        model: A network of images ``(N, 3, H, W)``; weights, statistics and modes stay as they are.
        paths: As :class:`Taps` takes them.
        image_size: Height and width of the image in pixels, ``>= 1``.

    Raises:
        InputError: If there is no such module, or it does not run.

    Example:
        >>> from modelheir.models import build
        >>> tap_shapes(build("convnet", classes=["a", "b"], image_size=8), ["body.blocks.1", "features"], 8)
        {'body.blocks.1': (64, 4, 4), 'features': (128,)}
    """
    taps = Taps(model, paths, copy=True)
    try:
        with taps.record() as found:
            _call_blank(model, image_size)
    finally:
        taps.close()
    return {name: tuple(found[name].shape[1:]) for name in taps.names}


def stage_taps(model: nn.Module, image_size: int) -> list[tuple[str, tuple[int, ...]]]:
    """Return where each resolution of a network ends: the last part of it with maps of that size.

    Parts are those of :func:`~modelheir.models.stages`: stems, blocks or whole stages, whatever the architecture's own
    list holds. Parts whose result the next one overwrites, and what follows the pooling over all positions, are left
    out.

    Args:
        model: A :class:`~modelheir.models.Classifier`, or one with a transplanted head; it stays as it is.
        image_size: Height and width of the image in pixels. It should be large enough for the last maps to have
            several positions, as stages of one position cannot be told apart.

    Returns:
        Module path and shape without the batch, the deepest last: ``(C, H, W)``; of a transformer of one resolution
        every block with its tokens ``(T, D)``.

    Raises:
        InputError: If the network has no maps, or keeps channels last (Swin): name its modules then.

    Example:
        >>> from modelheir.models import build
        >>> stage_taps(build("convnet", classes=["a", "b"], image_size=8), 8)
        [('body.blocks.0', (32, 8, 8)), ('body.blocks.1', (64, 4, 4)), ('body.blocks.2', (128, 2, 2))]
    """
    inner = model.get_submodule("model") if "model" in dict(model.named_children()) else model
    prefix = "model.body." if inner is not model else "body."
    found: dict[str, tuple[nn.Module, Tensor, int]] = {}

    def note(path: str) -> Any:
        def hook(module: nn.Module, inputs: Any, output: Any) -> None:
            if isinstance(output, Tensor):
                found.pop(path, None)  # the last call counts, in its place
                found[path] = (module, output, times_written(output))

        return hook

    body = inner.get_submodule("body")
    handles = [part.register_forward_hook(note(f"{prefix}{name}")) for name, part, _ in parts(body)]
    try:
        _call_blank(model, image_size)
    finally:
        for handle in handles:
            handle.remove()
    shapes: dict[str, tuple[int, ...]] = {}
    for path, (part, output, written) in found.items():
        if "Adaptive" in type(part).__name__:  # the pooling over all positions, in torch and timm
            break
        if written == times_written(output):
            shapes[path] = tuple(output.shape[1:])
    tokens = [(path, shape) for path, shape in shapes.items() if len(shape) == 2 and is_block(found[path][0])]
    maps = {path: shape for path, shape in shapes.items() if len(shape) == 3}
    if len(tokens) > 1:
        return tokens
    if not maps:
        raise InputError(f"{title(model)} has no maps with positions: tap features, or name a module.")
    if any(height != width for _, height, width in maps.values()):
        raise InputError(
            f"{title(model)} keeps its channels last, which losses of maps do not read: tap features, or name modules."
        )
    last = {shape[1:]: (path, shape) for path, shape in maps.items()}
    return sorted(last.values(), key=lambda tap: list(maps).index(tap[0]))


@torch.no_grad()
def _call_blank(model: nn.Module, image_size: int) -> None:
    """Call a network with a blank image in evaluation mode, and give every module its mode back."""
    modes = {module: module.training for module in model.modules()}
    first = next(model.parameters())
    kind = first.dtype if first.is_floating_point() else torch.float32
    model.eval()
    try:
        model(torch.zeros(1, 3, image_size, image_size, device=first.device, dtype=kind))
    finally:
        for module, mode in modes.items():
            module.training = mode
