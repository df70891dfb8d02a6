"""The codec for Zarr format 3: bytes to bytes, behind the standard ``bytes`` codec.

Translates between zarr-python's interface and tiles.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Self, Unpack

import numpy as np
from zarr.abc.codec import BytesBytesCodec

from .brief import brief
from .errors import ConfigurationError, FlacError
from .origin import origin_of
from .samples import check_dtype
from .spec import TileOptions, TileSpec
from .tile_decoder import TileDecoder
from .tile_encoder import encode_tile

if TYPE_CHECKING:
    from zarr.core.array_spec import ArraySpec
    from zarr.core.buffer import Buffer
    from zarr.core.common import JSON

NAME = "zarr_flac"
ALIASES = (NAME, f"numcodecs.{NAME}")


@dataclass(frozen=True, init=False)
class FlacCodec(BytesBytesCodec):
    """FLAC as a codec of Zarr v3 arrays.

    As a compressor of a new array it needs no parameters: the dtype is filled in from the
    array, the shape is that of each chunk.

    Parameters
    ----------
    **options
        The keys of the configuration, see `TileOptions`; all of them optional.
    """

    is_fixed_size = False

    spec: TileSpec
    _decoder: TileDecoder = field(compare=False, repr=False)

    def __init__(self, /, **options: Unpack[TileOptions]) -> None:
        object.__setattr__(self, "spec", TileSpec.from_config(options))
        object.__setattr__(self, "_decoder", TileDecoder(self.spec))

    @classmethod
    def from_spec(cls, spec: TileSpec) -> Self:
        """Make a codec of a spec."""
        return cls(**spec.to_config())

    @classmethod
    def from_dict(cls, data: dict[str, JSON] | str) -> Self:
        """Make a codec of its metadata, under either of its names.

        Raises
        ------
        ConfigurationError
            The name is another codec's, or the configuration cannot be right.
        """
        given: Any = {"name": data} if isinstance(data, str) else data  # both forms are valid
        known = {"name", "configuration", "must_understand"}
        if not isinstance(given, Mapping) or given.get("name") not in ALIASES or set(given) - known:
            raise ConfigurationError(
                f"Found the codec {brief(given)}; expected one named {ALIASES}."
            )
        configuration = given.get("configuration", {})
        if not isinstance(configuration, Mapping):
            raise ConfigurationError(f"configuration = {brief(configuration)}; expected an object.")
        return cls(**configuration)

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
            decoder = self._decoder_of(chunk_spec)
            dtype = decoder.spec.dtype
            assert dtype is not None
            nbytes = math.prod(chunk_spec.shape) * dtype.itemsize
            decoded = decoder.decode(data.data, nbytes=nbytes)
        except FlacError as error:
            origin = origin_of(chunk_bytes)
            if origin is None:
                raise
            raise type(error)(f"{origin}: {error}") from error
        return chunk_spec.prototype.buffer.from_array_like(decoded.reshape(-1).view("B"))

    def _encode_sync(self, chunk_bytes: Buffer, chunk_spec: ArraySpec) -> Buffer | None:
        spec = self._decoder_of(chunk_spec).spec
        assert spec.dtype is not None
        assert spec.chunk_shape is not None
        data = np.ascontiguousarray(chunk_bytes.as_numpy_array()).view("B")
        if data.size != math.prod(spec.chunk_shape) * spec.dtype.itemsize:
            raise ConfigurationError(
                f"{data.size} bytes are to be encoded; the array's chunks, {spec.dtype.name} of "
                f"shape {spec.chunk_shape}, have others. Put the codec right behind `bytes`."
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

    def _decoder_of(self, chunk_spec: ArraySpec) -> TileDecoder:
        """The decoder with what the spec leaves open taken from the chunk.

        What it says has to agree with the chunk, as it decides how much memory is taken. Axes of
        length 1 may differ, such as those that a cube adds.
        """
        spec = self.spec
        own, chunks = spec.chunk_shape, chunk_spec.shape
        if own is not None and own != chunks and _longer(own) != _longer(chunks):
            raise ConfigurationError(
                f"The codec's configuration says chunk_shape = {own}; the array's chunks are "
                f"{chunks}. Make them the same, or leave chunk_shape out."
            )
        if spec.dtype is not None and spec.chunk_shape is not None:
            return self._decoder
        dtype = _storage_dtype(chunk_spec) if spec.dtype is None else spec.dtype
        return self._decoder.of_shape(spec.chunk_shape or chunk_spec.shape or (1,), dtype)


def _longer(shape: tuple[int, ...]) -> list[int]:
    return [length for length in shape if length != 1]


def _storage_dtype(array_spec: ArraySpec) -> np.dtype[Any]:
    """The dtype of the bytes behind the ``bytes`` codec; dates and durations are int64."""
    native = array_spec.dtype.to_native_dtype()
    return check_dtype(np.dtype("<i8") if native.kind in "mM" else native)
