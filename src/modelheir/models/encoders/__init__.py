"""Frozen networks, and fixed functions of the pixels, that turn images into vectors: the views of co-training."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
