"""The subspace that a training moved in: snapshots as rows, their principal directions, bases to compare with."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
