"""What the gradient on some images says about a network's weights, without a step of training."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
