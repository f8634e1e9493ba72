from .comparison import write_compare as write_compare
from .runs import write_runs as write_runs
