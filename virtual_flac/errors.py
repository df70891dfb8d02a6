"""What can go wrong with FLAC rasters.

Everything that is raised on purpose is a child of `FlacError` (from ``zarr_flac``, so that one
``except`` serves pixels and files alike) and of the builtin that fits it best::

    FlacError
    ├── CorruptFlacError (ValueError)         zarr_flac: a tile is damaged
    ├── UnsupportedFlacError (ValueError)     zarr_flac: a valid stream, but not of a known kind
    ├── UnsupportedDtypeError (TypeError)     zarr_flac: a dtype FLAC cannot hold
    ├── LossyTileError (ValueError)           zarr_flac: a tile that lost pixels in encoding
    ├── LayoutError (ValueError)              the header of a file is not what it should be
    │   ├── UnknownLayoutError                the first bytes are of no layout we know
    │   ├── LayoutVersionError                a layout newer than this program
    │   └── LostPixelsError                   a file of `flac-raster convert --spatial`
    ├── ReferencesError (ValueError)          published references that are damaged
    ├── SourceError (OSError)                 a file or object cannot be read
    │   ├── SourceNotFoundError (FileNotFoundError)
    │   ├── SourcePermissionError (PermissionError)
    │   └── SourceChangedError                another file lies there than the one that was opened
    ├── RasterError (ValueError)              a raster that cannot be written without loss
    ├── SelectionError (ValueError)           a band, overview or option that the file does not have
    ├── MismatchError (ValueError)            rasters that do not fit together
    ├── TargetError (OSError)                 a target cannot be written: the disk is full, say
    │   ├── TargetExistsError (FileExistsError)   something that would be overwritten
    │   ├── TargetFolderError (FileNotFoundError) there is no folder to write it to
    │   └── TargetPermissionError (PermissionError)
    └── MissingExtraError (ImportError)       an optional dependency that is not installed

None of ours tells a user name, password, token or query of a URL: ``***`` stands in their place.
"""

import contextlib
from collections.abc import Iterator

from zarr_flac import (
    CorruptFlacError,
    FlacError,
    LossyTileError,
    UnsupportedDtypeError,
    UnsupportedFlacError,
)

from .redaction import told

__all__ = [
    "CorruptFlacError",
    "FlacError",
    "LayoutError",
    "LayoutVersionError",
    "LossyTileError",
    "LostPixelsError",
    "MismatchError",
    "MissingExtraError",
    "NeedBytes",
    "RasterError",
    "ReferencesError",
    "SelectionError",
    "SourceChangedError",
    "SourceError",
    "SourceNotFoundError",
    "SourcePermissionError",
    "TargetError",
    "TargetExistsError",
    "TargetFolderError",
    "TargetPermissionError",
    "UnknownLayoutError",
    "UnsupportedDtypeError",
    "UnsupportedFlacError",
    "needs_extra",
    "prefixed_with",
]


class _Redacted(FlacError):
    """Tells no secret, whatever its text was made of: see `told`."""

    def __init__(self, *args: object, **fields: object) -> None:
        super().__init__(*(told(arg) if isinstance(arg, str) else arg for arg in args), **fields)


class LayoutError(_Redacted, ValueError):
    """The header of a file is truncated, contradicts itself or does not fit the file."""


class UnknownLayoutError(LayoutError):
    """The first bytes of a file belong to no layout that is known here."""


class LayoutVersionError(LayoutError):
    """The file is of a newer major version of the layout than this program reads."""


class LostPixelsError(LayoutError):
    """The program that wrote the file destroyed its pixels; they cannot be recovered."""


class ReferencesError(_Redacted, ValueError):
    """Published references are damaged, or something else than references."""


class SourceError(_Redacted, OSError):
    """A file or object could not be read."""


class SourceNotFoundError(SourceError, FileNotFoundError):
    """There is no such file or object."""


class SourcePermissionError(SourceError, PermissionError):
    """Credentials do not allow reading it; or references from elsewhere name a local file."""


class SourceChangedError(SourceError):
    """The file was replaced or written to after its header was read."""


class RasterError(_Redacted, ValueError):
    """A raster holds something that could not be written without loss."""


class SelectionError(_Redacted, ValueError):
    """A band, overview or option was asked for that the file does not have."""


class MismatchError(_Redacted, ValueError):
    """Rasters that should become one cube differ in grid, CRS, dtype or tiling."""


class TargetError(_Redacted, OSError):
    """A target could not be written; `errno` says why in the system's numbers, where it said so."""


class TargetExistsError(TargetError, FileExistsError):
    """The target exists and overwriting was not asked for."""


class TargetFolderError(TargetError, FileNotFoundError):
    """The folder that the target should be written to does not exist."""


class TargetPermissionError(TargetError, PermissionError):
    """The target may not be written there."""


class MissingExtraError(_Redacted, ImportError):
    """An optional dependency is not installed."""


class NeedBytes(Exception):
    """A parser needs the first `end` bytes of the file: not an error, call again with them."""

    def __init__(self, end: int) -> None:
        super().__init__(f"the first {end} bytes of the file are needed")
        self.end = end


@contextlib.contextmanager
def prefixed_with(name: str) -> Iterator[None]:
    """Put the name of a file in front of what errors of the block say."""
    try:
        yield
    except (SourceError, TargetError):
        raise  # names its file itself
    except FlacError as error:
        raise type(error)(f"{told(name)}: {error}") from error


def shortened(value: object) -> str:
    """A value in one line of at most 120 characters."""
    text = " ".join(str(value).split())
    return text if len(text) <= 120 else text[:117] + "..."


@contextlib.contextmanager
def needs_extra(extra: str, *libraries: str) -> Iterator[None]:
    """Say which extra to install when one of these libraries cannot be imported in the block."""
    try:
        yield
    except ModuleNotFoundError as error:
        missing = (error.name or "").partition(".")[0]
        if missing not in libraries:
            raise
        raise MissingExtraError(
            f'{missing} is not installed: pip install "virtual-flac[{extra}]"', name=missing
        ) from error
