"""One complete FLAC stream, or a chunk of bare frames -> an array, as a `TileSpec` says.

Knows how an edge tile is padded. What is the same for all tiles of a product stands in the spec;
what differs per tile (true size of an edge tile, extremes) stands in its comments.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt

from . import frame_decoder, headless, predicted
from .blocks import Head, parse_head
from .checksum import check_crc32
from .fill import fill_scalar
from .flac_raster_map import from_flac_raster
from .mapping_loss import count_ambiguous as _count_ambiguous
from .native_calls import Buffer
from .output import output_array
from .samples import from_samples
from .spec import FLAC_RASTER, TileSpec, flac_channels
from .stream_facts import StreamFacts
from .tile_comments import check_meaning, tile_extremes
from .tile_plan import Plan, PredictedPlan, make_plan, make_predicted_plan

_KINDS = 64
"""How many kinds of tiles a decoder remembers: inner ones, edges, corners, and some to spare."""

_REMEMBERED = 4096
"""Bytes of a head up to which its kind is remembered."""


def decode_tile(
    data: Buffer, spec: TileSpec, out: npt.NDArray[Any] | None = None
) -> npt.NDArray[Any]:
    """Decode one complete FLAC stream to an array, or the bare frames of a chunk.

    Parameters
    ----------
    data
        The stream, or with `spec.stream` the frames; any contiguous buffer. It is not copied.
    spec
        What the tiles of the product have in common. What it leaves open is taken from the
        tile's own comments. For many tiles make one `TileDecoder`, which is faster.
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
    return TileDecoder(spec).decode(data, out)


class TileDecoder:
    """Decodes the tiles of one product, and remembers what it has worked out for them.

    Tiles of a product come in a few kinds: inner ones, edges, corners. What a kind's comments mean
    is worked out once. Threads may share a decoder.

    Parameters
    ----------
    spec
        What the tiles have in common.
    """

    def __init__(self, spec: TileSpec) -> None:
        self.spec = spec
        self._plans: dict[tuple[Any, ...], Plan] = {}
        self._predicted_plans: dict[tuple[Any, ...], PredictedPlan] = {}
        self._others: dict[tuple[tuple[int, ...], np.dtype[Any] | None], TileDecoder] = {}

    def decode(
        self,
        data: Buffer,
        out: npt.NDArray[Any] | None = None,
        *,
        nbytes: int | None = None,
        crc32: int | None = None,
    ) -> npt.NDArray[Any]:
        """Decode a tile, or with `spec.stream` a chunk of bare frames: see `decode_tile`.

        Parameters
        ----------
        data, out
            As for `decode_tile`.
        nbytes
            Size of the decoded array where the caller knows it: another one is refused.
        crc32
            CRC-32 of all of `data` where the caller knows it: other bytes are refused. In most
            cases it is summed up while they are decoded, which takes less time than before.
        """
        spec = self.spec
        if spec.stream is not None:
            check_crc32(data, crc32)
            return _decode_headless(data, spec, spec.stream, out, nbytes)
        head = parse_head(data)
        if predicted.is_predicted(head):
            predicted_plan = self._predicted_plan_of(head)
            return _decode_predicted(data, head, predicted_plan, spec, out, nbytes, crc32)
        plan = self._plan_of(head)
        size = memoryview(data).nbytes
        frame_decoder.check_sizes(size, head, plan.channels, plan.total)
        most = frame_decoder.most_samples(size, head) * spec.planes
        out = output_array(out, plan.chunk_shape, plan.dtype, most, nbytes)
        layout = plan.layout
        if (
            layout is None
            or not out.flags.c_contiguous
            or frame_decoder.depth_stands_in_streaminfo_only(data, head)
        ):
            check_crc32(data, crc32)
            _decode_samples(data, head, spec, plan, out)
        else:
            frame_decoder.decode_pixels(data, head, plan.total, out, layout, plan.offset, crc32)
        if plan.tile_shape != plan.chunk_shape:
            _pad(out, plan.tile_shape, fill_scalar(spec.fill_value, plan.dtype))
        return out

    def of_shape(
        self, chunk_shape: tuple[int, ...], dtype: np.dtype[Any] | None = None
    ) -> TileDecoder:
        """The decoder of tiles of another shape; made once for a shape.

        Parameters
        ----------
        chunk_shape
            Shape of the decoded array: of one chunk, or of an edge tile without padding.
        dtype
            Of the pixels, where the spec leaves it open.
        """
        spec = self.spec
        dtype = spec.dtype if dtype is None else dtype
        if (chunk_shape, dtype) == (spec.chunk_shape, spec.dtype):
            return self
        found = self._others.get((chunk_shape, dtype))
        if found is None:
            if len(self._others) >= _KINDS:
                self._others.clear()
            found = TileDecoder(replace(spec, chunk_shape=chunk_shape, dtype=dtype))
            self._others[chunk_shape, dtype] = found
        return found

    def __reduce__(self) -> tuple[type[TileDecoder], tuple[TileSpec]]:
        return TileDecoder, (self.spec,)

    def _plan_of(self, head: Head) -> Plan:
        if head.frames_offset > _REMEMBERED or head.description is not None:
            return make_plan(head, self.spec)
        info = head.streaminfo
        key = head.vendor, info.bits_per_sample, info.total_samples, *head.comments.items()
        return _remembered(self._plans, key, lambda: make_plan(head, self.spec))

    def _predicted_plan_of(self, head: Head) -> PredictedPlan:
        check_meaning(head, self.spec)
        tile = predicted.describe(head)
        if sum(map(len, head.comments.values())) > _REMEMBERED:
            return make_predicted_plan(head, tile, self.spec)
        key = (tile.dtype, tile.bands, tile.height, tile.width, *head.comments.items())
        return _remembered(
            self._predicted_plans, key, lambda: make_predicted_plan(head, tile, self.spec)
        )


def _remembered[P](
    plans: dict[tuple[Any, ...], P], key: tuple[Any, ...], make: Callable[[], P]
) -> P:
    plan = plans.get(key)
    if plan is None:
        if len(plans) >= _KINDS:
            plans.clear()
        plan = plans[key] = make()
    return plan


def count_ambiguous(data: Buffer, pixels: npt.NDArray[Any], spec: TileSpec | None = None) -> int:
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
    return _count_ambiguous(pixels, *tile_extremes(parse_head(data)))


def _decode_samples(
    data: Buffer, head: Head, spec: TileSpec, plan: Plan, out: npt.NDArray[Any]
) -> None:
    """Decode by way of samples: where they are no pixels yet, or `out` is not contiguous."""
    planes = _planes(true_part(out, plan.tile_shape), spec)
    samples = np.empty((plan.channels, plan.total), np.int32)
    frame_decoder.decode(data, head, samples)
    samples = _selected(samples, spec)
    if spec.mapping == FLAC_RASTER:
        from_flac_raster(samples, *tile_extremes(head), planes)
    else:
        from_samples(samples, head.streaminfo.bits_per_sample, planes)


def _decode_predicted(
    data: Buffer,
    head: Head,
    plan: PredictedPlan,
    spec: TileSpec,
    out: npt.NDArray[Any] | None,
    nbytes: int | None,
    crc32: int | None,
) -> npt.NDArray[Any]:
    out = output_array(out, plan.chunk_shape, plan.dtype, head.streaminfo.total_samples, nbytes)
    straight = out.flags.c_contiguous and plan.dtype.isnative
    target = out if straight else np.empty(plan.chunk_shape, plan.dtype)
    predicted.decode(data, head, target.reshape(-1, *plan.plane_shape), plan.places, crc32)
    if target is not out:
        out[...] = target
    if plan.tile_shape != plan.chunk_shape:
        _pad(out, plan.tile_shape, fill_scalar(spec.fill_value, plan.dtype))
    return out


def _decode_headless(
    data: Buffer,
    spec: TileSpec,
    stream: StreamFacts,
    out: npt.NDArray[Any] | None,
    nbytes: int | None,
) -> npt.NDArray[Any]:
    """Decode a chunk of bare frames, which say neither shape nor dtype: the spec alone does."""
    shape, dtype = spec.chunk_shape, spec.dtype
    assert shape is not None
    assert dtype is not None
    channels = flac_channels(spec.channels, dtype, spec.mapping)
    head = Head(stream.streaminfo(channels))
    most = frame_decoder.most_samples(memoryview(data).nbytes, head) * spec.planes
    out = output_array(out, shape, dtype, most, nbytes)
    samples, rows = headless.decode_frames(data, spec, channels)
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


def _planes(region: npt.NDArray[Any], spec: TileSpec) -> npt.NDArray[Any]:
    return region if spec.channels > 1 else region[np.newaxis]


def _selected(samples: npt.NDArray[np.int32], spec: TileSpec) -> npt.NDArray[np.int32]:
    """The channels of those planes that the spec selects."""
    if spec.select is None:
        return samples
    channels, total = samples.shape
    grouped = samples.reshape(spec.channels, channels // spec.channels, total)
    return grouped[list(spec.select)].reshape(-1, total)


def true_part(out: npt.NDArray[Any], tile_shape: tuple[int, ...]) -> npt.NDArray[Any]:
    """The part of a chunk that a tile of this shape fills."""
    return out if out.shape == tile_shape else out[..., : tile_shape[-2], : tile_shape[-1]]


def _pad(out: npt.NDArray[Any], tile_shape: tuple[int, ...], fill: Any) -> None:
    height, width = tile_shape[-2:]
    out[..., height:, :] = fill
    out[..., :height, width:] = fill
