"""The GEOSPATIAL_* comments of a FLAC stream to values."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import numpy as np
from affine import Affine

from ..errors import LayoutError, UnsupportedDtypeError
from ..model.georef import GeoReference
from ._json import MAX_SIZE, as_float, check_extent, parse_crs, parse_transform, require

#: What flac-raster's encoder accepts without failing.
DTYPES = (
    *("uint8", "int8", "uint16", "int16", "uint32", "int32", "uint64", "int64"),
    *("float32", "float64"),
)


def parse_dtype(comments: Mapping[str, str], where: str) -> np.dtype[Any]:
    """The dtype of the pixels."""
    name = str(require(comments, "GEOSPATIAL_DTYPE", where))
    if name not in DTYPES:
        raise UnsupportedDtypeError(f"{where} say dtype {name[:40]!r}, expected one of {DTYPES}")
    dtype: np.dtype[Any] = np.dtype(name)
    return dtype


def parse_length(comments: Mapping[str, str], key: str, where: str) -> int:
    """A whole number from 1 on: a width, a height, a count."""
    text = require(comments, key, where)
    if not (text.isascii() and text.isdecimal() and 0 < len(text) < 11):
        raise LayoutError(f"{where} say {key} {text[:40]!r}, expected a whole number")
    number = int(text)
    if not 1 <= number <= MAX_SIZE:
        raise LayoutError(f"{where} say {key} {number}, expected 1 to {MAX_SIZE}")
    return number


def parse_nodata(text: str | None, dtype: np.dtype[Any]) -> int | float | None:
    """The nodata value, which flac-raster writes as a float for integers, too."""
    if text in (None, "", "None"):
        return None
    assert text is not None
    try:
        number = json.loads(text)
    except ValueError:
        number = None
    if isinstance(number, int) and not isinstance(number, bool):
        as_float(number, "the comment GEOSPATIAL_NODATA")
        return number
    try:
        value = float(text)
    except ValueError as error:
        raise LayoutError(f"the comments say nodata {text[:40]!r}, expected a number") from error
    return int(value) if dtype.kind in "iu" and value.is_integer() else value


def parse_extreme(comments: Mapping[str, str], key: str, where: str) -> int:
    """The least or the largest pixel of a raster of integers."""
    text = require(comments, key, where)
    try:
        value = float(text)
    except ValueError:
        value = float("nan")
    if not value.is_integer():
        raise LayoutError(f"{where} say {key} {text[:40]!r}, expected a whole number")
    if abs(value) > 2**53:
        raise LayoutError(
            f"{where} say {key} {text[:40]!r}; flac-raster writes it exactly only up to 2**53, and "
            "without it the pixels cannot be told"
        )
    return int(value)


def parse_georef(
    comments: Mapping[str, str], where: str, *, width: int, height: int
) -> GeoReference:
    """CRS and transform, either of which may be absent."""
    text = comments.get("GEOSPATIAL_TRANSFORM")
    transform = Affine.identity()
    if text not in (None, "", "[]", "None"):
        try:
            value = json.loads(str(text))
        except (ValueError, RecursionError) as error:
            raise LayoutError(f"{where} say a transform that is not JSON: {error}") from error
        transform = parse_transform(value)
        check_extent(transform, width, height)
    return GeoReference(crs_wkt=parse_crs(comments.get("GEOSPATIAL_CRS")), transform=transform)
