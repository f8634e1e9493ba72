from .folder import RunFolder as RunFolder
from .number_column import read_column as read_column
from .predictions import read_predictions as read_predictions
from .predictions import write_predictions as write_predictions
