from .comparison import write_compare as write_compare
from .gallery import Gallery as Gallery
from .gallery import flipped as flipped
from .runs import write_runs as write_runs
