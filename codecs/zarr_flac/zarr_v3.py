"""The codec for Zarr format 3: bytes to bytes, behind the standard ``bytes`` codec.

Translates between zarr-python's interface and `tile`; must not know how decoding works. The
only module that imports zarr, whose ``zarr.core`` moves between minor versions.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Self

import numpy as np
from zarr.abc.codec import BytesBytesCodec
from zarr.core.common import JSON, parse_named_configuration

from .errors import ConfigurationError, FlacError
from .samples import check_dtype
from .spec import StreamFacts, TileSpec
from .tile import decode_tile, encode_tile

if TYPE_CHECKING:
    import numpy.typing as npt
    from zarr.core.array_spec import ArraySpec
    from zarr.core.buffer import Buffer

NAME = "zarr_flac"
ALIASES = (NAME, f"numcodecs.{NAME}")


@dataclass(frozen=True, init=False)
class FlacCodec(BytesBytesCodec):
    """FLAC as a codec of Zarr v3 arrays.

    As a compressor of a new array it needs no parameters: the dtype is filled in from the
    array, the shape is that of each chunk.

    Parameters
    ----------
    chunk_shape, dtype, channels, select, mapping, fill_value, stream
    level, block_size, bits_per_sample
        The fields of `TileSpec`, all of them optional.
    """

    is_fixed_size = False

    spec: TileSpec

    def __init__(
        self,
        *,
        chunk_shape: tuple[int, ...] | list[int] | None = None,
        dtype: npt.DTypeLike | None = None,
        channels: int = 1,
        select: tuple[int, ...] | list[int] | None = None,
        mapping: str = "exact",
        fill_value: float | str | None = 0,
        stream: StreamFacts | Mapping[str, int] | None = None,
        level: int | None = None,
        block_size: int | None = None,
        bits_per_sample: int | None = None,
    ) -> None:
        config = {
            "chunk_shape": chunk_shape,
            "dtype": dtype,
            "channels": channels,
            "select": select,
            "mapping": mapping,
            "fill_value": fill_value,
            "stream": stream,
            "level": level,
            "block_size": block_size,
            "bits_per_sample": bits_per_sample,
        }
        object.__setattr__(self, "spec", TileSpec.from_config(config))

    @classmethod
    def from_spec(cls, spec: TileSpec) -> Self:
        """Make a codec of a spec."""
        return cls(**spec.to_config())

    @classmethod
    def from_dict(cls, data: dict[str, JSON]) -> Self:
        """Make a codec of its metadata, under either of its names.

        Raises
        ------
        ConfigurationError
            The name is another codec's, or the configuration cannot be right.
        """
        name, configuration = parse_named_configuration(data, require_configuration=False)
        if name not in ALIASES:
            raise ConfigurationError(f"Found the codec name {name!r}; expected one of {ALIASES}.")
        return cls.from_spec(TileSpec.from_config(configuration or {}))

    def to_dict(self) -> dict[str, JSON]:
        """Return the codec's metadata; always with a configuration."""
        return {"name": NAME, "configuration": self.spec.to_config()}

    def evolve_from_array_spec(self, array_spec: ArraySpec) -> Self:
        """Fill in the dtype, and refuse one that FLAC cannot hold.

        Not the shape: zarr-python passes the shape of the whole array here when it makes
        metadata. The chunk's own shape comes with each chunk.
        """
        dtype = _storage_dtype(array_spec)
        if self.spec.dtype is None:
            return type(self).from_spec(replace(self.spec, dtype=dtype))
        if dtype.itemsize != self.spec.dtype.itemsize:
            raise ConfigurationError(
                f"The array is {dtype.name}; the codec's configuration says "
                f"{self.spec.dtype.name}. Correct one of them, or leave the codec's out."
            )
        return self

    def _decode_sync(self, chunk_bytes: Buffer, chunk_spec: ArraySpec) -> Buffer:
        data = np.ascontiguousarray(chunk_bytes.as_numpy_array()).view("B")
        try:
            decoded = decode_tile(data.data, self._spec_of(chunk_spec))
        except FlacError as error:
            # A codec is not told which chunk it decodes; a store may say so on the buffer.
            origin = getattr(chunk_bytes, "origin", None)
            if origin is None:
                raise
            raise type(error)(f"{origin}: {error}") from error
        return chunk_spec.prototype.buffer.from_array_like(decoded.reshape(-1).view("B"))

    def _encode_sync(self, chunk_bytes: Buffer, chunk_spec: ArraySpec) -> Buffer | None:
        spec = self._spec_of(chunk_spec)
        assert spec.dtype is not None
        assert spec.chunk_shape is not None
        data = np.ascontiguousarray(chunk_bytes.as_numpy_array()).view("B")
        if data.size != int(np.prod(spec.chunk_shape)) * spec.dtype.itemsize:
            raise ConfigurationError(
                f"The chunk has {data.size} bytes; the configuration says {spec.dtype.name} of "
                f"shape {spec.chunk_shape}. Leave chunk_shape out, or make it the array's chunks."
            )
        tile = encode_tile(data.view(spec.dtype).reshape(spec.chunk_shape), spec)
        return chunk_spec.prototype.buffer.from_bytes(tile)

    async def _decode_single(self, chunk_bytes: Buffer, chunk_spec: ArraySpec) -> Buffer:
        return await asyncio.to_thread(self._decode_sync, chunk_bytes, chunk_spec)

    async def _encode_single(self, chunk_bytes: Buffer, chunk_spec: ArraySpec) -> Buffer | None:
        return await asyncio.to_thread(self._encode_sync, chunk_bytes, chunk_spec)

    def compute_encoded_size(self, _input_byte_length: int, _chunk_spec: ArraySpec) -> int:
        """Raise: the size of a tile is known only once it is encoded."""
        raise NotImplementedError("the size of a FLAC tile depends on its pixels")

    def _spec_of(self, chunk_spec: ArraySpec) -> TileSpec:
        """The spec with what it leaves open taken from the chunk."""
        spec = self.spec
        if spec.dtype is not None and spec.chunk_shape is not None:
            return spec
        dtype = _storage_dtype(chunk_spec) if spec.dtype is None else spec.dtype
        shape = spec.chunk_shape or chunk_spec.shape or (1,)
        key = "completed", dtype, shape
        completed: TileSpec | None = spec.plans.get(key)
        if completed is None:  # a few: chunks of an array are all of one shape
            completed = spec.plans[key] = replace(spec, dtype=dtype, chunk_shape=shape)
        return completed


def _storage_dtype(array_spec: ArraySpec) -> np.dtype[Any]:
    """The dtype of the bytes behind the ``bytes`` codec; dates and durations are int64."""
    native = array_spec.dtype.to_native_dtype()
    return check_dtype(np.dtype("<i8") if native.kind in "mM" else native)
