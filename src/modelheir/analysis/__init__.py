"""Tables from runs and predictions: what was found, as plain values that a report can render."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
