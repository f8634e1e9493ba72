"""Losses: pure functions with one value an image ``(N,)``, grouped by what a loss reads."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
