"""The configuration of the codec: `TileSpec` <-> JSON.

Knows the keys, their limits, and which of them fit together. Must not know tiles' bytes or Zarr.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields, replace
from functools import cached_property
from typing import Any

import numpy as np

from .errors import ConfigurationError, UnsupportedFlacError
from .fill import FillValue, normalise_fill_value
from .samples import channels_per_plane, check_dtype, default_bits_per_sample
from .streaminfo import (
    MAX_BITS_PER_SAMPLE,
    MAX_CHANNELS,
    MAX_TOTAL_SAMPLES,
    MIN_BITS_PER_SAMPLE,
    StreamInfo,
)

EXACT = "exact"
FLAC_RASTER = "flac-raster"
MAPPINGS = (EXACT, FLAC_RASTER)

_KEYS = (
    "chunk_shape", "dtype", "channels", "select", "mapping", "fill_value",
    "stream", "level", "block_size", "bits_per_sample",
)  # fmt: skip
_ENCODER_KEYS = ("level", "block_size", "bits_per_sample")
_ENCODER_LIMITS = {
    "level": (0, 8),
    "block_size": (16, 65535),
    "bits_per_sample": (MIN_BITS_PER_SAMPLE, MAX_BITS_PER_SAMPLE),
}
_STREAM_LIMITS = {
    "total_samples": (1, MAX_TOTAL_SAMPLES),
    "bits_per_sample": (MIN_BITS_PER_SAMPLE, MAX_BITS_PER_SAMPLE),
    "min_block_size": (16, 65535),
    "max_block_size": (16, 65535),
    "data_min": (-(2**63), 2**64 - 1),
    "data_max": (-(2**63), 2**64 - 1),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamFacts:
    """One long stream whose frames are cut into chunks: what stands only in its head.

    Raises
    ------
    ConfigurationError
        A value is out of range, or does not fit the others.
    """

    total_samples: int
    """Samples per channel in the whole stream; never unknown."""
    bits_per_sample: int
    """Depth of a sample, 4 to 32."""
    min_block_size: int
    """Samples per channel in the smallest frame; as `max_block_size` where frames are counted."""
    max_block_size: int
    """Samples per channel in the largest frame."""
    data_min: int | None = None
    """For the mapping `flac-raster`: the least pixel of the raster; None for floats."""
    data_max: int | None = None
    """Its largest pixel."""

    def __post_init__(self) -> None:
        for name, (low, high) in _STREAM_LIMITS.items():
            value = getattr(self, name)
            if value is not None or not name.startswith("data"):
                object.__setattr__(self, name, _whole(f"stream.{name}", value, low, high))
        if self.min_block_size > self.max_block_size:
            raise ConfigurationError(
                f"stream.min_block_size = {self.min_block_size} is more than "
                f"stream.max_block_size = {self.max_block_size}."
            )
        if (self.data_min is None) is not (self.data_max is None):
            raise ConfigurationError("stream has one of data_min and data_max; give both.")

    @classmethod
    def from_config(cls, config: Any) -> StreamFacts:
        """Make the facts of their JSON object."""
        known = {field.name for field in fields(cls)}
        needed = {name for name in known if not name.startswith("data")}
        if not isinstance(config, Mapping) or not needed <= set(config) <= known:
            raise ConfigurationError(
                f"stream = {config!r}; expected an object with {sorted(needed)}, and data_min and "
                "data_max where the mapping needs them."
            )
        return cls(**config)

    def to_config(self) -> dict[str, int]:
        """Write the facts as a JSON object."""
        return {name: value for name, value in asdict(self).items() if value is not None}

    def streaminfo(self, channels: int, total_samples: int = 0) -> StreamInfo:
        """STREAMINFO of a piece of the stream, as far as a decoder needs it."""
        return StreamInfo(
            min_block_size=self.min_block_size,
            max_block_size=self.max_block_size,
            channels=channels,
            bits_per_sample=self.bits_per_sample,
            total_samples=total_samples,
        )


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
    level: int | None = None
    """Encoder: libFLAC's compression level, 0 to 8; None means 5."""
    block_size: int | None = None
    """Encoder: samples per channel in a frame, 16 to 65,535; None means 4,096."""
    bits_per_sample: int | None = None
    """Encoder: depth of the samples; None means all bits of the dtype."""

    def __post_init__(self) -> None:
        def put(name: str, value: object) -> None:
            object.__setattr__(self, name, value)

        if self.chunk_shape is not None:
            shape: Any = self.chunk_shape
            if not isinstance(shape, list | tuple) or not all(map(_is_whole, shape)):
                raise ConfigurationError(f"chunk_shape = {shape!r}; expected whole numbers.")
            put("chunk_shape", tuple(int(n) for n in shape))
            if not shape or min(shape) < 1:
                raise ConfigurationError(
                    f"chunk_shape = {shape!r}; expected one axis or more, each of 1 or more."
                )
        if self.dtype is not None:
            put("dtype", check_dtype(self.dtype))
        put("channels", _whole("channels", self.channels, 1, MAX_CHANNELS))
        if self.mapping not in MAPPINGS:
            raise UnsupportedFlacError(
                f"mapping = {self.mapping!r}; this version knows {' and '.join(MAPPINGS)}. "
                "A newer zarr-flac may know it."
            )
        for name, (low, high) in _ENCODER_LIMITS.items():
            if getattr(self, name) is not None:
                put(name, _whole(name, getattr(self, name), low, high))
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

    @cached_property
    def plans(self) -> dict[Any, Any]:
        """What decoding has worked out for tiles of this spec, from one tile to the next."""
        return {}

    def __getstate__(self) -> dict[str, Any]:
        return {name: value for name, value in self.__dict__.items() if name != "plans"}

    def of_shape(self, shape: tuple[int, ...]) -> TileSpec:
        """The spec of a tile that is to be decoded at its true shape, without padding.

        Made once for a shape, so that what decoding works out is there for the next tile.
        """
        if shape == self.chunk_shape:
            return self
        key = "of shape", shape
        made: TileSpec | None = self.plans.get(key)  # another thread may empty it at any time
        if made is None:
            made = self.plans[key] = replace(self, chunk_shape=shape)
        return made

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
        unknown = sorted(set(config) - set(_KEYS))
        if unknown:
            raise ConfigurationError(
                f"Found the configuration keys {unknown}; known are {list(_KEYS)}. They may "
                "change what the bytes mean: a newer zarr-flac may know them."
            )
        return cls(**config)

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
        for name in _ENCODER_KEYS:
            if getattr(self, name) is not None:
                config[name] = getattr(self, name)
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


def _selection(select: Any, channels: int, chunk_shape: tuple[int, ...] | None) -> tuple[int, ...]:
    if not isinstance(select, list | tuple) or not select or channels == 1 or chunk_shape is None:
        raise ConfigurationError(
            f"select = {select!r}, channels = {channels}, chunk_shape = {chunk_shape}; expected "
            "planes of a tile that has several, and the shape of the chunk that shows them."
        )
    chosen = tuple(_whole("an entry of select", plane, 0, channels - 1) for plane in select)
    if len(set(chosen)) != len(chosen):
        raise ConfigurationError(f"select = {select!r} names a plane twice.")
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


def _is_whole(value: object) -> bool:
    return isinstance(value, int | np.integer) and not isinstance(value, bool)


def _whole(name: str, value: Any, low: int, high: int) -> int:
    if not _is_whole(value) or not low <= value <= high:
        raise ConfigurationError(f"{name} = {value!r}; expected a whole number, {low} to {high}.")
    return int(value)


def _json_number(value: FillValue) -> int | float | str:
    if isinstance(value, float) and not math.isfinite(value):
        return "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"
    return value
