"""Cut a network at a module: drop what comes after it, freeze what comes before it, put other layers in.

Before and after are meant as modules are registered, which is the order of the forward pass in the networks of
torchvision, timm and this package: on the way from the network to the module, in every container. What a network does
without modules (flattening, means over positions, sums) stays. So cut at the end of a block, not inside one that has
a shortcut. ``Classifier.spec`` goes on describing the whole network: a cut one is for computing and training in one
program, and a run folder cannot hold it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import TypeVar

from torch import nn

from modelheir.checks import InputError
from modelheir.config.taps import parse_tap
from modelheir.models.module_names import find_module, title
from modelheir.models.teachers.freeze import freeze

__all__ = ["freeze_before", "on_the_way", "replace_layers", "stop_after"]

Module = TypeVar("Module", bound=nn.Module)


def stop_after(model: Module, path: str) -> Module:
    """Make every module after the one at ``path`` an identity; edits in place, and their weights are gone.

    Args:
        model: Any network that runs its modules as they are registered.
        path: Of the last module that still computes; with dots or brackets.

    Returns:
        ``model``. Of a classifier, logits and features are now the mean over positions of what the module returns, or
        its flattened map where the architecture flattens after a pooling module.

    Raises:
        InputError: If there is no such module.

    Example:
        >>> stop_after(nn.Sequential(nn.Linear(1, 1), nn.ReLU(), nn.Linear(1, 5)), "1")
        Sequential( (0): Linear(in_features=1, out_features=1, bias=True) (1): ReLU() (2): Identity() )
    """
    for container, _, after in on_the_way(model, path):
        for name in after:
            _blank(container, name)
    return model


def freeze_before(model: Module, path: str) -> Module:
    """Freeze the module at ``path`` and every one before it, so that no gradient goes further; edits in place.

    Batch normalisations among them stay in evaluation mode, so that their statistics do not move either.

    Args:
        model: Any network that runs its modules as they are registered.
        path: Of the last module that does not train; with dots or brackets.

    Returns:
        ``model``.

    Raises:
        InputError: If there is no such module.

    Example:
        >>> net = freeze_before(nn.Sequential(nn.Linear(1, 1), nn.ReLU(), nn.Linear(1, 5)), "1")
        >>> [name for name, p in net.named_parameters() if p.requires_grad]
        ['2.weight', '2.bias']
    """
    for container, before, _ in on_the_way(model, path):
        for name in before:
            freeze(container.get_submodule(name))
        for parameter in container.parameters(recurse=False):  # tokens and position tables join the first block
            parameter.requires_grad_(False)
    freeze(find_module(model, parse_tap(path).path))
    return model


def replace_layers(model: Module, paths: Iterable[str], function: Callable[[nn.Module], nn.Module]) -> Module:
    """Put ``function(module)`` in the place of each module named; edits in place.

    Args:
        model: Any network.
        paths: With dots or brackets; each is looked up before anything is replaced.
        function: The old module to the new one, which takes over its mode (training or evaluation).

    Returns:
        ``model``.

    Raises:
        InputError: If there is no such module, or one lies inside another.

    Example:
        >>> replace_layers(nn.Sequential(nn.ReLU(), nn.Linear(1, 1)), ["0"], lambda old: nn.SiLU())[0]
        SiLU()
    """
    names = list(dict.fromkeys(parse_tap(path).path for path in paths))
    found = {name: find_module(model, name) for name in names}
    for name in names:
        outer = next((other for other in names if name.startswith(f"{other}.")), None)
        if outer is not None:
            raise InputError(f"{name!r} lies inside {outer!r} of {title(model)}: replace one of them.")
    for name, old in found.items():
        parent, _, last = name.rpartition(".")
        new = function(old)
        setattr(model.get_submodule(parent), last, new.train(old.training))
    return model


def _blank(container: nn.Module, name: str) -> None:
    """Put in the place of a module what passes its input on: an identity, or a list with nothing to loop over."""
    old = container.get_submodule(name)
    if isinstance(old, nn.ModuleDict):
        for key in old:
            _blank(old, key)
    else:
        setattr(container, name, nn.ModuleList() if isinstance(old, nn.ModuleList) else nn.Identity())


def on_the_way(model: nn.Module, path: str) -> Iterator[tuple[nn.Module, list[str], list[str]]]:
    """Yield each container on the way, with the names of its modules before and after the way."""
    whole = parse_tap(path).path
    find_module(model, whole)
    container = model
    for piece in whole.split("."):
        names = list(container._modules)
        place = names.index(piece)
        yield container, names[:place], names[place + 1 :]
        container = container.get_submodule(piece)
