"""Reading rasters with GDAL: settings, credentials, descriptions, pixels."""

from ..errors import needs_extra

# Everything else that uses GDAL imports this room first.
with needs_extra("geotiff", "rasterio"):
    import rasterio  # noqa: F401
