"""Pages that people can look at: one comparison (:func:`write_compare`) or many runs (:func:`write_runs`).

Renders plain values and computes no statistics; every table is also written as comma-separated values beside the page.
"""

from modelheir.report.comparison import write_compare
from modelheir.report.gallery import Gallery, flipped
from modelheir.report.runs import write_runs

__all__ = ["Gallery", "flipped", "write_compare", "write_runs"]
