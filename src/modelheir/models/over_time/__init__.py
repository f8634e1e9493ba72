"""One network over steps of time: copies of layers that steps share or not, and the model of one step."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
