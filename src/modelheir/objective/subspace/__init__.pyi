from .decay import PlaneDecay as PlaneDecay
from .lbfgs import PlaneLBFGS as PlaneLBFGS
from .quasi_newton import QuasiNewton as QuasiNewton
from .settings import LBFGSConfig as LBFGSConfig
from .settings import QuasiNewtonConfig as QuasiNewtonConfig
