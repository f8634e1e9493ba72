r"""The door: a weight becomes a function of others, and a plain weight again.

.. math:: w = f(w_0;\ \theta), \qquad w_0 \text{ fixed},\ \theta \text{ trained}

Inside, ``module.weight`` is computed wherever it is read; outside, :func:`plain_state` and :func:`merge_weights` give
the network's own names and shapes, so that what a run keeps loads everywhere. On torch's parametrisations.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn
from torch.nn.utils import parametrize

__all__ = ["is_function", "load_plain", "merge_weights", "plain_state", "reparametrise", "trained_names"]


def reparametrise(module: nn.Module, name: str, function: nn.Module) -> None:
    """Let ``module.<name>`` be ``function(weight as it is now)``; edits in place.

    Args:
        module: The layer that holds the parameter itself.
        name: The parameter's name in it.
        function: Takes the fixed weight, returns one of its shape and type. Its own parameters train; gradients do not
            reach the fixed weight.

    Raises:
        ValueError: If ``module`` has no such parameter, or the function changes shape or type.

    Example:
        >>> layer = nn.Linear(2, 2)
        >>> reparametrise(layer, "weight", nn.Tanh())
        >>> layer.weight.requires_grad, sorted(layer.state_dict())
        (False, ['bias', 'parametrizations.weight.original'])
    """
    if not isinstance(dict(module.named_parameters(recurse=False)).get(name), nn.Parameter):
        raise ValueError(f"{type(module).__name__} has no parameter {name!r} of its own")
    parametrize.register_parametrization(module, name, function)
    module.get_submodule(f"parametrizations.{name}").original.requires_grad_(False)  # type: ignore[union-attr]


def is_function(module: nn.Module) -> bool:
    """Tell whether any weight inside ``module`` is a function of others."""
    return any(parametrize.is_parametrized(part) for part in module.modules())


@torch.no_grad()
def plain_state(module: nn.Module) -> dict[str, Tensor]:
    """Return the state dict that ``module`` would have with plain weights; ``module`` stays as it is."""
    state = module.state_dict()
    for path, part in list(module.named_modules()):
        for name in _names(part):
            prefix = f"{path}." if path else ""
            within = f"{prefix}parametrizations.{name}."
            state = {key: value for key, value in state.items() if not key.startswith(within)}
            state[f"{prefix}{name}"] = getattr(part, name).detach()
    return state


def trained_names(module: nn.Module) -> list[str]:
    """Return the names that the moving parameters of ``module`` have with plain weights.

    Those are the parameters with gradients, and weights that are functions of others. A parameter that has several
    names counts once.

    Example:
        >>> layer = nn.Linear(2, 2)
        >>> _ = layer.bias.requires_grad_(False)
        >>> reparametrise(layer, "weight", nn.Tanh())
        >>> trained_names(layer)
        ['weight']
    """
    found: list[str] = []
    for path, part in module.named_modules():
        prefix = f"{path}." if path else ""
        found += [f"{prefix}{name}" for name in _names(part)]
    moving = [name for name, one in module.named_parameters() if one.requires_grad]
    return [*[name for name in moving if "parametrizations." not in name], *found]


def merge_weights(module: nn.Module) -> None:
    """Put plain weights in the place of functions, with the values that these have now; edits in place."""
    for part in list(module.modules()):
        for name in _names(part):
            parametrize.remove_parametrizations(part, name, leave_parametrized=True)


def load_plain(module: nn.Module, state: Mapping[str, Tensor]) -> None:
    """Load plain weights into ``module``, whose functions must change nothing yet, as adapters do at first.

    Raises:
        RuntimeError: By torch, if a weight is missing, is none of the module's, or has another shape.
    """
    own, names = module.state_dict(), {}
    for path, part in module.named_modules():
        for name in _names(part):
            prefix = f"{path}." if path else ""
            names[f"{prefix}{name}"] = f"{prefix}parametrizations.{name}.original"
    functions = {key: value for key, value in own.items() if "parametrizations." in key}
    module.load_state_dict({**functions, **{names.get(key, key): value for key, value in state.items()}})


def _names(part: nn.Module) -> list[str]:
    held = part.parametrizations if parametrize.is_parametrized(part) else {}
    return list(held)  # pyright: ignore[reportArgumentType]
