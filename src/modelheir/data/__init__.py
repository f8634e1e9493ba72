"""Images from anywhere, split, decoded and streamed to the device."""

from modelheir.data.augment import resolve
from modelheir.data.fingerprint import fingerprint
from modelheir.data.images import ImageSet, encode_png
from modelheir.data.sources import SOURCES, open_source
from modelheir.data.splits import open_splits
from modelheir.data.streams import make_stream
from modelheir.data.tensors import tensor_stream

__all__ = [
    "SOURCES",
    "ImageSet",
    "encode_png",
    "fingerprint",
    "make_stream",
    "open_source",
    "open_splits",
    "resolve",
    "tensor_stream",
]
