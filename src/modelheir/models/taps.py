"""Take features out of a network by the path of a module, its output or its input; the network is not edited.

Forward hooks are registered once. They keep tensors only inside :meth:`Taps.record`, and only those of that call, so
that no value of an earlier step can be used. Names of weights, saved files and exports stay what they are, and a copy
of the network (``copy.deepcopy``, pickle) is one without taps. Hooks are part of what ``torch.compile`` compiles where
they are registered first.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import torch
from torch import Tensor, nn

from modelheir.checks import InputError
from modelheir.config.taps import FEATURES, Tap, parse_tap
from modelheir.models.module_names import find_module, title

__all__ = ["Taps", "times_written"]


class Taps:
    """The places of a network that features are taken from.

    Example:
        >>> net = nn.Sequential(nn.Linear(2, 3), nn.ReLU())
        >>> taps = Taps(net, ["0", "1:in"])
        >>> with taps.record() as found:
        ...     _ = net(torch.ones(4, 2))
        >>> found["0"].shape, found["0"] is found["1:in"]
        (torch.Size([4, 3]), True)
    """

    def __init__(
        self, model: nn.Module, paths: Iterable[str | Tap], *, detach: bool = False, copy: bool = False
    ) -> None:
        """Register the hooks.

        Args:
            model: Any network.
            paths: As :func:`modelheir.config.taps.parse_tap` reads them. ``features`` are those in a classifier's
                :class:`~modelheir.types.Outputs`; of another network a module of that name.
            detach: Without gradient, as of a teacher.
            copy: Keep copies, for tensors that the network overwrites in place afterwards.

        Raises:
            InputError: If there is no such module; nothing is registered then.
        """
        taps = {str(path): path if isinstance(path, Tap) else parse_tap(path) for path in paths}
        places = {name: _place(model, tap) for name, tap in taps.items()}
        self.names = tuple(taps)  #: the keys of what is recorded: the paths as they were given
        self.detach, self.copy = detach, copy
        self._title = title(model)
        self._found: dict[str, Tensor] | None = None
        self._versions: dict[str, int] = {}
        self._handles = []
        for name, tap in taps.items():
            place = places[name]
            if tap.inputs:
                self._handles.append(place.register_forward_pre_hook(_InputHook(self, name), with_kwargs=True))
            else:
                self._handles.append(place.register_forward_hook(_OutputHook(self, name)))

    @contextlib.contextmanager
    def record(self) -> Iterator[dict[str, Tensor]]:
        """Keep the tensors of the calls inside.

        Yields:
            Path as given to tensor; empty until the network was called. Of several outputs or inputs the first tensor;
            of a module that ran several times the last call's. It is a new dictionary each time.

        Raises:
            InputError: At the end: if a module did not run, or what was kept was overwritten since.
            ValueError: If these taps are closed, or recording already.
        """
        if self._found is not None or not self._handles:
            raise ValueError("these taps are recording already" if self._handles else "these taps are closed")
        found = self._found = {}
        self._versions = {}
        try:
            yield found
        finally:
            self._found = None
        missing = [name for name in self.names if name not in found]
        if missing:
            raise InputError(
                f"tap {missing[0]!r} did not run in this call of {self._title}: choose a module that its forward pass "
                "calls, in this mode."
            )
        lost = [name for name in found if self._versions.get(name) not in (None, times_written(found[name]))]
        if lost:
            raise InputError(
                f"tap {lost[0]!r} of {self._title}: what comes next overwrites this tensor in place; tap what comes "
                "next, or keep copies (copy=True)."
            )

    def close(self) -> None:
        """Remove the hooks."""
        for handle in self._handles:
            handle.remove()
        self._handles = []

    def keep(self, name: str, value: Any) -> None:
        """Take what a hook was given; outside :meth:`record` nothing is kept."""
        if self._found is None:
            return
        tensor = _first_tensor(value)
        if tensor is None:
            raise InputError(f"tap {name!r} of {self._title}: there is no tensor, but {type(value).__name__}.")
        tensor = tensor.detach() if self.detach else tensor
        if torch.compiler.is_compiling():  # there a copy costs nothing, and versions are not counted
            self._found[name] = tensor.clone()
            return
        self._found[name] = tensor.clone() if self.copy else tensor
        self._versions[name] = times_written(self._found[name])

    def __reduce__(self) -> Any:
        raise TypeError("taps belong to one network: make new ones for its copy")


def times_written(tensor: Tensor) -> int:
    """Return how often a tensor was written to in place; 0 in inference mode, where torch does not count."""
    try:
        return tensor._version
    except RuntimeError:
        return 0


class _Hook:
    """What a network holds of its taps; copied or pickled with the network, it becomes one that does nothing."""

    def __init__(self, taps: Taps, name: str) -> None:
        self.taps, self.name = taps, name

    def __reduce__(self) -> Any:
        return _get_nothing, ()


class _OutputHook(_Hook):
    def __call__(self, module: nn.Module, inputs: Any, output: Any) -> None:
        self.taps.keep(self.name, output)


class _InputHook(_Hook):
    def __call__(self, module: nn.Module, inputs: Any, keywords: Mapping[str, Any]) -> None:
        self.taps.keep(self.name, (inputs, keywords))


def _nothing(*_: Any) -> None:
    """Stand in for a hook in a copy."""


def _get_nothing() -> Any:
    return _nothing


def _place(model: nn.Module, tap: Tap) -> nn.Module:
    """Return the module to hook; a classifier's features come out of its embedding, be there a layer or none."""
    names = dict(model.named_children())
    if tap.path != FEATURES or FEATURES in names:
        return find_module(model, tap.path)
    inner = names.get("model", model)  # a transplanted old head stands beside the model
    if not isinstance(getattr(inner, "embedding", None), nn.Module):
        raise InputError(f"tap {FEATURES!r}: {title(model)} is no classifier that says its features; name a module.")
    return inner.get_submodule("embedding")


def _first_tensor(value: Any) -> Tensor | None:
    if isinstance(value, Tensor):
        return value
    inner = value.values() if isinstance(value, Mapping) else value if isinstance(value, tuple | list) else ()
    return next((found for one in inner if (found := _first_tensor(one)) is not None), None)
