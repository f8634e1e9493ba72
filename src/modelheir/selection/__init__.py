"""Which images of an unlabelled pool are worth training on: no copies, scored, the best of each class."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
