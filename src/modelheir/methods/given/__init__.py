"""What a plan is handed: data, the network to train, models that exist, and the plain stage. Imports no torch."""

from modelheir.methods.given.data import Data
from modelheir.methods.given.given import Given
from modelheir.methods.given.new_model import NewModel
from modelheir.methods.given.plain import plain_stage
from modelheir.methods.given.teachers import Teachers

__all__ = ["Data", "Given", "NewModel", "Teachers", "plain_stage"]
