"""How far the confidences in files of predictions can be trusted."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from modelheir.metrics.calibration import BINS, reliability_table
from modelheir.metrics.confidence import max_confidence, softmax
from modelheir.runs.predictions import read_predictions

__all__ = ["reliability_of"]


def reliability_of(files: Mapping[str, Path], *, bins: int = BINS) -> dict[str, list[dict[str, Any]]]:
    """Return of each file the bins of a reliability diagram, of its labelled images; none of one without scores."""
    found = {}
    for name, path in files.items():
        said = read_predictions(path, columns=())
        known = said.label >= 0
        scores = said.probabilities if said.logits is None else softmax(said.logits)
        if scores is not None and known.any():
            right = (said.prediction == said.label)[known]
            found[name] = list(reliability_table(max_confidence(scores)[known], right, bins=bins))
    return found
