"""A FLAC raster opened: its header, and windows of its pixels."""
