"""Many FLAC rasters of one grid as one virtual cube. Metadata only: no pixel is read.

`stack` does the work in this order: `inputs` (with `labels`) finds rasters and their labels,
`headers` reads the headers on any executor, `agreement` compares them, `arrangement` places them,
`assembly` (with `chunk_table`) makes one dataset of it all.
"""

from .labels import DATE_PATTERN
from .stack import Skipped, SkippedWarning, stack

__all__ = ["DATE_PATTERN", "Skipped", "SkippedWarning", "stack"]
