"""GDAL's settings, how datasets are opened, and GDAL's errors as ours."""

from __future__ import annotations

import contextlib
import logging
import os
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import rasterio

# Some functions of rasterio let GDAL's own errors through, which have no public name.
from rasterio._err import CPLE_BaseError
from rasterio.env import get_gdal_config, hasenv, set_gdal_config
from rasterio.errors import CRSError, NotGeoreferencedWarning, RasterioError
from rasterio.session import DummySession

from ..errors import SourceError, SourceNotFoundError
from ..io.addresses import local_path, refuse_unspeakable
from ..redaction import redact, redact_name, safe_cause

#: Enough for the source blocks of one read; GDAL's own default is a share of the machine's memory.
CACHE_BYTES = 4 << 20


class _Redacted(logging.Filter):
    def filter(self, record: logging.LogRecord) -> bool:
        record.msg, record.args = redact(record.getMessage()), None
        return True


# rasterio logs the names of what it opens, signed URLs too.
for _name in [name for name in logging.root.manager.loggerDict if name.startswith("rasterio")]:
    logging.getLogger(_name).addFilter(_Redacted())


@contextlib.contextmanager
def gdal_session(**options: Any) -> Iterator[None]:
    """GDAL settings for the block, with a small block cache, whose size is the process's."""
    if hasenv():
        # rasterio would put the environment's credentials over those of the block around.
        options.setdefault("session", DummySession())
    with rasterio.Env(**options):
        before = get_gdal_config("GDAL_CACHEMAX")
        set_gdal_config("GDAL_CACHEMAX", CACHE_BYTES)
        try:
            yield
        finally:
            set_gdal_config("GDAL_CACHEMAX", before)


def reserve_cache(size: int) -> None:
    """Make room for so many bytes more in GDAL's block cache, until the end of the session."""
    set_gdal_config("GDAL_CACHEMAX", CACHE_BYTES + size)


def open_dataset(name: str | Path, mode: str = "r", *, level: int = 0, **options: Any) -> Any:
    """`rasterio.open`, silent about rasters without georeferencing, with errors of ours.

    Level 0 is the full resolution, 1 the first overview.

    Raises
    ------
    SourceError
        When GDAL cannot open the file.
    """
    if level:
        options["overview_level"] = level - 1
    path = local_path(name)
    # rasterio and GDAL see protocols and drivers in names like "s3:a.tif", but not in whole paths.
    exact = name if path is None or not os.path.lexists(path) else os.fspath(path)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", NotGeoreferencedWarning)
        try:
            return rasterio.open(exact, mode, **options)
        except UnicodeEncodeError as error:
            refuse_unspeakable(str(name))
            raise SourceError(f"{name}: {error}") from error
        except RasterioError as error:
            if path is not None and os.path.isdir(path):
                # GDAL reads some folders as rasters, but not this one.
                raise SourceError(f"{name} is a folder, expected a file") from safe_cause(error)
            missing = path is not None and not os.path.exists(path)
            kind = SourceNotFoundError if missing else SourceError
            raise kind(explain(error, str(name))) from safe_cause(error)


@contextlib.contextmanager
def translating_errors(name: str, kind: type[OSError] = SourceError) -> Iterator[None]:
    """Turn GDAL's errors into ours, which name the file."""
    try:
        yield
    except (RasterioError, CPLE_BaseError, CRSError) as error:
        raise kind(explain(error, name)) from safe_cause(error)


def explain(error: BaseException, name: str) -> str:
    """What GDAL said, where rasterio only says that it said something."""
    while error.__cause__ is not None:
        error = error.__cause__
    text = redact(str(error)) or type(error).__name__
    shown = redact_name(name)
    return text if shown in text else f"{shown}: {text}"
