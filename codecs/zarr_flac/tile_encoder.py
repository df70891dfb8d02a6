"""An array -> one complete FLAC stream, as a `TileSpec` says."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt

from . import frame_encoder, predicted
from .blocks import pack_head
from .errors import ConfigurationError, LossyTileError, UnsupportedFlacError
from .frame_encoder import DEFAULT_BLOCK_SIZE, DEFAULT_COMPRESSION
from .spec import EXACT, PREDICTED, ROW, TileSpec, flac_channels
from .tile_comments import (
    DTYPE,
    HEIGHT,
    PIXEL_ORDER,
    SHAPE,
    VENDOR,
    WIDTH,
    agreed_dtype,
)
from .tile_decoder import decode_tile, true_part


def encode_tile(
    array: npt.NDArray[Any],
    spec: TileSpec,
    *,
    comments: Mapping[str, str] | None = None,
    verify: bool = False,
) -> bytes:
    """Encode an array to one complete FLAC stream.

    Parameters
    ----------
    array
        Shape as `spec.chunk_shape`, or smaller in the last two axes (an edge tile, stored at its
        true size); any strides and byte order; dtype as `spec.dtype`. What the spec leaves open
        is taken from the array.
    spec
        How to encode.
    comments
        More comments for the tile; they win over the ones written here.
    verify
        Decode the tile again and compare every bit before returning it.

    Returns
    -------
    fLaC, STREAMINFO, VORBIS_COMMENT (size, dtype, pixel order), frames

    Raises
    ------
    ConfigurationError
        The array's shape or dtype does not fit the spec.
    UnsupportedDtypeError
        The dtype has no exact place in FLAC samples.
    UnsupportedFlacError
        The mapping is one that is only decoded.
    SampleRangeError
        A value needs more than `spec.bits_per_sample`.
    LossyTileError
        `verify` found a difference.
    """
    if spec.mapping != EXACT or spec.select is not None or spec.stream is not None:
        raise UnsupportedFlacError(
            f"mapping = {spec.mapping!r}, select = {spec.select}, stream = {spec.stream}: only "
            f"decoded. Encode with mapping = {EXACT!r}, all planes and no stream."
        )
    array = np.asarray(array)
    dtype = agreed_dtype(spec, array.dtype, "the array")
    _check_array_shape(array.shape, spec)
    encode = _encode_predicted if _order(array.shape, spec) == PREDICTED else _encode_rows
    tile = encode(array, dtype, spec, {key.upper(): text for key, text in (comments or {}).items()})
    if verify:
        _verify(tile, array, replace(spec, dtype=dtype))
    return tile


def _order(shape: tuple[int, ...], spec: TileSpec) -> str:
    """The pixel order that the spec asks for, or that suits the array."""
    possible = (
        len(shape) > 1
        and math.prod(shape[:-2]) <= predicted.MAX_BANDS
        and max(shape[-2:]) <= predicted.MAX_SIDE
        and math.prod(shape[-2:]) <= predicted.MAX_PIXELS
    )
    if spec.order == PREDICTED and not possible:
        raise ConfigurationError(
            f"order = {PREDICTED!r} for an array of shape {shape}; it takes two axes or more, at "
            f"most {predicted.MAX_BANDS} planes, of at most {predicted.MAX_PIXELS} pixels. Use "
            f"order = {ROW!r}."
        )
    if spec.order is not None:
        return spec.order
    row = spec.block_size or spec.bits_per_sample or not possible or min(shape[-2:]) == 1
    return ROW if row else PREDICTED


def _encode_predicted(
    array: npt.NDArray[Any], dtype: np.dtype[Any], spec: TileSpec, comments: dict[str, str]
) -> bytes:
    rows = array.reshape(-1, *array.shape[-2:])
    streaminfo, description, frames = predicted.encode(rows, _effort(spec), md5=_has_md5(spec))
    fields = {PIXEL_ORDER: PREDICTED}
    if array.ndim > 3:
        fields[SHAPE] = _shape_text(array.shape)
    return pack_head(streaminfo, fields | comments, VENDOR, description) + frames


def _encode_rows(
    array: npt.NDArray[Any], dtype: np.dtype[Any], spec: TileSpec, comments: dict[str, str]
) -> bytes:
    flac_channels(spec.channels, dtype, spec.mapping)  # refuses more than a stream holds
    planes = array if spec.channels > 1 else array[np.newaxis]
    streaminfo, frames = frame_encoder.encode(
        planes,
        spec.bits_per_sample,
        compression=_effort(spec),
        block_size=spec.block_size or DEFAULT_BLOCK_SIZE,
        md5=_has_md5(spec),
    )
    fields = {DTYPE: dtype.name, PIXEL_ORDER: ROW}
    if array.ndim >= 2:
        fields |= {WIDTH: str(array.shape[-1]), HEIGHT: str(array.shape[-2])}
        if math.prod(planes.shape[1:-2]) > 1:
            fields[SHAPE] = _shape_text(array.shape)
    return pack_head(streaminfo, fields | comments, VENDOR) + frames


def _effort(spec: TileSpec) -> int:
    return DEFAULT_COMPRESSION if spec.compression is None else spec.compression


def _has_md5(spec: TileSpec) -> bool:
    return spec.md5 is not False


def _shape_text(shape: tuple[int, ...]) -> str:
    return ",".join(map(str, shape))


def _check_array_shape(shape: tuple[int, ...], spec: TileSpec) -> None:
    wanted = spec.chunk_shape
    if not shape or 0 in shape:
        raise ConfigurationError(f"An array of shape {shape} holds no pixels; nothing to encode.")
    if wanted is None:
        fits = spec.channels == 1 or shape[0] == spec.channels
    else:
        fits = len(shape) == len(wanted) and all(
            have == want or (have < want and len(shape) - axis <= 2 <= len(shape))
            for axis, (have, want) in enumerate(zip(shape, wanted, strict=True))
        )
        fits = fits and (spec.channels == 1 or shape[0] == spec.channels)
    if not fits:
        raise ConfigurationError(
            f"The array has shape {shape}; expected chunk_shape = {wanted}, channels = "
            f"{spec.channels} (only the last two axes may be shorter, in an edge tile)."
        )


def _verify(tile: bytes, array: npt.NDArray[Any], spec: TileSpec) -> None:
    decoded = decode_tile(tile, spec)
    decoded = true_part(decoded, array.shape).reshape(array.shape)
    expected = np.asarray(array, dtype=decoded.dtype)
    bits = f"<u{decoded.dtype.itemsize}"
    differ = decoded.view(bits) != expected.view(bits)
    if differ.any():
        where = tuple(int(axis[0]) for axis in np.nonzero(differ))
        raise LossyTileError(
            f"{np.count_nonzero(differ)} of {differ.size} pixels differ after decoding; the first "
            f"at {where} is {decoded[where]!r} instead of {expected[where]!r}. Keep none of this "
            "tile, and report it with the raster."
        )
