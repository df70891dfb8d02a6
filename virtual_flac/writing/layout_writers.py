"""What differs between layouts in writing: rasters they hold, how tiles are encoded, the head.

One class a layout, made for one raster. The writer itself does not tell them apart.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt
from zarr_flac import TileSpec, decode_tile, encode_tile

from ..errors import LossyTileError, RasterError, SelectionError
from ..layouts import flac_raster_pack, tiled
from ..model.grid import Window
from ..model.index import Interleave, RasterInfo
from .options import WriteOptions


class LayoutWriter(Protocol):
    """What the writer asks of a layout."""

    interleave: Interleave
    pack: Callable[..., bytes]
    """The head of the file, as `tiled.pack`. The tiles follow without gaps."""

    def encode(self, pixels: npt.NDArray[Any], window: Window) -> bytes:
        """A tile that decodes to the pixels, shape (band, y, x); `window` is where they lie."""


class OwnLayout:
    """Our own streaming layout.

    Raises SelectionError for more bands than FLAC has channels, RasterError for metadata that the
    header cannot hold.
    """

    pack = staticmethod(tiled.pack)

    def __init__(self, raster: RasterInfo, options: WriteOptions) -> None:
        self.interleave = options.interleave
        channels = raster.count if self.interleave == "pixel" else 1
        most = tiled.max_bands_by_pixel(raster.dtype)
        if channels > most:
            raise SelectionError(
                f"{channels} bands of {raster.dtype.name} cannot be interleaved by pixel: FLAC has "
                f"{tiled.MAX_CHANNELS} channels, room for {most}. Use --interleave band "
                "(interleave='band')."
            )
        tiled.check_raster(raster)
        self._spec = _tile_spec(options, raster.dtype, channels, md5=options.md5)

    def encode(self, pixels: npt.NDArray[Any], window: Window) -> bytes:
        """A tile of the pixels."""
        return encode_tile(pixels, self._spec, verify=True)


class FlacRasterLayout:
    """flac-raster's streaming layout. Refuses rasters as `flac_raster_pack.check_raster` does."""

    interleave: Interleave = "band"
    pack = staticmethod(flac_raster_pack.pack)

    def __init__(self, raster: RasterInfo, options: WriteOptions, overviews: int) -> None:
        flac_raster_pack.check_raster(raster, overviews=overviews)
        self._raster = raster
        self._dtype = flac_raster_pack.stored_dtype(raster.dtype)
        # No other checksum stands in such a file.
        self._spec = _tile_spec(options, self._dtype, 1, md5=True)
        self._crs = raster.georef.authority_code()

    def encode(self, pixels: npt.NDArray[Any], window: Window) -> bytes:
        """A tile of the pixels, as far as they fit 16 bits."""
        limits = np.iinfo(self._dtype)
        if pixels.min() < limits.min or pixels.max() > limits.max:
            raise RasterError(
                f"pixels range from {pixels.min()} to {pixels.max()}; flac-raster's decoder gives "
                f"back {self._raster.dtype.name} exactly from {limits.min} to {limits.max}. Write "
                "our own layout (without --to flac-raster)."
            )
        comments = flac_raster_pack.tile_comments(self._raster, window=window, crs=self._crs)
        tile = encode_tile(pixels.astype(self._dtype), self._spec, comments=comments)
        # As the reader will decode it: to the raster's own dtype.
        if not np.array_equal(decode_tile(tile, TileSpec(dtype=self._raster.dtype)), pixels[0]):
            raise LossyTileError("the tile decodes to other pixels than were encoded")
        return tile


def _tile_spec(
    options: WriteOptions, dtype: np.dtype[Any], channels: int, *, md5: bool
) -> TileSpec:
    return TileSpec(
        chunk_shape=(channels, options.tile_size, options.tile_size),
        dtype=dtype,
        channels=channels,
        compression=options.compression,
        order="predicted" if options.predicts else "row",
        block_size=options.block_size,
        md5=md5,
    )
