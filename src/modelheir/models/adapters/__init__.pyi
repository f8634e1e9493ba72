from .door import is_function as is_function
from .door import merge_weights as merge_weights
from .door import plain_state as plain_state
from .door import reparametrise as reparametrise
from .low_rank import LowRank as LowRank
from .low_rank import add_low_rank as add_low_rank
from .plane import Plane as Plane
from .plane import add_plane as add_plane
