from .drawing import draw_pictures as draw_pictures
from .sizes import measure_shifts as measure_shifts
