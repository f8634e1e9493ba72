"""The stages of a network from stem to head, and a learning-rate multiplier for each.

A stage begins where the resolution falls, and where the first block (a part made of parts) follows the stem; the
classifier layer, with an embedding and all auxiliary heads, is the last. Transformers of one resolution have a stage
a block. So a ResNet has six: stem, four stages, head. A part called ``stem`` is never a block, however it is made; one
called ``layerN`` always begins a stage.

The lists of PaddleClas (``lr_mult_list``: five for ResNets and PP-HGNetV2, six for PP-LCNet) leave the classifier layer
out, which trains at 1 there; :func:`parameter_groups` takes them as they are. Ours differs: every weight of a stage
gets its multiplier, batch normalisations and a convolution right before the classifier included.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from torch import Tensor, nn

from modelheir.checks import InputError
from modelheir.models.module_names import title

__all__ = ["is_block", "layers", "parameter_groups", "parts", "stages"]

#: containers whose children are parts of the network in order
_OPEN = {"net", "body", "features", "layers", "stages", "trunk_output", "blocks", "encoder"}
_NECKS = ("neck", "aux", "AuxLogits")  #: belong to heads
_MERGING = ("PatchMerging", "PatchMergingV2")


def stages(model: nn.Module) -> list[list[str]]:
    """Return the parameter names of each stage, stem first and head last; every parameter is in exactly one.

    Args:
        model: A :class:`~modelheir.models.Classifier`, or one with a transplanted head.
    """
    inner = model.get_submodule("model") if "model" in dict(model.named_children()) else model
    prefix = "model." if inner is not model else ""
    body = inner.get_submodule("body")
    groups: list[list[str]] = []
    blocks, fresh = False, True  # whether a block was met; whether the next part begins a stage
    last_top = ""
    for name, part, begins in parts(body):
        names = [f"{prefix}body.{name}.{key}" for key, _ in part.named_parameters()]
        composite = is_block(part) and name.rpartition(".")[2] != "stem"
        hidden = name.split(".")[0] == "classifier" and last_top != "classifier" and isinstance(part, nn.Linear)
        transformer = composite and blocks and _is_transformer(part)
        fresh = fresh or begins or _shrinks(part) or (composite and not blocks) or hidden or transformer
        fresh = fresh or re.fullmatch(r"layer\d+", name) is not None
        if names:
            if fresh:
                groups.append([])
            groups[-1] += names
            fresh = False
        blocks = blocks or composite
        last_top = name.split(".")[0] if names else last_top
    every = [name for name, _ in model.named_parameters()]
    taken = {name for group in groups for name in group}
    own = [name for name in every if name not in taken and name.startswith(f"{prefix}body.") and not _neck(name)]
    if own:  # tokens and position tables that are parameters of the body itself
        groups = [own + groups[0], *groups[1:]] if groups else [own]
        taken |= set(own)
    return [*groups, [name for name in every if name not in taken]]


def layers(model: nn.Module) -> dict[str, list[str]]:
    """Return the parameter names of each stage by its name: ``conv1`` (stem), ``layer1``, ..., ``fc`` (head).

    The names are those of a ResNet, whatever the network calls its parts; the order is from the images to the logits,
    and so the one in which a network is unfrozen step by step, or backwards.

    Args:
        model: As for :func:`stages`.

    Example:
        >>> from modelheir.models import build
        >>> {name: len(group) for name, group in layers(build("resnet8", classes=["a", "b"], image_size=8)).items()}
        {'conv1': 3, 'layer1': 6, 'layer2': 9, 'layer3': 9, 'fc': 2}
    """
    first, *between, last = stages(model)
    return {"conv1": first, **{f"layer{number}": group for number, group in enumerate(between, 1)}, "fc": last}


def parameter_groups(model: nn.Module, multipliers: Sequence[float]) -> list[tuple[list[Tensor], float]]:
    """Return ``(parameters, multiplier)`` for each stage; parameters that do not train are left out.

    Args:
        model: As for :func:`stages`.
        multipliers: Of the learning rate, ``>= 0``, one a stage, stem first; or one fewer, and the head's is 1. At 0
            weights stay, while statistics of batch normalisation move.

    Raises:
        InputError: If their number is neither.
    """
    groups = stages(model)
    if len(multipliers) not in (len(groups), len(groups) - 1):
        raise InputError(
            f"fit.lr_multipliers has {len(multipliers)} values, and {title(model)} has {len(groups)} stages (stem "
            f"first, head last): give {len(groups)}, or {len(groups) - 1} and the head's is 1."
        )
    rates = [*multipliers, 1.0][: len(groups)]
    found = dict(model.named_parameters())
    chosen: list[tuple[list[Tensor], float]] = [
        ([found[name] for name in group if found[name].requires_grad], m)
        for group, m in zip(groups, rates, strict=True)
    ]
    return [(parameters, multiplier) for parameters, multiplier in chosen if parameters]


def parts(module: nn.Module, prefix: str = "") -> Iterator[tuple[str, nn.Module, bool]]:
    """Yield path, part and whether it always begins a stage (an item of a module list), with containers opened."""
    for name, child in module.named_children():
        path = f"{prefix}{name}"
        if _neck(path):
            continue
        if name in _OPEN or (name == "classifier" and isinstance(child, nn.Sequential)):
            yield from parts(child, f"{path}.")
        else:
            yield path, child, isinstance(module, nn.ModuleList)


def _neck(name: str) -> bool:
    return any(piece.startswith(_NECKS) for piece in name.split("."))


def is_block(part: nn.Module) -> bool:
    """Tell whether a part is made of parts that are made of parts."""
    return any(True for child in _inner(part) for _ in _inner(child))


def _inner(part: nn.Module) -> list[nn.Module]:
    """Return what a part is made of, without the adapters of its own weights."""
    return [child for name, child in part.named_children() if name != "parametrizations"]


def _is_transformer(part: nn.Module) -> bool:
    """Tell whether this is one block with attention at its top, as in a network of one resolution."""
    return any("Attention" in type(child).__name__ for child in part.children())


def _shrinks(part: nn.Module) -> bool:
    for module in part.modules():
        if isinstance(module, nn.Conv2d | nn.MaxPool2d | nn.AvgPool2d):
            stride = module.stride
            if max(stride if isinstance(stride, tuple) else (stride,)) > 1:
                return True
        elif type(module).__name__ in _MERGING:
            return True
    return False
