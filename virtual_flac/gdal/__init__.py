"""Reading with GDAL: settings, credentials, and what GDAL says of a raster."""
