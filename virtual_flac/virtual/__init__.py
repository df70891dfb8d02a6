"""Virtual Zarr over the tiles of FLAC rasters, for VirtualiZarr."""
