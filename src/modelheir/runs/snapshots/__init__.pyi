from .eight_bit import decode as decode
from .eight_bit import encode as encode
from .header import trained_names as trained_names
from .header import write_header as write_header
