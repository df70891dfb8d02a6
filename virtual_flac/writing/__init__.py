"""Tiles to a complete FLAC raster."""
