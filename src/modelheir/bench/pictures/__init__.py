"""Pictures of runs of ``adapt`` and of a benchmark's cells: what is read of them, and a file for each kind."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
