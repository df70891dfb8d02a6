"""Many FLAC rasters of one grid as one virtual cube. Metadata only: no pixel is read.

`labels` and `stac` say which place a raster takes, `gather` reads the headers on any executor,
`facts` compares them, `place` arranges neighbours, `build` makes the virtual arrays, `combine` does
all of it in turn.
"""

from .combine import stack
from .gather import Skipped, SkippedWarning
from .labels import DATE_PATTERN

__all__ = ["DATE_PATTERN", "Skipped", "SkippedWarning", "stack"]
