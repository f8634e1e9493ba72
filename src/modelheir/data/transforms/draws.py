r"""Uniform random numbers that depend on their key alone.

.. math:: u = h(h(h(h(seed) + epoch) + index) + slot) / 2^{64}

where ``h`` adds the golden-ratio constant and applies the splitmix64 finaliser. A sample's draws do not depend on
the batch it is in, on the process or worker that draws, or on what was drawn before.

Steele, Lea and Flood, "Fast Splittable Pseudorandom Number Generators", 2014 (the finaliser).
"""

from __future__ import annotations

import hashlib

import numpy as np

__all__ = ["sample_keys", "uniform"]

_GOLDEN = np.uint64(0x9E3779B97F4A7C15)
_FIRST = np.uint64(0xBF58476D1CE4E5B9)
_SECOND = np.uint64(0x94D049BB133111EB)
_WORD = (1 << 64) - 1


def _mix(words: np.ndarray) -> np.ndarray:
    words = words + _GOLDEN
    words = (words ^ (words >> np.uint64(30))) * _FIRST
    words = (words ^ (words >> np.uint64(27))) * _SECOND
    return words ^ (words >> np.uint64(31))


def uniform(*, seed: int, epoch: int, index: np.ndarray, slots: int, first_slot: int = 0) -> np.ndarray:
    """Draw ``slots`` numbers for every index.

    Args:
        seed: Any integer; its lowest 64 bits count.
        epoch: From 0.
        index: What to draw for, ``(N,)`` integers, ``>= 0``: rows, or keys of samples.
        slots: Numbers an index, one for each use.
        first_slot: Slot of the first column, ``>= 0``.

    Returns:
        Float64 in [0, 1), shape ``(N, slots)``, 53 random bits each.

    Example:
        >>> a = uniform(seed=1, epoch=0, index=np.array([7, 8]), slots=3)
        >>> b = uniform(seed=1, epoch=0, index=np.array([8]), slots=1, first_slot=2)
        >>> bool(a[1, 2] == b[0, 0])
        True
    """
    key = _mix(np.array([seed & _WORD], dtype=np.uint64))
    key = _mix(key + np.array([epoch & _WORD], dtype=np.uint64))
    rows = _mix(key + np.asarray(index).astype(np.uint64))
    columns = np.arange(first_slot, first_slot + slots, dtype=np.uint64)
    words = _mix(rows[:, None] + columns[None, :] * _GOLDEN)
    return (words >> np.uint64(11)).astype(np.float64) * 2.0**-53


def sample_keys(ids: np.ndarray) -> np.ndarray:
    """Return a key a sample, by its id alone: its draws are then the same in every set that it is in.

    Args:
        ids: Sample ids, ``(N,)`` text.

    Returns:
        Uint64 ``(N,)``: BLAKE2b of the id in UTF-8, 8 bytes, the lowest first.

    Example:
        >>> bool(sample_keys(np.array(["a", "b"]))[1] == sample_keys(np.array(["b"]))[0])
        True
    """
    words = (hashlib.blake2b(str(name).encode("utf-8", "surrogatepass"), digest_size=8).digest() for name in ids)
    return np.frombuffer(b"".join(words), dtype="<u8").astype(np.uint64)
