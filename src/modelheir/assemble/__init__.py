"""Where the layers meet: settings to data, models, plan, engine and run folder. Importing it does not import torch."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
