from .decay import PlaneDecay as PlaneDecay
from .quasi_newton import QuasiNewton as QuasiNewton
from .settings import QuasiNewtonConfig as QuasiNewtonConfig
