from .settings import CopyConfig as CopyConfig
from .shards import Scored as Scored
from .top_k import TopK as TopK
