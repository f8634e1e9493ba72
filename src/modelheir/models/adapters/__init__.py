"""Weights that are functions of others, through one door, until the result is saved as plain weights."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
