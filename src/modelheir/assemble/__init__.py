"""Where the layers meet: settings to data, models, plan, engine and run folder. Importing it does not import torch."""

from modelheir.assemble.prediction import evaluate, export, predict
from modelheir.assemble.training import train

__all__ = ["evaluate", "export", "predict", "train"]
