from . import compare as compare
from . import ensemble as ensemble
from . import flipped as flipped
from .arms import arm_rows as arm_rows
from .evaluation import evaluation_row as evaluation_row
from .front import plane as plane
from .gate import GateConfig as GateConfig
from .run_rows import run_row as run_row
