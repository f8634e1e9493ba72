r"""A basis in few bits: each direction's part in each parameter as codes between its least and largest number.

.. math:: q = \mathrm{round}\left((p - p_{min}) / \Delta\right), \quad \Delta = (p_{max} - p_{min}) / (2^b - 1), \qquad
          \hat p \cdot g = \Delta\,(q \cdot g) + p_{min} \sum_j g_j

Li et al., "Trainable Weight Averaging", 2025, arXiv:2205.13104, the part on low bits. Ours differs: ``b`` bits take
``b`` bits, where a byte for each is usual.
"""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
from safetensors import SafetensorError
from safetensors.numpy import load_file, save_file

from modelheir import checks
from modelheir.checks import InputError
from modelheir.runs.files import read_mapping, replace_file, write_json
from modelheir.subspace.basis import Basis
from modelheir.subspace.layout import Layout

__all__ = ["CodedBasis", "encode"]


@dataclasses.dataclass(frozen=True, eq=False)
class CodedBasis:
    """``n`` directions in codes of ``bits`` bits; products decode a direction and a parameter at a time."""

    layout: Layout  #: which column belongs to which parameter
    bits: int  #: of a code, 1 to 8
    packed: tuple[np.ndarray, ...]  #: for each parameter ``(n, ceil(size * bits / 8))`` uint8
    low: np.ndarray  #: ``(n, parameters)`` float32, the least number of each
    step: np.ndarray  #: ``(n, parameters)`` float32, between neighbouring codes
    fingerprint: str = ""  #: of the snapshots

    def __len__(self) -> int:
        return len(self.low)

    @property
    def width(self) -> int:
        """Columns ``M``."""
        return self.layout.width

    @property
    def nbytes(self) -> int:
        """Bytes of codes and scales."""
        return sum(one.nbytes for one in self.packed) + self.low.nbytes + self.step.nbytes

    def project(self, vector: np.ndarray) -> np.ndarray:
        """Return ``P g``, ``(n,)`` float32, of ``g`` ``(M,)``; off by at most the sum of ``step / 2 |g|_1``."""
        found = np.zeros(len(self), np.float32)
        for place, (part, own) in enumerate(self._parts(np.asarray(vector, np.float32))):
            total = own.sum()
            for row in range(len(self)):
                codes = self._codes(part, row, own.size)
                found[row] += self.step[row, place] * (codes @ own) + self.low[row, place] * total
        return found

    def expand(self, coefficients: np.ndarray) -> np.ndarray:
        """Return ``P^T d``, ``(M,)`` float32, of ``d`` ``(n,)``."""
        found = np.zeros(self.width, np.float32)
        for place, (part, own) in enumerate(self._parts(found)):
            for row, one in enumerate(np.asarray(coefficients, np.float32)):
                own += (one * self.step[row, place]) * self._codes(part, row, own.size)
                own += one * self.low[row, place]
        return found

    def rows(self) -> dict[str, np.ndarray]:
        """Return the decoded directions of each parameter, ``(n, *shape)`` float32."""
        found = {}
        for place, (name, shape) in enumerate(zip(self.layout.names, self.layout.shapes, strict=True)):
            size = self.layout.sizes[place]
            codes = np.stack([self._codes(self.packed[place], row, size) for row in range(len(self))])
            decoded = self.low[:, place, None] + self.step[:, place, None] * codes
            found[name] = decoded.reshape(len(self), *shape)
        return found

    def save(self, folder: Path) -> None:
        """Write ``codes.safetensors`` and, last, ``codes.json``."""
        arrays = {f"codes/{name}": part for name, part in zip(self.layout.names, self.packed, strict=True)}
        arrays |= {"low": self.low, "step": self.step}
        replace_file(folder / "codes.safetensors", lambda temporary: save_file(arrays, temporary))
        facts = {"bits": self.bits, "fingerprint": self.fingerprint, "names": self.layout.names}
        write_json(folder / "codes.json", {**facts, "shapes": self.layout.shapes})

    @staticmethod
    def load(folder: Path, *, fingerprint: str | None = None) -> CodedBasis:
        """Read what :meth:`save` wrote.

        Raises:
            InputError: If it is missing, damaged, or of other snapshots than those of ``fingerprint``.
        """
        advice = "Delete the folder, and encode the basis again"
        facts = read_mapping(folder / "codes.json", advice)
        try:
            found = load_file(folder / "codes.safetensors")
            layout = Layout(tuple(facts["names"]), tuple(tuple(shape) for shape in facts["shapes"]))
            packed = tuple(found[f"codes/{name}"] for name in layout.names)
            made = CodedBasis(layout, facts["bits"], packed, found["low"], found["step"], facts["fingerprint"])
            for part, size in zip(packed, layout.sizes, strict=True):
                if part.shape != (len(made), -(-size * made.bits // 8)):
                    raise ValueError("its codes have another shape than it says")
        except (OSError, KeyError, ValueError, TypeError, SafetensorError) as error:
            raise InputError(f"{folder / 'codes.safetensors'} is not a whole basis ({error}). {advice}.") from error
        if fingerprint is not None and fingerprint != made.fingerprint:
            raise InputError(f"{folder} holds a basis of other snapshots than those at hand. {advice}.")
        return made

    def _parts(self, vector: np.ndarray) -> list[tuple[np.ndarray, np.ndarray]]:
        starts = self.layout.starts
        return [(part, vector[starts[i] : starts[i + 1]]) for i, part in enumerate(self.packed)]

    def _codes(self, part: np.ndarray, row: int, size: int) -> np.ndarray:
        return _unpack(part[row], self.bits, size)


def encode(basis: Basis, *, bits: int) -> CodedBasis:
    """Code a basis; each number moves by at most half a step.

    Args:
        basis: In float32.
        bits: Of a code, 1 to 8.

    Example:
        >>> from modelheir.subspace import StackedRows, pca
        >>> basis = pca(StackedRows(np.float32([[3, 4, 0, 0], [0, 0, 0, 0]])), 1)
        >>> coded = encode(basis, bits=2)
        >>> coded.packed[0].shape, coded.rows()["weights"].round(2)
        ((1, 1), array([[0.53, 0.8 , 0.  , 0.  ]], dtype=float32))
    """
    checks.in_range(1, 8, bits=bits)
    packed, lows, steps = [], [], []
    for part in basis.rows().values():
        flat = np.asarray(part, np.float32).reshape(len(part), -1)
        low = flat.min(axis=1)
        step = ((flat.max(axis=1) - low) / np.float32(2**bits - 1)).astype(np.float32)
        scale = np.where(step > 0, step, 1)
        codes = np.rint((flat - low[:, None]) / scale[:, None]).clip(0, 2**bits - 1).astype(np.uint8)
        packed.append(np.stack([_pack(row, bits) for row in codes]))
        lows.append(low)
        steps.append(step)
    return CodedBasis(basis.layout, bits, tuple(packed), np.stack(lows, 1), np.stack(steps, 1), basis.fingerprint)


def _pack(codes: np.ndarray, bits: int) -> np.ndarray:
    """Put ``codes``, ``(size,)``, side by side, the highest bit first; ``(ceil(size * bits / 8),)`` uint8."""
    if bits == 8:
        return codes
    return np.packbits(np.unpackbits(codes[:, None], axis=1)[:, 8 - bits :].reshape(-1))


def _unpack(packed: np.ndarray, bits: int, size: int) -> np.ndarray:
    """Return codes as float32, ``(size,)``."""
    if bits == 8:
        return packed.astype(np.float32)
    single = np.unpackbits(packed, count=size * bits).reshape(size, bits)
    return single @ (2.0 ** np.arange(bits - 1, -1, -1)).astype(np.float32)
