"""The configuration of the codec: `TileSpec` <-> JSON.

Knows the keys, their limits, and which of them fit together.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypedDict

import numpy as np
import numpy.typing as npt

from .brief import brief
from .errors import ConfigurationError, UnsupportedFlacError
from .fill import FillValue, normalise_fill_value
from .samples import channels_per_plane, check_dtype, default_bits_per_sample
from .stream_facts import StreamFacts
from .streaminfo import (
    MAX_BITS_PER_SAMPLE,
    MAX_CHANNELS,
    MAX_TOTAL_SAMPLES,
    MIN_BITS_PER_SAMPLE,
)
from .whole_numbers import is_whole, whole_number

EXACT = "exact"
FLAC_RASTER = "flac-raster"
MAPPINGS = (EXACT, FLAC_RASTER)

ROW, PREDICTED = "row", "predicted"
PIXEL_ORDERS = (PREDICTED, ROW)

MAX_AXES = 32
_MAX_PIXELS = MAX_TOTAL_SAMPLES * MAX_CHANNELS

_ENCODER_LIMITS = {
    "compression": (0, 8),
    "block_size": (16, 65535),
    "bits_per_sample": (MIN_BITS_PER_SAMPLE, MAX_BITS_PER_SAMPLE),
}


class TileOptions(TypedDict, total=False):
    """The keys of the configuration: what stands in metadata, and the codecs' own parameters.

    Each is the field of `TileSpec` with its name; `level` is the field `compression`.
    """

    chunk_shape: Sequence[int] | None
    dtype: npt.DTypeLike | None
    channels: int
    select: Sequence[int] | None
    mapping: str
    fill_value: float | str | None
    stream: StreamFacts | Mapping[str, int] | None
    order: str | None
    level: int | None
    block_size: int | None
    bits_per_sample: int | None
    md5: bool | None


@dataclass(frozen=True, eq=False)
class TileSpec:
    """What all tiles of a product have in common: the configuration of the codec.

    Two specs are equal when their configurations are, NaN included.

    Raises
    ------
    ConfigurationError
        A value is out of range, or does not fit the others.
    UnsupportedDtypeError
        The dtype has no exact place in FLAC samples.
    """

    chunk_shape: tuple[int, ...] | None = None
    """Shape of the decoded array; None: the true shape of each tile."""
    dtype: np.dtype[Any] | None = None
    """Dtype of the pixels, little-endian; None: as each tile's comments say."""
    channels: int = 1
    """1: the chunk in C order is one plane. More: its first axis, each entry a plane."""
    select: tuple[int, ...] | None = None
    """Decoding only: the planes to show, counted from 0, in this order; None: all."""
    mapping: str = EXACT
    """How samples stand for pixels: `exact`; decoding only, `flac-raster`."""
    fill_value: FillValue = 0
    """What pads an edge tile up to the chunk shape. A NaN with payload is a string, 0x..."""
    stream: StreamFacts | None = None
    """Decoding only: chunks are bare frames of this stream, cut where it suits the bytes."""
    order: str | None = None
    """Encoder: `predicted`, the smallest; `row`, whose samples are the pixels, so that every FLAC
    program shows them. None means `predicted` for planes of two rows and columns or more, unless
    `block_size` or `bits_per_sample` is given: those are of samples in row order."""
    compression: int | None = None
    """Encoder: effort, 0 (fast) to 8 (small); None means 5."""
    block_size: int | None = None
    """Encoder: samples per channel in a frame, 16 to 65,535; None means 4,096."""
    bits_per_sample: int | None = None
    """Encoder: depth of the samples; None means all bits of the dtype."""
    md5: bool | None = None
    """Encoder: write the MD5 of the samples; None means yes."""

    def __post_init__(self) -> None:
        def put(name: str, value: object) -> None:
            object.__setattr__(self, name, value)

        if self.chunk_shape is not None:
            put("chunk_shape", _chunk_shape(self.chunk_shape))
        if self.dtype is not None:
            put("dtype", check_dtype(self.dtype))
        put("channels", whole_number("channels", self.channels, 1, MAX_CHANNELS))
        if self.mapping not in MAPPINGS:
            raise UnsupportedFlacError(
                f"mapping = {brief(self.mapping)}; this version knows {' and '.join(MAPPINGS)}. "
                "A newer zarr-flac may know it."
            )
        for name, (low, high) in _ENCODER_LIMITS.items():
            if getattr(self, name) is not None:
                put(name, whole_number(name, getattr(self, name), low, high))
        if self.order is not None and self.order not in PIXEL_ORDERS:
            raise ConfigurationError(
                f"order = {brief(self.order)}; expected {' or '.join(PIXEL_ORDERS)}."
            )
        if self.order == PREDICTED and (self.block_size or self.bits_per_sample):
            raise ConfigurationError(
                f"order = {PREDICTED!r}, block_size = {self.block_size}, bits_per_sample = "
                f"{self.bits_per_sample}; the last two are for order = {ROW!r}. Leave them out."
            )
        if self.md5 is not None and not isinstance(self.md5, bool):
            raise ConfigurationError(f"md5 = {brief(self.md5)}; expected true or false.")
        if self.select is not None:
            put("select", _selection(self.select, self.channels, self.chunk_shape))
        if self.stream is not None and not isinstance(self.stream, StreamFacts):
            put("stream", StreamFacts.from_config(self.stream))
        if self.stream is not None:
            _check_bare_frames(self)
        if self.channels > 1 and self.chunk_shape and self.chunk_shape[0] != self.planes:
            raise ConfigurationError(
                f"channels = {self.channels}, select = {self.select}, chunk_shape = "
                f"{self.chunk_shape}; with more than one channel the first axis must be as long "
                "as there are channels, or selected ones."
            )
        if self.dtype is not None:
            flac_channels(self.channels, self.dtype, self.mapping)
            if self.bits_per_sample is not None:
                own = default_bits_per_sample(self.dtype)
                fixed = self.dtype.kind == "f" or self.dtype.itemsize == 8
                if self.bits_per_sample > own or (fixed and self.bits_per_sample != own):
                    raise ConfigurationError(
                        f"bits_per_sample = {self.bits_per_sample} for {self.dtype.name}, which "
                        f"takes {'' if fixed else 'at most '}{own}. Leave it out."
                    )
        put("fill_value", normalise_fill_value(self.fill_value, self.dtype))

    @property
    def planes(self) -> int:
        """How many planes a decoded chunk shows."""
        return self.channels if self.select is None else len(self.select)

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> TileSpec:
        """Make a spec of a JSON configuration; the inverse of `to_config`.

        Raises
        ------
        ConfigurationError
            A key is unknown, or a value cannot be right.
        """
        known = list(TileOptions.__annotations__)
        unknown = [key for key in config if key not in known]
        if unknown:
            raise ConfigurationError(
                f"Found the configuration keys {brief(unknown)}; known are {known}. They may "
                "change what the bytes mean: a newer zarr-flac may know them."
            )
        given = dict(config)
        return cls(compression=given.pop("level", None), **given)

    def to_config(self) -> dict[str, Any]:
        """Write the spec as strict JSON values; encoder keys only where they were given."""
        config: dict[str, Any] = {}
        if self.chunk_shape is not None:
            config["chunk_shape"] = list(self.chunk_shape)
        if self.dtype is not None:
            config["dtype"] = self.dtype.name
        config["channels"] = self.channels
        if self.select is not None:
            config["select"] = list(self.select)
        config["mapping"] = self.mapping
        config["fill_value"] = _json_number(self.fill_value)
        if self.stream is not None:
            config["stream"] = self.stream.to_config()
        for name in ("order", *_ENCODER_LIMITS, "md5"):
            if getattr(self, name) is not None:
                config["level" if name == "compression" else name] = getattr(self, name)
        return config

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, TileSpec):
            return NotImplemented
        return self._key() == other._key()

    def __hash__(self) -> int:
        return hash(self._key())

    def _key(self) -> tuple[object, ...]:
        config = self.to_config()
        # repr: -0.0 is not 0.0, yet 0 stays 0 whatever way it was written
        config["fill_value"] = repr(config["fill_value"])
        return tuple((name, str(value)) for name, value in config.items())


def flac_channels(channels: int, dtype: np.dtype[Any], mapping: str) -> int:
    """How many FLAC channels the planes take."""
    per_plane = channels_per_plane(dtype) if mapping == EXACT else 1
    if channels * per_plane > MAX_CHANNELS:
        raise ConfigurationError(
            f"channels = {channels} of {dtype.name} need {channels * per_plane} FLAC channels; a "
            f"stream has at most {MAX_CHANNELS}. Use at most {MAX_CHANNELS // per_plane}, or 1."
        )
    return channels * per_plane


def _chunk_shape(shape: Any) -> tuple[int, ...]:
    if not isinstance(shape, list | tuple) or not all(map(is_whole, shape)):
        raise ConfigurationError(f"chunk_shape = {brief(shape)}; expected whole numbers.")
    if not 1 <= len(shape) <= MAX_AXES or min(shape) < 1:
        raise ConfigurationError(
            f"chunk_shape = {brief(shape)}; expected 1 to {MAX_AXES} axes, each of 1 or more."
        )
    if max(shape) > _MAX_PIXELS or math.prod(map(int, shape)) > _MAX_PIXELS:
        raise ConfigurationError(
            f"chunk_shape = {brief(shape)}; no FLAC stream holds more than {_MAX_PIXELS} pixels. "
            "Make it the array's chunks."
        )
    return tuple(map(int, shape))


def _selection(select: Any, channels: int, chunk_shape: tuple[int, ...] | None) -> tuple[int, ...]:
    if not isinstance(select, list | tuple) or not select or channels == 1 or chunk_shape is None:
        raise ConfigurationError(
            f"select = {brief(select)}, channels = {channels}, chunk_shape = {chunk_shape}; "
            "expected planes of a tile that has several, and the shape of the chunk that shows "
            "them."
        )
    chosen = tuple(whole_number("an entry of select", plane, 0, channels - 1) for plane in select)
    if len(set(chosen)) != len(chosen):
        raise ConfigurationError(f"select = {brief(select)} names a plane twice.")
    return chosen


def _check_bare_frames(spec: TileSpec) -> None:
    shape, stream = spec.chunk_shape, spec.stream
    assert stream is not None
    if shape is None or spec.dtype is None or len(shape) < 2:
        raise ConfigurationError(
            "Bare frames say neither their shape nor their dtype: give dtype, and a chunk_shape of "
            "two axes or more."
        )
    if math.prod(shape[:-2]) != spec.planes:
        raise ConfigurationError(
            f"stream with chunk_shape = {shape}, channels = {spec.channels}; chunks of bare frames "
            "are rows of one image with these planes."
        )
    if spec.mapping == FLAC_RASTER and spec.dtype.kind in "iu" and stream.data_min is None:
        raise ConfigurationError(
            f"mapping = {FLAC_RASTER!r} of {spec.dtype.name} needs stream.data_min and data_max."
        )


def _json_number(value: FillValue) -> int | float | str:
    if isinstance(value, float) and not math.isfinite(value):
        return "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"
    return value
