"""Virtual datasets to published references and back: kerchunk JSON and parquet, Icechunk."""

from .icechunk_write import write_icechunk
from .kerchunk import write_kerchunk
from .locations import check_sources, count_references, rebase, source_prefixes, source_urls
from .open import open_references
from .snippet import snippet
from .target import Target

__all__ = [
    "Target",
    "check_sources",
    "count_references",
    "open_references",
    "rebase",
    "snippet",
    "source_prefixes",
    "source_urls",
    "write_icechunk",
    "write_kerchunk",
]
