"""Many FLAC rasters of one grid as one virtual cube. Metadata only: no pixel is read.

In the order of the work: `sources` (with `labels` and `stac`) says which place a raster takes,
`gather` reads the headers on any executor, `collect` compares them by their `facts`, `axes` and
`place` arrange them, `build` fills tables of chunks, `dataset` makes one dataset of it all, and
`combine` does these in turn.
"""

from .headers import Skipped, SkippedWarning
from .labels import DATE_PATTERN
from .stack import stack

__all__ = ["DATE_PATTERN", "Skipped", "SkippedWarning", "stack"]
