r"""Directions in the space of all weights, with where they come from; kept as one file, and bound to its snapshots.

.. math:: c = P g, \qquad D = P^T d
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from modelheir.checks import InputError
from modelheir.runs.files import replace_file, write_json
from modelheir.subspace.layout import Layout
from modelheir.subspace.snapshot_file import read_header

__all__ = ["FILE", "Basis", "Directions", "load_basis", "write_basis"]

FILE = "basis.safetensors"
_KEY, _VERSION = "modelheir_basis", 1
_TYPES = {"F32": np.float32, "F64": np.float64}
_COLUMNS = 2**20  #: copied at a time, over all rows


class Directions(Protocol):
    """``n`` directions of ``M`` weights, however they are kept."""

    @property
    def layout(self) -> Layout:
        """Which column belongs to which parameter."""
        ...

    def __len__(self) -> int:
        """Return ``n``."""
        ...

    def project(self, vector: np.ndarray) -> np.ndarray:
        """Return ``P g``, ``(n,)``, of ``g`` ``(M,)``."""
        ...

    def expand(self, coefficients: np.ndarray) -> np.ndarray:
        """Return ``P^T d``, ``(M,)``, of ``d`` ``(n,)``."""
        ...


@dataclasses.dataclass(frozen=True, eq=False)
class Basis:
    """``n`` directions of ``M`` weights.

    ``components`` may be a map of a file. ``mixture`` writes them as sums of the snapshots, ``P = mixture @ W``, where
    they are such sums; rows of it that sum to zero do not see what all snapshots share.
    """

    components: np.ndarray  #: ``P``, ``(n, M)``, float32 (float64 of float64 snapshots)
    layout: Layout  #: which column belongs to which parameter
    kind: str  #: pca, gram_schmidt, deviations, random or dct
    fingerprint: str  #: of the snapshots; "" where it needs none
    singular_values: np.ndarray  #: ``(N,)``, of the (centred) snapshots, descending; empty where it is no PCA
    explained: np.ndarray  #: ``(n,)``, share of the variance along each direction, 0 to 1; empty where it is no PCA
    mixture: np.ndarray  #: ``(n, N)``; empty where directions are no sums of snapshots
    blocks: tuple[int, ...] = ()  #: for each parameter, which of its rows' coordinates moves it; empty: one for all
    mean: np.ndarray | None = None  #: of the snapshots, ``(M,)``

    @property
    def names(self) -> tuple[str, ...]:
        """The parameters."""
        return self.layout.names

    @property
    def shapes(self) -> tuple[tuple[int, ...], ...]:
        """Of the parameters."""
        return self.layout.shapes

    @property
    def width(self) -> int:
        """Columns ``M``."""
        return self.layout.width

    def __len__(self) -> int:
        return len(self.components)

    def project(self, vector: np.ndarray) -> np.ndarray:
        """Return ``P g``, ``(n,)``, of ``g`` ``(M,)``."""
        return self.components @ np.asarray(vector, self.components.dtype)

    def expand(self, coefficients: np.ndarray) -> np.ndarray:
        """Return ``P^T d``, ``(M,)``, of ``d`` ``(n,)``."""
        return np.asarray(coefficients, self.components.dtype) @ self.components

    def rows(self) -> dict[str, np.ndarray]:
        """Return the directions of each parameter, ``(n, *shape)``, as ``models.adapters.add_basis`` takes them."""
        return self.layout.split(self.components)

    def part(self, numbers: range) -> Basis:
        """Return some of the directions, such as those that one of several processes holds."""
        rows = slice(numbers.start, numbers.stop)
        return dataclasses.replace(
            self, components=self.components[rows], explained=self.explained[rows], mixture=self.mixture[rows]
        )

    def of_snapshots(self, coordinates: np.ndarray) -> np.ndarray:
        r"""Return how much of each snapshot is in ``P^T z``: ``\alpha = C^T z``, ``(N,)``, of ``z`` ``(n,)``.

        Raises:
            ValueError: If the directions are no sums of snapshots.
        """
        if not self.mixture.size:
            raise ValueError(f"the directions of {self.kind} are no sums of snapshots")
        return self.mixture.T @ np.asarray(coordinates, np.float64)

    def save(self, folder: Path) -> None:
        """Write ``basis.safetensors``, whole or not at all, and what it tells of itself as ``basis.json``."""
        write_basis(folder, self, (self._columns(start) for start in range(0, self.width, _COLUMNS)))

    @staticmethod
    def load(folder: Path, *, fingerprint: str | None = None) -> Basis:
        """Read a basis; its components stay in the file.

        Args:
            folder: Where it was saved.
            fingerprint: Of the snapshots that it must be of; absent takes any.

        Raises:
            InputError: If it is missing, damaged, or a basis of other snapshots.
        """
        return load_basis(Path(folder), fingerprint)

    def _columns(self, start: int) -> tuple[int, np.ndarray]:
        own = slice(start, start + _COLUMNS)
        parts = [self.components[:, own]] + ([] if self.mean is None else [self.mean[None, own]])
        return start, np.concatenate(parts)


def write_basis(folder: Path, about: Basis, parts: Iterable[tuple[int, np.ndarray]]) -> None:
    """Write a basis whose columns come in ``parts``, each with where it starts; ``about`` tells the rest of it.

    A part is ``(n, m)``, or ``(n + 1, m)`` with the mean below where ``about`` has a mean. Of ``components`` and
    ``mean`` of ``about`` itself, only shapes and types are read.
    """
    components, header, offset = about.components, {}, 0
    small = {"singular_values": about.singular_values, "explained": about.explained, "mixture": about.mixture}
    streamed = {"components": components} | ({} if about.mean is None else {"mean": about.mean})
    for name, value in {**small, **streamed}.items():
        kind = "F64" if value.dtype == np.float64 else "F32"
        end = offset + value.size * value.dtype.itemsize
        header[name] = {"dtype": kind, "shape": list(value.shape), "data_offsets": [offset, end]}
        offset = end
    facts = _facts(about)
    text = json.dumps({"__metadata__": {_KEY: json.dumps(facts)}, **header}).encode()
    text += b" " * (-len(text) % 8)

    def write(temporary: Path) -> None:
        with temporary.open("r+b") as handle:
            handle.write(len(text).to_bytes(8, "little") + text)
            for value in small.values():
                handle.write(np.ascontiguousarray(value).tobytes())
            base, item = handle.tell(), components.dtype.itemsize
            for start, part in parts:
                for number, row in enumerate(part):
                    handle.seek(base + (number * about.width + start) * item)
                    handle.write(np.ascontiguousarray(row).data)

    replace_file(folder / FILE, write)
    write_json(folder / "basis.json", {**facts, "explained": about.explained, "singular_values": about.singular_values})


def load_basis(folder: Path, fingerprint: str | None) -> Basis:
    """Read a basis, as :meth:`Basis.load` does."""
    path = folder / FILE
    advice = "Delete it, and it is made again from the snapshots"
    if not path.is_file():
        raise InputError(f"{path} is missing: no basis was saved there.")
    try:
        header, base = read_header(path)
        facts = json.loads(header["__metadata__"][_KEY])
        layout = Layout(tuple(facts["names"]), tuple(tuple(shape) for shape in facts["shapes"]))
        found = {name: _map(path, base, header[name]) for name in header if name != "__metadata__"}
        basis = Basis(
            found["components"],
            layout,
            facts["kind"],
            facts["fingerprint"],
            *(np.array(found[name]) for name in ("singular_values", "explained", "mixture")),
            blocks=tuple(facts["blocks"]),
            mean=found.get("mean"),
        )
        if basis.components.shape != (facts["count"], layout.width):
            raise ValueError("its directions have another shape than it says")
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise InputError(f"{path} is not a whole basis ({error}). {advice}.") from error
    if fingerprint is not None and fingerprint != basis.fingerprint:
        raise InputError(f"{path} is a basis of other snapshots than those at hand. {advice}.")
    return basis


def _facts(about: Basis) -> dict[str, Any]:
    return {
        "version": _VERSION,
        "kind": about.kind,
        "fingerprint": about.fingerprint,
        "count": len(about.components),
        "names": list(about.names),
        "shapes": [list(shape) for shape in about.shapes],
        "blocks": list(about.blocks),
    }


def _map(path: Path, base: int, entry: Mapping[str, Any]) -> np.ndarray:
    kind, shape = np.dtype(_TYPES[entry["dtype"]]), tuple(entry["shape"])
    begin, end = entry["data_offsets"]
    if end - begin != kind.itemsize * int(np.prod(shape)):
        raise ValueError("it is damaged")
    if base + end > path.stat().st_size:
        raise ValueError("it is cut short")
    if begin == end:
        return np.zeros(shape, kind)
    return np.memmap(path, kind, "r", offset=base + begin, shape=shape)
