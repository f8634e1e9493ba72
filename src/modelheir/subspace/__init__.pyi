from .basis import Basis as Basis
from .gram import Gram as Gram
from .layout import Layout as Layout
from .principal import pca as pca
from .rows import Rows as Rows
from .rows import StackedRows as StackedRows
from .trajectory import Trajectory as Trajectory
from .trajectory import select_range as select_range
