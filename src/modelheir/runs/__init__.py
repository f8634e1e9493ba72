"""What a run leaves on disk: the only code that knows file names and formats. Importing it does not import torch."""

from modelheir.runs.columns import read_column
from modelheir.runs.folder import RunFolder
from modelheir.runs.predictions import read_predictions, write_predictions

__all__ = ["RunFolder", "read_column", "read_predictions", "write_predictions"]
