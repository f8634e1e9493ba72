r"""The k images that a teacher is surest about, of each class, over any number of scored rows.

For class c, of the images among whose ``P`` best classes it is, the ``k`` with the largest probability
:math:`p_u[c]`; of equal ones those whose sample id comes first. With ``P = 1`` an image counts for its best class
alone. The idea is that of Yalniz et al. 2019, "Billion-scale semi-supervised learning for image classification"
(arXiv 1905.00546, section 3), who rank an image under its ``P = 10`` best classes; an image that several classes take
is kept once here.

Rows are streamed: at most ``2 C k`` of them, and one batch, are held.
"""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from modelheir import checks

__all__ = ["TopK"]


class TopK:
    """Keeps the best rows of each class while batches go by; the order of the batches does not matter.

    Example:
        >>> best = TopK(classes=2, k=1)
        >>> best.add(pa.array(["a", "b", "c"]), np.array([[0], [0], [1]]), np.array([[0.6], [0.9], [0.7]]))
        >>> best.rows().to_pydict()
        {'sample_id': ['b', 'c'], 'class': [0, 1], 'probability': [0.9, 0.7]}
    """

    def __init__(self, classes: int, k: int, *, classes_per_image: int = 1) -> None:
        """Start with nothing kept.

        Args:
            classes: How many there are, ``C``.
            k: Images kept a class, at least 1.
            classes_per_image: Classes that an image may count for, at least 1, its best ones.

        Raises:
            ValueError: If one is below 1.
        """
        checks.at_least(1, classes=classes, k=k, classes_per_image=classes_per_image)
        self.k, self.per_image = k, classes_per_image
        self.seen = np.zeros(classes, dtype=np.int64)  #: rows seen a class: of fewer than ``k``, all are kept
        self._floor = np.full(classes, -np.inf)
        self._held: list[pa.RecordBatch] = []
        self._count = 0

    def add(self, sample_id: pa.Array, classes: np.ndarray, probabilities: np.ndarray) -> None:
        """Take a batch.

        Args:
            sample_id: ``(N,)`` text; an id counts as another image each time.
            classes: Int ``(N, M)``, best class first; -1 is none of the ``C``.
            probabilities: Float ``(N, M)``.

        Raises:
            ValueError: If a probability is not a number.
        """
        width = min(self.per_image, classes.shape[1])
        row, column = np.nonzero(classes[:, :width] >= 0)
        number, value = classes[row, column], probabilities[row, column]
        if np.isnan(value).any():
            raise ValueError("a probability is not a number: the teacher's outputs are broken")
        self.seen += np.bincount(number, minlength=len(self.seen))
        good = value >= self._floor[number]
        if not good.any():
            return
        ids = sample_id.take(pa.array(row[good])).cast(pa.large_string())
        self._held.append(
            pa.record_batch({"sample_id": ids, "class": number[good].astype(np.int32), "probability": value[good]})
        )
        self._count += int(good.sum())
        if self._count > 2 * len(self.seen) * self.k + len(sample_id):
            self._settle()

    def rows(self) -> pa.Table:
        """Return what is kept: ``sample_id``, ``class``, ``probability``; by class, best first."""
        self._settle()
        if not self._held:
            empty = pa.schema([("sample_id", pa.string()), ("class", pa.int32()), ("probability", pa.float32())])
            return empty.empty_table()
        table = pa.Table.from_batches(self._held)
        return table.set_column(0, "sample_id", table["sample_id"].cast(pa.string()))

    def _settle(self) -> None:
        """Drop all but the best ``k`` rows of each class."""
        if not self._held:
            return
        table = pa.Table.from_batches(self._held).combine_chunks()
        keys = [("class", "ascending"), ("probability", "descending"), ("sample_id", "ascending")]
        table = table.take(pc.sort_indices(table, sort_keys=keys))  # pyright: ignore[reportAttributeAccessIssue]
        number = table["class"].to_numpy()
        start = np.searchsorted(number, np.arange(len(self.seen)))
        place = np.arange(len(number)) - start[number]
        full = np.flatnonzero(np.bincount(number, minlength=len(self.seen)) >= self.k)
        self._floor[full] = table["probability"].to_numpy()[start[full] + self.k - 1]
        kept = table.filter(pa.array(place < self.k)).combine_chunks()
        self._held, self._count = kept.to_batches(), len(kept)
