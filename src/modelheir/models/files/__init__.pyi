from .export import OUTPUTS as OUTPUTS
from .export import export_onnx as export_onnx
from .export import export_safetensors as export_safetensors
from .export import parity_check as parity_check
from .legacy import read_checkpoint as read_checkpoint
from .legacy import read_result as read_result
from .load import files_of as files_of
