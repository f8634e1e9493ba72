"""Which predictions for samples without labels teach, and how much: FixMatch, FlexMatch, FreeMatch, SoftMatch."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
