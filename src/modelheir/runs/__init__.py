"""What a run leaves on disk: the only code that knows file names and formats. Importing it does not import torch."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
