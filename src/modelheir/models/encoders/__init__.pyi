from .encoder import Encoder as Encoder
from .loading import load_encoder as load_encoder
from .preparation import Preparation as Preparation
