"""Files of snapshots: what is kept of the weights along a training, in which type, and which of them were trained."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
