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
    from .cube.stack import stack
    from .errors import FlacError
    from .geotiff.extract import extract
    from .geotiff.to_flac import write_flac
    from .geotiff.to_geotiff import write_geotiff
    from .io.stores import registry_for
    from .model.index import TileIndex
    from .reading.header import read_index
    from .references.icechunk_write import write_icechunk
    from .references.kerchunk import write_kerchunk
    from .references.open import open_references
    from .reports.compare import compare
    from .reports.info import info
    from .reports.preview import preview
    from .reports.query import query
    from .reports.spatial_info import spatial_info
    from .reports.verify import verify
    from .virtual.parser import FLACParser

_HOMES = {
    "FLACParser": "virtual.parser",
    "FlacError": "errors",
    "TileIndex": "model.index",
    "compare": "reports.compare",
    "extract": "geotiff.extract",
    "info": "reports.info",
    "open_references": "references.open",
    "preview": "reports.preview",
    "query": "reports.query",
    "read_index": "reading.header",
    "registry_for": "io.stores",
    "spatial_info": "reports.spatial_info",
    "stack": "cube.stack",
    "verify": "reports.verify",
    "write_flac": "geotiff.to_flac",
    "write_geotiff": "geotiff.to_geotiff",
    "write_icechunk": "references.icechunk_write",
    "write_kerchunk": "references.kerchunk",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'virtual_flac' has no attribute {name!r}")
    value = getattr(import_module(f".{_HOMES[name]}", __name__), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
