"""What the GEOSPATIAL_* comments of a tile say of its pixels, checked against a `TileSpec`."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import numpy.typing as npt

from .blocks import Head
from .brief import brief
from .errors import (
    ConfigurationError,
    CorruptFlacError,
    UnsupportedDtypeError,
    UnsupportedFlacError,
)
from .samples import DTYPES, check_dtype
from .spec import EXACT, FLAC_RASTER, MAX_AXES, PIXEL_ORDERS, PREDICTED, ROW, TileSpec

VENDOR = "zarr-flac"
"""Vendor string of every tile we encode."""

WIDTH = "GEOSPATIAL_WIDTH"
HEIGHT = "GEOSPATIAL_HEIGHT"
DTYPE = "GEOSPATIAL_DTYPE"
SHAPE = "GEOSPATIAL_SHAPE"
PIXEL_ORDER = "GEOSPATIAL_PIXEL_ORDER"
DATA_MIN = "GEOSPATIAL_DATA_MIN"
DATA_MAX = "GEOSPATIAL_DATA_MAX"

_LENGTH = re.compile("[1-9][0-9]{0,8}", re.ASCII)


def check_meaning(head: Head, spec: TileSpec) -> None:
    """Refuse a tile whose samples do not mean what the spec takes them for.

    Raises
    ------
    UnsupportedFlacError
        The tile has an unknown pixel order, or its pixels are mapped in another way.
    """
    order = head.comments.get(PIXEL_ORDER, ROW)
    if order not in PIXEL_ORDERS:
        raise UnsupportedFlacError(
            f"The tile's {PIXEL_ORDER} is {brief(order)}; this version knows "
            f"{', '.join(PIXEL_ORDERS)}. A newer zarr-flac may know it."
        )
    if (order == PREDICTED) is (head.description is None):
        has = "no" if head.description is None else "the"
        raise CorruptFlacError(
            f"The tile's {PIXEL_ORDER} is {order}; it has {has} description of a predicted tile. "
            "The head of this tile is damaged."
        )
    if order == PREDICTED and spec.mapping != EXACT:
        raise UnsupportedFlacError(
            f"The tile is predicted; the configuration says mapping = {spec.mapping!r}. Decode it "
            f"with mapping = {EXACT!r}."
        )
    ours = head.vendor == VENDOR
    if spec.mapping == FLAC_RASTER and ours:
        raise UnsupportedFlacError(
            f"The tile was written by {VENDOR}, whose samples are the pixels; the configuration "
            f"says mapping = {FLAC_RASTER!r}. Decode it with mapping = {EXACT!r}."
        )
    if spec.mapping == EXACT and not ours and _made_by_flac_raster(head):
        raise UnsupportedFlacError(
            "The tile was written by flac-raster, which stretches pixels over the range of the "
            f"samples; the configuration says mapping = {EXACT!r}. Decode it with mapping = "
            f"{FLAC_RASTER!r}."
        )


def _made_by_flac_raster(head: Head) -> bool:
    return head.comments.get("ENCODER", "").lower().startswith("flac-raster")


def tile_dtype(head: Head, spec: TileSpec) -> np.dtype[Any]:
    """The dtype of a tile's pixels, as its comments or the spec say.

    Raises
    ------
    UnsupportedDtypeError
        The comments name an unknown dtype, or another one than the spec.
    ConfigurationError
        Neither says it.
    """
    named = head.comments.get(DTYPE)
    if named is not None and named not in DTYPES:
        raise UnsupportedDtypeError(
            f"The tile's {DTYPE} is {brief(named)}; known are {', '.join(DTYPES)}. "
            "Its comments are damaged, or another program wrote it."
        )
    return agreed_dtype(spec, named, "the tile")


def agreed_dtype(spec: TileSpec, found: npt.DTypeLike | None, where: str) -> np.dtype[Any]:
    """The dtype that spec and tile (or array) both say, or the one that is said at all."""
    if found is None:
        if spec.dtype is None:
            raise ConfigurationError(
                f"Neither the configuration nor {where} says the dtype. Give dtype=..."
            )
        return spec.dtype
    dtype = check_dtype(found)
    if spec.dtype is not None and dtype != spec.dtype:
        raise UnsupportedDtypeError(
            f"{where[0].upper()}{where[1:]} holds {dtype.name}; the configuration says "
            f"{spec.dtype.name}. Correct one of them."
        )
    return dtype


def tile_shapes(head: Head, spec: TileSpec) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Shape of the chunk, and the shape of the part of it that the tile holds.

    Raises
    ------
    CorruptFlacError
        The comments contradict the stream or the spec.
    ConfigurationError
        Neither tile nor spec says a size.
    """
    size = _true_size(head)
    if spec.chunk_shape is not None:
        chunk = spec.chunk_shape
        if size is None:
            return chunk, chunk
        if len(chunk) < 2:
            # The size then describes the array before it was laid out flat.
            return chunk, chunk
        tile = (*chunk[:-2], *size)
        if spec.channels > 1 and tile[0] != spec.planes:
            raise CorruptFlacError(f"The tile has {tile[0]} rows for {spec.planes} channels.")
        if size[0] > chunk[-2] or size[1] > chunk[-1]:
            raise CorruptFlacError(
                f"The tile is {size[0]} rows of {size[1]} pixels; chunk_shape = {chunk} has no "
                "room for it. The comments are damaged, or the configuration is another product's."
            )
        return chunk, tile
    total = head.streaminfo.total_samples
    if size is None:
        if not total:
            raise ConfigurationError(
                "Neither the configuration nor the tile says its size. Give chunk_shape=..."
            )
        shape: tuple[int, ...] = (total,) if spec.channels == 1 else (spec.channels, total)
        return shape, shape
    shape = _full_shape(head) or (size if spec.channels == 1 else (spec.channels, *size))
    if shape[-2:] != size or (spec.channels > 1 and shape[0] != spec.channels):
        raise CorruptFlacError(
            f"The tile's {SHAPE} is {shape}; its size is {size[0]} rows of {size[1]} pixels, in "
            f"{spec.channels} channels. The comments of this tile are damaged."
        )
    return shape, shape


def _true_size(head: Head) -> tuple[int, int] | None:
    """(height, width) as the tile's comments say, None when they say neither."""
    height, width = head.comments.get(HEIGHT), head.comments.get(WIDTH)
    if height is None and width is None:
        return None
    return _length(HEIGHT, height), _length(WIDTH, width)


def _full_shape(head: Head) -> tuple[int, ...] | None:
    """Shape of a tile with more axes than its size and channels tell."""
    text = head.comments.get(SHAPE)
    if text is None:
        return None
    lengths = text.split(",", MAX_AXES)
    if len(lengths) > MAX_AXES:
        raise CorruptFlacError(
            f"The tile's {SHAPE} is {brief(text)}; a tile has at most {MAX_AXES} axes. The "
            "comments of this tile are damaged."
        )
    return tuple(_length(SHAPE, length) for length in lengths)


def _length(key: str, text: str | None) -> int:
    if text is None or not _LENGTH.fullmatch(text):
        raise CorruptFlacError(
            f"The tile's {key} is {brief(text)}; expected a whole number of 1 to 9 digits, not 0. "
            "The comments of this tile are damaged."
        )
    return int(text)


def tile_extremes(head: Head) -> tuple[float, float]:
    """The least and the largest pixel, which flac-raster's map needs.

    Raises
    ------
    CorruptFlacError
        The comments do not say them.
    """
    return _extreme(head, DATA_MIN), _extreme(head, DATA_MAX)


def _extreme(head: Head, key: str) -> float:
    text = head.comments.get(key)
    try:
        return float(text or "")
    except ValueError as error:
        raise CorruptFlacError(
            f"The tile's {key} is {brief(text)}; flac-raster's map needs a number. The comments of "
            "this tile are damaged, or another program wrote it."
        ) from error
