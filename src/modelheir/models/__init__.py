"""Classifiers: build, load, freeze, join into teachers, export. Bodies come from torchvision, timm, or this folder."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
