"""GeoTIFF to FLAC raster and back, and parts of either to files of their own."""

# Says what to install where rasterio is missing, before a module here imports it.
from .. import gdal  # noqa: F401
