"""Tiles: an array <-> one complete FLAC stream, as a `TileSpec` says.

Knows what the GEOSPATIAL_* comments mean and how an edge tile is padded. Must not know Zarr,
numcodecs or files, nor how frames are made. What is the same for all tiles of a product stands
in the spec; what differs per tile (true size of an edge tile, extremes) stands in its comments.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from . import backend, cut
from .blocks import Head, pack_head, parse_head
from .errors import (
    ConfigurationError,
    CorruptFlacError,
    LossyTileError,
    UnsupportedDtypeError,
    UnsupportedFlacError,
)
from .fill import fill_scalar
from .flac_raster_map import count_ambiguous as _count_ambiguous
from .flac_raster_map import from_flac_raster
from .samples import (
    DTYPES,
    check_dtype,
    default_bits_per_sample,
    from_samples,
    sample_offset,
    to_samples,
)
from .spec import EXACT, FLAC_RASTER, StreamFacts, TileSpec, flac_channels

VENDOR = "zarr-flac"
"""Vendor string of every tile we encode."""

WIDTH = "GEOSPATIAL_WIDTH"
HEIGHT = "GEOSPATIAL_HEIGHT"
DTYPE = "GEOSPATIAL_DTYPE"
SHAPE = "GEOSPATIAL_SHAPE"
PIXEL_ORDER = "GEOSPATIAL_PIXEL_ORDER"
DATA_MIN = "GEOSPATIAL_DATA_MIN"
DATA_MAX = "GEOSPATIAL_DATA_MAX"

PIXEL_ORDERS = ("row",)
"""Orders we know. Another one gets its name here, and its two functions where `encode_tile`
hands pixels to `to_samples` and `decode_tile` takes them from `from_samples`."""

_PLANS = 64
"""How many kinds of tiles a spec remembers: inner ones, edges, corners, and some to spare."""

_LENGTH = re.compile("[1-9][0-9]{0,8}", re.ASCII)
_Buffer = bytes | bytearray | memoryview


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
    dtype = _agreed_dtype(spec, array.dtype, "the array")
    _check_array_shape(array.shape, spec)
    flac_channels(spec.channels, dtype, spec.mapping)  # refuses more than a stream holds
    depth = spec.bits_per_sample or default_bits_per_sample(dtype)
    planes = array if spec.channels > 1 else array[np.newaxis]
    samples = to_samples(planes, depth)
    streaminfo, frames = backend.encode(
        samples,
        depth,
        level=backend.DEFAULT_LEVEL if spec.level is None else spec.level,
        block_size=spec.block_size or backend.DEFAULT_BLOCK_SIZE,
        stereo=dtype.itemsize < 8,
    )
    fields = {DTYPE: dtype.name, PIXEL_ORDER: "row"}
    if array.ndim >= 2:
        fields |= {WIDTH: str(array.shape[-1]), HEIGHT: str(array.shape[-2])}
        if math.prod(planes.shape[1:-2]) > 1:
            fields[SHAPE] = ",".join(map(str, array.shape))
    for key, value in (comments or {}).items():
        fields[key.upper()] = value
    tile = pack_head(streaminfo, fields, VENDOR) + frames
    if verify:
        _verify(tile, array, replace(spec, dtype=dtype))
    return tile


def decode_tile(
    data: _Buffer, spec: TileSpec, out: npt.NDArray[Any] | None = None
) -> npt.NDArray[Any]:
    """Decode one complete FLAC stream to an array, or the bare frames of a chunk.

    Parameters
    ----------
    data
        The stream, or with `spec.stream` the frames; any contiguous buffer. It is not copied.
    spec
        What the tiles of the product have in common. What it leaves open is taken from the
        tile's own comments.
    out
        Receives the pixels when given: writable, of the decoded shape and dtype. It holds
        rubbish after an error.

    Returns
    -------
    `out`, or a new C-contiguous array of `spec.chunk_shape` (or of the tile's own shape without
    one), little-endian

    Raises
    ------
    CorruptFlacError
        Damage, truncation, or comments that contradict the stream or the spec.
    UnsupportedFlacError
        Another number of channels, an unknown pixel order, or the wrong mapping.
    UnsupportedDtypeError, ConfigurationError, SampleRangeError
        The tile holds another dtype or shape than the spec says.
    """
    if spec.stream is not None:
        return _decode_cut(data, spec, spec.stream, out)
    head = parse_head(data)
    plan = _plan_of(head, spec)
    backend.check_sizes(memoryview(data).nbytes, head, plan.channels, plan.total)
    out = _room(out, plan.chunk_shape, plan.dtype)
    places = plan.places
    if (
        places is None
        or not out.flags.c_contiguous
        or backend.depth_stands_in_streaminfo_only(data, head)
    ):
        _decode_samples(data, head, spec, plan, out)
    else:
        backend.decode_pixels(data, head, plan.total, out, places, plan.offset)
    if plan.tile_shape != plan.chunk_shape:
        _pad(out, plan.tile_shape, fill_scalar(spec.fill_value, plan.dtype))
    return out


@dataclass(frozen=True, slots=True)
class _Plan:
    """How tiles with certain comments are decoded; worked out once for all of a product."""

    dtype: np.dtype[Any]
    channels: int
    """Of the stream."""
    chunk_shape: tuple[int, ...]
    tile_shape: tuple[int, ...]
    """The part of the chunk that the tile holds."""
    total: int
    """Samples in a channel."""
    places: backend.Places | None
    """Where samples go in a C-contiguous array; None where they are not pixels but for `offset`."""
    offset: int


def _plan_of(head: Head, spec: TileSpec) -> _Plan:
    """Take the plan for a tile out of the spec's memory, or make it."""
    info = head.streaminfo
    key = head.vendor, info.bits_per_sample, info.total_samples, *head.comments.items()
    plan: _Plan | None = spec.plans.get(key)
    if plan is None:
        plan = _make_plan(head, spec)
        if len(spec.plans) >= _PLANS:
            spec.plans.clear()
        spec.plans[key] = plan
    return plan


def _make_plan(head: Head, spec: TileSpec) -> _Plan:
    _check_meaning(head, spec)
    named = head.comments.get(DTYPE)
    if named is not None and named not in DTYPES:
        raise UnsupportedDtypeError(
            f"The tile's {DTYPE} is {named[:40]!r}; known are {', '.join(DTYPES)}. "
            "Its comments are damaged, or another program wrote it."
        )
    dtype = _agreed_dtype(spec, named, "the tile")
    channels = flac_channels(spec.channels, dtype, spec.mapping)
    chunk_shape, tile_shape = _shapes(head, spec)
    total = math.prod(tile_shape) // spec.planes
    offset = sample_offset(dtype, head.streaminfo.bits_per_sample)
    places = None
    if spec.mapping == EXACT and offset is not None:
        selection = range(spec.channels) if spec.select is None else spec.select
        first = 1 if spec.channels > 1 else 0
        places = backend.Places.in_chunk(
            chunk_shape[first:], tile_shape[first:], dtype.itemsize, selection, spec.channels
        )
    return _Plan(dtype, channels, chunk_shape, tile_shape, total, places, offset or 0)


def _decode_samples(
    data: _Buffer, head: Head, spec: TileSpec, plan: _Plan, out: npt.NDArray[Any]
) -> None:
    """Decode by way of samples: where they are no pixels yet, or `out` is not contiguous."""
    planes = _planes(_true_part(out, plan.tile_shape), spec)
    samples = np.empty((plan.channels, plan.total), np.int32)
    backend.decode(data, head, samples)
    samples = _selected(samples, spec)
    if spec.mapping == FLAC_RASTER:
        from_flac_raster(samples, _extreme(head, DATA_MIN), _extreme(head, DATA_MAX), planes)
    else:
        from_samples(samples, head.streaminfo.bits_per_sample, planes)


def _decode_cut(
    data: _Buffer, spec: TileSpec, stream: StreamFacts, out: npt.NDArray[Any] | None
) -> npt.NDArray[Any]:
    """Decode a chunk of bare frames, which say neither shape nor dtype: the spec alone does."""
    shape, dtype = spec.chunk_shape, spec.dtype
    assert shape is not None
    assert dtype is not None
    out = _room(out, shape, dtype)
    channels = flac_channels(spec.channels, dtype, spec.mapping)
    samples, rows = cut.decode_frames(data, spec, channels)
    samples = _selected(samples, spec)
    planes = _planes(out[..., :rows, :], spec)
    if spec.mapping == FLAC_RASTER:
        from_flac_raster(samples, *_stream_extremes(stream), planes)
    else:
        from_samples(samples, stream.bits_per_sample, planes)
    out[..., rows:, :] = fill_scalar(spec.fill_value, dtype)
    return out


def _stream_extremes(stream: StreamFacts) -> tuple[float, float]:
    low, high = stream.data_min, stream.data_max
    return math.nan if low is None else low, math.nan if high is None else high


def _room(
    out: npt.NDArray[Any] | None, shape: tuple[int, ...], dtype: np.dtype[Any]
) -> npt.NDArray[Any]:
    """The array to decode into: the caller's when it fits, or a new one."""
    if out is None:
        return np.empty(shape, dtype)
    if out.shape != shape or out.dtype != dtype:
        raise ConfigurationError(
            f"The array to decode into is {out.dtype.name} of shape {out.shape}; the tile is "
            f"{dtype.name} of shape {shape}."
        )
    return out


def _planes(region: npt.NDArray[Any], spec: TileSpec) -> npt.NDArray[Any]:
    return region if spec.channels > 1 else region[np.newaxis]


def _selected(samples: npt.NDArray[np.int32], spec: TileSpec) -> npt.NDArray[np.int32]:
    """The channels of those planes that the spec selects."""
    if spec.select is None:
        return samples
    channels, total = samples.shape
    grouped = samples.reshape(spec.channels, channels // spec.channels, total)
    return grouped[list(spec.select)].reshape(-1, total)


def read_tile_info(data: _Buffer) -> Head:
    """Read the head of a tile: STREAMINFO and comments. Its first bytes are enough.

    Raises
    ------
    CorruptFlacError
        The bytes are not FLAC, damaged, or end within the head.
    """
    return parse_head(data)


def count_ambiguous(data: _Buffer, pixels: npt.NDArray[Any], spec: TileSpec | None = None) -> int:
    """How many pixels of a tile of flac-raster are only one of several possible values.

    Parameters
    ----------
    data
        The tile, or its first bytes.
    pixels
        What `decode_tile` gave, without what pads an edge.
    spec
        How it was decoded; `TileSpec(mapping="flac-raster")` by default.

    Raises
    ------
    CorruptFlacError
        The tile's comments do not say the extremes that the map needs.
    """
    if spec is not None and spec.stream is not None:
        return _count_ambiguous(pixels, *_stream_extremes(spec.stream))
    head = parse_head(data)
    return _count_ambiguous(pixels, _extreme(head, DATA_MIN), _extreme(head, DATA_MAX))


def _check_meaning(head: Head, spec: TileSpec) -> None:
    """Refuse a tile whose samples do not mean what the spec takes them for."""
    order = head.comments.get(PIXEL_ORDER, "row")
    if order not in PIXEL_ORDERS:
        raise UnsupportedFlacError(
            f"The tile's {PIXEL_ORDER} is {order!r}; this version knows {', '.join(PIXEL_ORDERS)}. "
            "A newer zarr-flac may know it."
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


def _agreed_dtype(spec: TileSpec, found: npt.DTypeLike | None, where: str) -> np.dtype[Any]:
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


def _shapes(head: Head, spec: TileSpec) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Shape of the chunk, and the shape of the part of it that the tile holds."""
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
    return None if text is None else tuple(_length(SHAPE, n) for n in text.split(",")[:64])


def _length(key: str, text: str | None) -> int:
    if text is None or not _LENGTH.fullmatch(text):
        raise CorruptFlacError(
            f"The tile's {key} is {text!r}; expected a whole number of 1 to 9 digits, not 0. "
            "The comments of this tile are damaged."
        )
    return int(text)


def _extreme(head: Head, key: str) -> float:
    text = head.comments.get(key)
    try:
        return float(text or "")
    except ValueError as error:
        raise CorruptFlacError(
            f"The tile's {key} is {text!r}; flac-raster's map needs a number. The comments of this "
            "tile are damaged, or another program wrote it."
        ) from error


def _true_part(out: npt.NDArray[Any], tile_shape: tuple[int, ...]) -> npt.NDArray[Any]:
    return out if out.shape == tile_shape else out[..., : tile_shape[-2], : tile_shape[-1]]


def _pad(out: npt.NDArray[Any], tile_shape: tuple[int, ...], fill: Any) -> None:
    height, width = tile_shape[-2:]
    out[..., height:, :] = fill
    out[..., :height, width:] = fill


def _verify(tile: bytes, array: npt.NDArray[Any], spec: TileSpec) -> None:
    decoded = decode_tile(tile, spec)
    decoded = _true_part(decoded, array.shape).reshape(array.shape)
    expected = np.ascontiguousarray(array, dtype=decoded.dtype)
    bits = f"<u{decoded.dtype.itemsize}"
    differ = np.ascontiguousarray(decoded).view(bits) != expected.view(bits)
    if differ.any():
        where = tuple(int(axis[0]) for axis in np.nonzero(differ))
        raise LossyTileError(
            f"{np.count_nonzero(differ)} of {differ.size} pixels differ after decoding; the first "
            f"at {where} is {decoded[where]!r} instead of {expected[where]!r}. Keep none of this "
            "tile, and report it with the raster."
        )
