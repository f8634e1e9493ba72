"""What a model says of a sample a little changed teaches it about the sample much changed."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
