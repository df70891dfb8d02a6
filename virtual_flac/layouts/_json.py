"""The head of all streaming files: 4-byte size, then strict JSON, and the keys all of them have.

A wrong value is a `LayoutError` that names the key, what was found and what was expected.
"""

from __future__ import annotations

import base64
import math
from collections.abc import Mapping
from typing import Any

from affine import Affine

from ..errors import LayoutError, NeedBytes, UnknownLayoutError
from ..model import crs
from ..model.grid import TileGrid
from ._strict_json import parse_object, show

#: The size of the index, unsigned 32 bit, big-endian (FORMAT.md, "Head").
SIZE_BYTES = 4
#: Seven million tiles of ours. A larger "size" is the text of some other file.
MAX_INDEX_BYTES = 1 << 26
#: GDAL's own limit for the width and height of a raster.
MAX_SIZE = 2**31 - 1

_KNOWN_SIGNATURES = {
    b"II*\0": "a TIFF; turn it into FLAC with `virtual-flac convert`",
    b"MM\0*": "a TIFF; turn it into FLAC with `virtual-flac convert`",
    b"II+\0": "a BigTIFF; turn it into FLAC with `virtual-flac convert`",
    b"MM\0+": "a BigTIFF; turn it into FLAC with `virtual-flac convert`",
    b"<": "HTML or XML, perhaps an error page of the server",
    b"{": "JSON without the 4-byte size in front",
    b"\x89HDF": "an HDF5 or NetCDF4 file",
    b"PK\x03\x04": "a ZIP archive",
    b"\x1f\x8b": "gzip data",
}


def read_head(head: bytes, file_size: int) -> tuple[dict[str, Any], int]:
    """The JSON index at the start of a streaming file, and the position of the byte after it.

    `NeedBytes` when `head` ends before the index does and the file goes on.
    """
    if len(head) < SIZE_BYTES + 1:
        if file_size <= len(head):
            raise UnknownLayoutError(
                f"the file has {len(head)} bytes; a streaming FLAC file begins with the 4-byte "
                "size of its index"
            )
        raise NeedBytes(SIZE_BYTES + 1)
    for signature, what in _KNOWN_SIGNATURES.items():
        if head.startswith(signature):
            raise UnknownLayoutError(f"the file begins with {head[:4]!r}: {what}")
    size = int.from_bytes(head[:SIZE_BYTES], "big")
    end = SIZE_BYTES + size
    if head[SIZE_BYTES : SIZE_BYTES + 1] != b"{":
        raise UnknownLayoutError(
            f"the file begins with {head[:8]!r}; a streaming FLAC file begins with the 4-byte size "
            "of its JSON index and a brace"
        )
    if end > file_size:
        raise LayoutError(
            f"the index is said to be {size} bytes long, but the file has only {file_size} bytes: "
            "it is cut short or damaged"
        )
    if size > MAX_INDEX_BYTES:
        raise LayoutError(
            f"the index is said to be {size} bytes long; more than {MAX_INDEX_BYTES} is refused"
        )
    if len(head) < end:
        raise NeedBytes(end)
    return parse_object(head[SIZE_BYTES:end]), end


def require(mapping: Mapping[str, Any], key: str, where: str) -> Any:
    """The value of a key that must be there."""
    if key not in mapping:
        raise LayoutError(f"{where} lacks the key {key!r}; it has {listed(mapping)}")
    return mapping[key]


def listed(mapping: Mapping[str, Any]) -> str:
    """The first keys of an object, for an error."""
    return ", ".join(show(key) for key in sorted(mapping)[:12]) or "none"


def as_int(value: Any, name: str, *, low: int, high: int) -> int:
    """A JSON integer within limits, both inclusive."""
    if isinstance(value, bool) or not isinstance(value, int):
        raise LayoutError(f"{name} is {show(value)}, expected an integer")
    if not low <= value <= high:
        raise LayoutError(f"{name} is {show(value)}, expected {low} to {high}")
    return value


def as_float(value: Any, name: str) -> float:
    """A finite JSON number."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise LayoutError(f"{name} is {show(value)}, expected a number")
    try:
        number = float(value)
    except OverflowError:
        number = math.inf
    if not math.isfinite(number):
        raise LayoutError(f"{name} is {show(value)}, expected a finite number")
    return number


def as_str(value: Any, name: str) -> str:
    """A JSON string."""
    if not isinstance(value, str):
        raise LayoutError(f"{name} is {show(value)}, expected a string")
    return value


def as_bool(value: Any, name: str) -> bool:
    """A JSON boolean."""
    if not isinstance(value, bool):
        raise LayoutError(f"{name} is {show(value)}, expected true or false")
    return value


def as_list(value: Any, name: str, *, length: int | None = None) -> list[Any]:
    """A JSON array, of a given length if that is said."""
    if not isinstance(value, list):
        raise LayoutError(f"{name} is {show(value)}, expected a list")
    if length is not None and len(value) != length:
        raise LayoutError(f"{name} has {len(value)} entries, expected {length}")
    return value


def as_object(value: Any, name: str) -> dict[str, Any]:
    """A JSON object."""
    if not isinstance(value, dict):
        raise LayoutError(f"{name} is {show(value)}, expected an object")
    return value


def decode_base64(value: Any, name: str) -> bytes:
    """The bytes of a JSON string in base64."""
    try:
        return base64.b64decode(as_str(value, name), validate=True)
    except ValueError as error:
        raise LayoutError(f"{name} is not base64: {error}") from error


def parse_transform(value: Any) -> Affine:
    """The affine matrix from nine numbers, row by row (the last three are 0, 0, 1), or six."""
    items = as_list(value, "transform")
    if len(items) not in (6, 9):
        raise LayoutError(f"transform has {len(items)} numbers, expected 9 (or 6)")
    numbers = [as_float(v, f"transform[{i}]") for i, v in enumerate(items)]
    if numbers[6:] not in ([], [0, 0, 1]):
        raise LayoutError(f"transform ends in {numbers[6:]}, expected 0, 0, 1")
    return Affine(*numbers[:6])


def check_extent(transform: Affine, width: int, height: int) -> None:
    """Refuse a transform by which a corner of the raster lies at no finite place."""
    for corner in ((width, 0), (0, height), (width, height)):
        if not all(map(math.isfinite, transform @ corner)):
            raise LayoutError(
                f"transform is {show(list(transform[:6]))}; a corner of the raster would lie at "
                "infinity"
            )


def pack_transform(transform: Affine) -> list[float]:
    """The affine matrix as nine numbers, row by row."""
    return [float(v) for v in transform[:6]] + [0.0, 0.0, 1.0]


def parse_size(index: Mapping[str, Any]) -> TileGrid:
    """Width, height and tile size of the raster."""
    width = as_int(require(index, "width", "the index"), "width", low=1, high=MAX_SIZE)
    height = as_int(require(index, "height", "the index"), "height", low=1, high=MAX_SIZE)
    size = as_int(require(index, "tile_size", "the index"), "tile_size", low=1, high=MAX_SIZE)
    return TileGrid(height, width, size, size)


def parse_crs(value: Any) -> str | None:
    """WKT2:2019 of a CRS given as authority code, WKT or PROJ string; None for none.

    flac-raster writes ``str(crs)``, which is ``"None"`` for a raster without CRS.
    """
    if value is None or value in ("", "None"):
        return None
    return crs.parse_crs(as_str(value, "crs")).to_wkt()
