"""Steps in a plane of weights: quasi-Newton, and what belongs to the plane in a loss. Imports no torch by itself."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
