"""Where the layers meet: settings to data, models, plan, engine and run folder. Importing it does not import torch."""

from modelheir.assemble.evaluation import evaluate
from modelheir.assemble.exporting import export
from modelheir.assemble.prediction import predict
from modelheir.assemble.training import train

__all__ = ["evaluate", "export", "predict", "train"]
