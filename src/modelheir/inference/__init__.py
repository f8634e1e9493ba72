"""Models over streams, on however many processes: who runs where, and what was said, by sample id."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
