"""flac-raster's streaming layout as this project writes it, for readers that know no other.

The head and the keys are flac-raster's. Its own tiles hold stretched pixels; these hold the pixels
less a constant, which its decoder adds again. The comment ``ENCODER`` marks them, so that our own
reader knows that the samples are exact.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from ..errors import SelectionError, UnsupportedDtypeError
from ..model.georef import GeoReference
from ..model.grid import TileGrid, Window
from ..model.index import Interleave, RasterInfo, TileSizes, U64Array
from ._json import SIZE_BYTES, pack_transform

#: Comment of every tile, where flac-raster's own begins with ``FLAC-Raster``.
ENCODER = "virtual-flac, exact samples"
#: Dtypes whose values its decoder can give back, as far as they fit 16 bits.
DTYPES = ("uint8", "int8", "uint16", "int16", "uint32", "int32")


def check_raster(raster: RasterInfo, *, overviews: int = 0) -> None:
    """Refuse what the layout cannot hold.

    Raises
    ------
    SelectionError
        More than one band, or overviews.
    UnsupportedDtypeError
        A dtype whose values flac-raster's decoder does not return.
    """
    if raster.count > 1:
        raise SelectionError(
            f"flac-raster's streaming files hold one band, the raster has {raster.count}. Choose "
            "one with --bands 1 (bands=[1])."
        )
    if overviews:
        raise SelectionError(
            "flac-raster's streaming files hold no overviews. Leave them out with --overviews "
            "none (overviews='none')."
        )
    if raster.dtype.name not in DTYPES:
        raise UnsupportedDtypeError(
            f"the raster is {raster.dtype.name}; flac-raster's decoder gives exact values of "
            f"{', '.join(DTYPES)} alone. Write our own layout (without --to flac-raster)."
        )


def stored_dtype(dtype: np.dtype[Any]) -> np.dtype[Any]:
    """The 16-bit integer that every pixel has to fit."""
    return np.dtype("int16" if dtype.kind == "i" else "uint16")


def pack(
    raster: RasterInfo,
    levels: Sequence[TileSizes],
    *,
    tile_size: int,
    interleave: Interleave = "band",
    source_overviews: bool = False,
    extra: Mapping[str, Any] | None = None,
) -> bytes:
    """The head of a file: 4-byte size and JSON. Tiles follow without gaps.

    The layout has one level and one band. What follows `tile_size` is ignored.
    """
    georef = raster.georef
    [level] = levels
    ends = np.cumsum(level.lengths.ravel(), dtype=np.uint64).reshape(level.lengths.shape)
    grid = TileGrid(raster.height, raster.width, tile_size, tile_size)
    content = {
        "crs": str(georef.authority_code() or georef.crs_wkt),
        "transform": pack_transform(georef.transform),
        "width": raster.width,
        "height": raster.height,
        "tile_size": tile_size,
        "frames": _pack_frames(grid, georef, (ends - level.lengths)[0], level.lengths[0]),
    }
    data = json.dumps(content, separators=(",", ":"), allow_nan=False).encode()
    return len(data).to_bytes(SIZE_BYTES, "big") + data


def _pack_frames(
    grid: TileGrid, georef: GeoReference, offsets: U64Array, lengths: U64Array
) -> list[dict[str, Any]]:
    """flac-raster's list of tiles, from offsets and lengths of shape (tile row, tile column)."""
    frames = []
    for number, window in enumerate(grid.windows()):
        row, col = divmod(number, grid.cols)
        left, top = georef.transform @ (window.col_off, window.row_off)
        # flac-raster's own arithmetic, which ignores rotation.
        right = left + window.width * georef.transform.a
        bottom = top + window.height * georef.transform.e
        frames.append(
            {
                "frame_id": number,
                "bbox": [left, bottom, right, top],
                "window": window._asdict(),
                "byte_offset": int(offsets[row, col]),
                "byte_size": int(lengths[row, col]),
            }
        )
    return frames


def tile_comments(raster: RasterInfo, *, window: Window, crs: str | None) -> dict[str, str]:
    """Comments from which flac-raster 0.1.2 restores a tile.

    It computes ``round((s + 1) / 2 * (DATA_MAX - DATA_MIN) + DATA_MIN)`` with ``s = a / 32768``
    for the 16-bit sample ``a``: with these extremes ``a + b``, `b` being what was subtracted.
    `crs` is the authority code, where the CRS has one.
    """
    base = 0 if raster.dtype.kind == "i" else 1 << 15
    a, b, _, d, e, _ = raster.georef.transform[:6]
    left, top = raster.georef.transform @ (window.col_off, window.row_off)
    bounds = {
        "left": left,
        "bottom": top + window.height * e,
        "right": left + window.width * a,
        "top": top,
    }
    return {
        "TITLE": "Geospatial Raster Data",
        "ENCODER": ENCODER,
        "GEOSPATIAL_CRS": crs or raster.georef.crs_wkt or "",
        "GEOSPATIAL_WIDTH": str(window.width),
        "GEOSPATIAL_HEIGHT": str(window.height),
        "GEOSPATIAL_COUNT": "1",
        "GEOSPATIAL_DTYPE": raster.dtype.name,
        "GEOSPATIAL_NODATA": str(raster.fill_value),
        "GEOSPATIAL_DATA_MIN": str(base - 32768),
        "GEOSPATIAL_DATA_MAX": str(base + 32768),
        "GEOSPATIAL_TRANSFORM": json.dumps([a, b, left, d, e, top, 0.0, 0.0, 1.0]),
        "GEOSPATIAL_BOUNDS": json.dumps(bounds),
        "GEOSPATIAL_SPATIAL_TILING": "False",
    }


def lost(raster: RasterInfo) -> list[str]:
    """Names of the metadata of a raster that the layout cannot hold."""
    [band] = raster.bands
    georef = raster.georef
    tags = {**raster.tags.get("", {})}
    tags.pop("AREA_OR_POINT", None)
    other = [items for domain, items in raster.tags.items() if domain and items]
    found = {
        "nodata, which the dtype cannot hold": raster.nodata is not None
        and raster.fill_value is None,
        "AREA_OR_POINT=Point": raster.tags.get("", {}).get("AREA_OR_POINT") == "Point",
        "description": band.description,
        "unit": band.unit,
        "scale and offset": (band.scale, band.offset) != (1.0, 0.0),
        "color interpretation": band.color_interpretation not in ("undefined", "gray"),
        "colour map": band.colormap,
        "tags": tags or other or band.tags,
        "ground control points": georef.gcps,
        "RPCs": georef.rpcs,
    }
    return [name for name, value in found.items() if value]
