from .comparison import write_compare as write_compare
from .junit import write_junit as write_junit
from .runs import write_runs as write_runs
from .selection import Pair as Pair
from .selection import write_selection as write_selection
from .summary import write_summary as write_summary
