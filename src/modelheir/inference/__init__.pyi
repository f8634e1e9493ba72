from .evaluate import average_views as average_views
from .evaluate import evaluation as evaluation
from .evaluate import gather_parts as gather_parts
from .evaluate import predict_model as predict_model
from .evaluate import predict_stream as predict_stream
from .evaluate import summarise as summarise
from .runtime import Runtime as Runtime
