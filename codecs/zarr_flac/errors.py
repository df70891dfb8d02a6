"""The errors of zarr_flac. Knows nothing of bytes, pixels or Zarr; imports nothing of ours.

Catch `FlacError` for all of them, or the builtin each one also is::

    FlacError
    ├── ConfigurationError    (ValueError)  keys, shapes or fill values that cannot be right
    ├── CorruptFlacError      (ValueError)  damaged, truncated, or no FLAC at all
    ├── LossyTileError        (ValueError)  decoded tile differs from what was encoded
    ├── SampleRangeError      (ValueError)  values need more bits than the samples have
    ├── UnsupportedDtypeError (TypeError)   a dtype that FLAC samples cannot hold exactly
    └── UnsupportedFlacError  (ValueError)  sound, but written in a way we do not know

A message says what was found, what was expected, where, and what to do about it.
"""

__all__ = [
    "ConfigurationError",
    "CorruptFlacError",
    "FlacError",
    "LossyTileError",
    "SampleRangeError",
    "UnsupportedDtypeError",
    "UnsupportedFlacError",
]


class FlacError(Exception):
    """Root of every error that zarr_flac raises on purpose."""


class ConfigurationError(FlacError, ValueError):
    """A codec configuration, or an array given with it, that cannot be right."""


class CorruptFlacError(FlacError, ValueError):
    """Bytes that are damaged, truncated, contradict themselves, or are not FLAC."""


class LossyTileError(FlacError, ValueError):
    """A tile that decodes to other values than were encoded. Nothing of it may be kept."""


class SampleRangeError(FlacError, ValueError):
    """Values that do not fit the bits per sample, or samples that do not fit the dtype."""


class UnsupportedDtypeError(FlacError, TypeError):
    """A dtype that has no exact place in FLAC samples."""


class UnsupportedFlacError(FlacError, ValueError):
    """A sound stream whose pixel order, mapping or shape this version does not know."""
