from .of_loss import batch_gradient as batch_gradient
from .of_loss import in_evaluation as in_evaluation
from .of_loss import per_image_gradients as per_image_gradients
from .surgical import auto_rgn as auto_rgn
from .surgical import layer_scores as layer_scores
from .surgical import ranked_layers as ranked_layers
