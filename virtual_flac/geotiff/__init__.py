"""GeoTIFF to FLAC raster and back: the only place that imports rasterio.

Knows GDAL, the writer and the reader of our files; must not know their bytes.
"""

from ..gdal.describe import describe
from .extract import extract
from .to_flac import write_flac
from .to_geotiff import write_geotiff

__all__ = ["describe", "extract", "write_flac", "write_geotiff"]
