"""How terms join: supervised terms, distances to old models by name, filters, class maps, further teachers."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
