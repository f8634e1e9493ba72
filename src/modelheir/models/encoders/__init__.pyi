from .encoder import Encoder as Encoder
from .loading import load_encoder as load_encoder
from .preparation import Preparation as Preparation
from .table import ENCODERS as ENCODERS
from .table import Documented as Documented
