"""Rasters and areas as values: grids, georeference, tile index, selections. No I/O."""
