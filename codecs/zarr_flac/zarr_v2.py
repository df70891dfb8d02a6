"""The codec for numcodecs: Zarr format 2, kerchunk references, anything that asks numcodecs.

Translates between numcodecs' interface and tiles.
"""

from __future__ import annotations

import math
from typing import Any, Unpack

import numpy as np
import numpy.typing as npt
from numcodecs.abc import Codec
from numcodecs.compat import ensure_contiguous_ndarray, ensure_ndarray, ndarray_copy

from .errors import ConfigurationError
from .spec import TileOptions, TileSpec
from .tile_decoder import TileDecoder
from .tile_encoder import encode_tile


class Flac(Codec):  # type: ignore[misc]
    """FLAC as a numcodecs codec; a compressor, or the only filter, of a Zarr v2 array.

    Bytes in are bytes out: an array is encoded in the order in which it lies in memory, as
    numcodecs' compressors do it. Arrays in F order are therefore encoded as their transpose, and
    big-endian ones as if they were little-endian; both exactly, the latter badly compressed.

    Parameters
    ----------
    **options
        The keys of the configuration, see `TileOptions`; all of them optional.
    """

    codec_id = "zarr_flac"

    def __init__(self, /, **options: Unpack[TileOptions]) -> None:
        self.spec = TileSpec.from_config(options)
        self._decoder = TileDecoder(self.spec)

    def encode(self, buf: Any) -> bytes:
        """Encode an array (or any buffer, when the configuration has a dtype) to one tile.

        Raises
        ------
        FlacError
            See `encode_tile`.
        """
        array = _in_memory_order(ensure_ndarray(buf), self.spec)
        return encode_tile(array, self.spec)

    def decode(self, buf: Any, out: Any = None) -> Any:
        """Decode one tile, into `out` when given, which holds rubbish after an error.

        Raises
        ------
        FlacError
            See `decode_tile`.
        """
        data = ensure_contiguous_ndarray(buf).view("B").data
        chunk = _as_chunk(out, self.spec)
        if chunk is None:
            nbytes = None if out is None else ensure_ndarray(out).nbytes
            return ndarray_copy(self._decoder.decode(data, nbytes=nbytes), out)
        self._decoder.decode(data, chunk)
        return out

    def get_config(self) -> dict[str, Any]:
        """Return the configuration as JSON values, with the codec's id."""
        return {"id": self.codec_id, **self.spec.to_config()}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Flac:
        """Make a codec of its configuration, with or without the id."""
        return cls(**{key: value for key, value in config.items() if key != "id"})

    def __repr__(self) -> str:
        fields = ", ".join(f"{k}={v!r}" for k, v in self.spec.to_config().items())
        return f"Flac({fields})"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Flac) and self.spec == other.spec

    def __hash__(self) -> int:
        return hash(self.spec)


def _as_chunk(out: Any, spec: TileSpec) -> npt.NDArray[Any] | None:
    """The memory of an array as a chunk to decode into; None where it has to be copied there."""
    if (
        not isinstance(out, np.ndarray)
        or not out.flags.c_contiguous
        or not out.flags.writeable
        or out.dtype.hasobject
        or spec.dtype is None
        or spec.chunk_shape is None
        or out.nbytes != math.prod(spec.chunk_shape) * spec.dtype.itemsize
    ):
        return None
    return out.reshape(-1).view("B").view(spec.dtype).reshape(spec.chunk_shape)


def _in_memory_order(array: npt.NDArray[Any], spec: TileSpec) -> npt.NDArray[Any]:
    """The array as it lies in memory: C order, little-endian, of the configured shape."""
    if array.flags.f_contiguous and not array.flags.c_contiguous:
        array = array.T
    array = np.ascontiguousarray(array) if not array.flags.c_contiguous else array
    if array.dtype.byteorder == ">":
        array = array.view(array.dtype.newbyteorder("<"))
    if array.dtype.kind in "mM":
        array = array.view("<i8")
    if spec.dtype is not None and array.dtype != spec.dtype and array.dtype.kind in "SVuib":
        is_bytes = array.dtype.itemsize == 1
        if is_bytes and array.ndim == 1:
            if array.size % spec.dtype.itemsize:
                raise ConfigurationError(
                    f"{array.size} bytes are no whole number of {spec.dtype.name}."
                )
            array = array.view(spec.dtype)
    if spec.chunk_shape is not None and array.size == math.prod(spec.chunk_shape):
        array = array.reshape(spec.chunk_shape)
    return array
