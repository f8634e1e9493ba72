"""One result of one method on one sequence, and the columns of the published tables that methods stand in.

Ji, Alaa and Sontag, "Seq-to-Final", 2024, arXiv:2407.09642, tables 7 to 13. Names of methods and sequences are those
of that benchmark's folders; a method may as well be called by the name of its column.
"""

from __future__ import annotations

import dataclasses

__all__ = ["PUBLISHED", "Column", "Result"]


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
