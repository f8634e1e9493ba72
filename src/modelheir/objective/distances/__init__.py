"""Distances between two models: the tables, the settings, and how a chosen one is built. Imports no torch by itself."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
