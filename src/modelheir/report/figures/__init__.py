"""Pictures of the report as inline SVG: text in, markup out, no drawing library and no colours of their own.

Colours come from the style sheet of the page through class names, so that one picture serves light, dark and print.
"""

from modelheir.report.figures.class_counts import class_counts
from modelheir.report.figures.class_flips import class_flips
from modelheir.report.figures.confusion import confusion
from modelheir.report.figures.curves import curves
from modelheir.report.figures.outcomes import outcomes
from modelheir.report.figures.plane import plane
from modelheir.report.figures.reliability import reliability
from modelheir.report.figures.series import key

__all__ = ["class_counts", "class_flips", "confusion", "curves", "key", "outcomes", "plane", "reliability"]
