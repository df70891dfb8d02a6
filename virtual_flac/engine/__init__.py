"""The xarray engine ``flac``."""
