from .choice import ConsistencyConfig as ConsistencyConfig
from .choice import VectorNoiseConfig as VectorNoiseConfig
from .noise import VectorNoise as VectorNoise
from .unlabelled import Consistency as Consistency
from .vectors import vector_consistency as vector_consistency
