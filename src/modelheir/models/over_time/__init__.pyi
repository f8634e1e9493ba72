from .copies import OverTime as OverTime
from .distance import distances as distances
from .distance import tied_layers as tied_layers
from .layer_modules import layer_names as layer_names
from .publishing import before_newest as before_newest
from .publishing import publish as publish
