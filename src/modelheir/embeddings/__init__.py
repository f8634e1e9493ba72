"""Views of images computed once and kept on disk: what an encoder says of each image, in shards, by sample id."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
