"""Lossless FLAC rasters as virtual Zarr.

`FLACParser` and the xarray engine ``flac`` read, `write_flac` and `write_geotiff` convert,
`stack`, `write_kerchunk` and `write_icechunk` publish, `open_references` reads what they wrote.
Nothing heavy is imported before it is used.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

__all__ = [
    "FLACParser",
    "FlacError",
    "TileIndex",
    "__version__",
    "compare",
    "open_references",
    "extract",
    "info",
    "query",
    "preview",
    "read_index",
    "registry_for",
    "spatial_info",
    "stack",
    "verify",
    "write_flac",
    "write_geotiff",
    "write_icechunk",
    "write_kerchunk",
]

if TYPE_CHECKING:
    from .cube import stack
    from .errors import FlacError
    from .geotiff import extract, write_flac, write_geotiff
    from .index import TileIndex
    from .parser import FLACParser
    from .references import open_references, write_icechunk, write_kerchunk
    from .reports.comparison import compare
    from .reports.inspection import info
    from .reports.lookup import query, spatial_info
    from .reports.quicklook import preview
    from .reports.verification import verify
    from .source import read_index
    from .stores import registry_for

_HOMES = {
    "FLACParser": "parser",
    "FlacError": "errors",
    "TileIndex": "index",
    "compare": "reports.comparison",
    "open_references": "references",
    "extract": "geotiff",
    "info": "reports.inspection",
    "query": "reports.lookup",
    "preview": "reports.quicklook",
    "read_index": "source",
    "registry_for": "stores",
    "spatial_info": "reports.lookup",
    "stack": "cube",
    "verify": "reports.verification",
    "write_flac": "geotiff",
    "write_geotiff": "geotiff",
    "write_icechunk": "references",
    "write_kerchunk": "references",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'virtual_flac' has no attribute {name!r}")
    value = getattr(import_module(f".{_HOMES[name]}", __name__), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
