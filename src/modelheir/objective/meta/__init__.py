"""Meta Co-Training and Meta Pseudo Labels: labels, and what they were worth. Imports no torch by itself."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
