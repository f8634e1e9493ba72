"""One result of one method on one sequence, and the columns of the published tables that methods stand in.

Ji, Alaa and Sontag, "Seq-to-Final", 2024, arXiv:2407.09642, tables 7 to 13. Names of methods and sequences are those
of that benchmark's folders; a method may as well be called by the name of its column.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Iterable, Mapping, Sequence

__all__ = ["PUBLISHED", "Column", "Result", "architecture_name", "as_published", "borrow", "sequence_key"]

_FAMILIES = {"convnet": "Conv", "densenet": "Dense", "resnet": "Res"}
_BLOCK = "_block"  #: in the names of side-tuning with a copy of the block


@dataclasses.dataclass(frozen=True)
class Result:
    """What one run came to."""

    architecture: str
    method: str
    sequence: str
    seed: int
    accuracy: float | None  #: on the test images of the last step, a fraction, higher is better; None: the run failed
    validation: float | None = None  #: on the validation images of the last step, which settings are chosen by
    failed: str = ""  #: why there is no accuracy
    borrowed: str = ""  #: the sequence whose result this is, where it is another one with the same last step


@dataclasses.dataclass(frozen=True)
class Column:
    """One column: a method, or several settings of one of which the best is shown."""

    name: str
    methods: tuple[str, ...] = ()  #: names of the runs that compete for it, beside the column's own name
    oracle: bool = False  #: it has what the others lack: plenty of the last step
    half: int = 0  #: which of the two parts of the printed table it stands in

    def takes(self, method: str) -> bool:
        """Tell whether a run of this method stands in the column."""
        return method == self.name or method in self.methods


#: the columns of the published tables, in order
PUBLISHED: tuple[Column, ...] = (
    Column("4k", ("erm_final", "erm_final_4000_samples")),
    Column("ERM", ("erm_all",)),
    Column("IRM", ("irm_all",)),
    Column("DRO", ("dro_all",)),
    Column("FT", ("erm_fine_tune",)),
    Column("LP-FT", ("erm_linear_probe_then_fine_tune",)),
    Column("I-FT", ("irm_fine_tune",)),
    Column("D-FT", ("dro_fine_tune",)),
    Column("ST-1", ("erm_side_tune",)),
    Column("ST-B", ("erm_side_tune_block",)),
    Column(
        "SFT",
        (
            "sequential_fine_tune",
            "sequential_fine_tune_linear_lr_decay",
            "sequential_fine_tune_exponential_lr_decay",
        ),
        half=1,
    ),
    Column("EWC", ("sequential_fine_tune_reg_all_previous_fisher",), half=1),
    Column("SST-1", ("sequential_side_tune",), half=1),
    Column("SST-B", ("sequential_side_tune_block",), half=1),
    Column("JM", ("joint_model_adjacent_reg_l2",), half=1),
    Column("JST-1", ("joint_model_side_tune_adjacent_reg_none",), half=1),
    Column("JST-B", ("joint_model_side_tune_block_adjacent_reg_none",), half=1),
    Column("20k", ("erm_final_20000_samples",), oracle=True, half=1),
)


def architecture_name(model: str) -> str:
    """Return the name that a network has in the tables.

    >>> architecture_name("resnet 4 blocks"), architecture_name("mlp")
    ('Res-4', 'mlp')
    """
    found = re.fullmatch(r"(?:blocks_)?(convnet|densenet|resnet)[ _](\d+)[ _]?blocks?", model)
    return f"{_FAMILIES[found[1]]}-{found[2]}" if found else model


def sequence_key(sequence: str) -> str:
    """Return a sequence without the size of its last step, which alone the oracle's differs by.

    >>> sequence_key("source6000:rotation4000"), sequence_key("source6000:rotation20000"), sequence_key("portraits")
    ('source6000:rotation', 'source6000:rotation', 'portraits')
    """
    return re.sub(r"\d+$", "", sequence)


def as_published(result: Result) -> Result:
    """Call networks and sequences as the tables do; the one side-tuning that ConvNets have stands in the first column.

    >>> found = as_published(Result("convnet 2 blocks", "erm_side_tune_block", "source6:rotation4", 1007, 0.5))
    >>> found.architecture, found.method, found.sequence
    ('Conv-2', 'erm_side_tune', 'source6:rotation')
    """
    name, method = architecture_name(result.architecture), result.method
    if name.startswith("Conv-") and "side_tune" in method:
        method = method.replace(_BLOCK, "")
    elif name.startswith("Conv-") and method in ("ST-B", "SST-B", "JST-B"):
        method = f"{method[:-1]}1"
    return dataclasses.replace(result, architecture=name, method=method, sequence=sequence_key(result.sequence))


def borrow(results: Iterable[Result], twins: Mapping[str, str], *, columns: Sequence[Column]) -> list[Result]:
    """Take results on the last step alone from a sequence that ends in the same state, where a sequence lacks them.

    Args:
        results: Of any sequences.
        twins: Sequence -> the one to take from.
        columns: Those whose methods see nothing but the last step.

    Returns:
        The results, and behind them what was borrowed.

    Example:
        >>> rows = [Result("Res-4", "4k", "RCL", 1, 0.5), Result("Res-4", "FT", "RCL", 1, 0.6)]
        >>> [(one.sequence, one.method, one.borrowed) for one in borrow(rows, {"CLR": "RCL"}, columns=PUBLISHED[:1])]
        [('RCL', '4k', ''), ('RCL', 'FT', ''), ('CLR', '4k', 'RCL')]
    """
    found = list(results)
    last = [one for one in found if any(column.takes(one.method) for column in columns)]
    there = {(one.sequence, one.architecture, one.method, one.seed) for one in last}
    for to, source in twins.items():
        found += [
            dataclasses.replace(one, sequence=to, borrowed=source)
            for one in last
            if one.sequence == source and (to, one.architecture, one.method, one.seed) not in there
        ]
    return found
