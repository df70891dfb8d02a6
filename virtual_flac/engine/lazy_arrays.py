"""Lazy arrays over the tiles of one level, for xarray: stored pixels, and physical values.

A selection becomes merged requests, and tiles are decoded straight into the result: no Zarr on the
way, whose limit on concurrent chunks would keep neighbours apart.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from ..model.index import Band, TileIndex
from ..model.pixel_axis import positions_of
from ..reading.tiles import Convert, TileReader, empty_pixels
from .outer_array import OuterArray, without_single

Positions = npt.NDArray[np.intp]


class StoredArray(OuterArray):
    """A lazy array (band, y, x) of the integers or floats that the file holds.

    Bands are chosen by their positions from 0.
    """

    def __init__(
        self, reader: TileReader, index: TileIndex, level: int, bands: Sequence[int]
    ) -> None:
        self._reader = reader
        self._level = level
        self._bands = np.asarray(bands)
        here = index.levels[level]
        self.shape = (len(bands), here.height, here.width)
        self.dtype = self._stored_dtype = index.raster.dtype

    def _select(self, key: tuple[Any, ...]) -> npt.NDArray[Any]:
        indices = [positions_of(item, size) for item, size in zip(key, self.shape, strict=True)]
        positions, rows, cols = (np.atleast_1d(axis) for axis in indices)
        # A band that is asked for twice is read once.
        unique, copies = np.unique(positions, return_inverse=True)
        values = self._read(unique, rows, cols)
        if not np.array_equal(unique, positions):
            values = values[copies]
        return without_single(values, indices)

    def _read(self, positions: Positions, rows: Positions, cols: Positions) -> npt.NDArray[Any]:
        """The pixels where positions along the band axis, rows and columns meet."""
        return self._read_as(self._stored_dtype, positions, rows, cols)

    def _read_as(
        self,
        dtype: np.dtype[Any],
        positions: Positions,
        rows: Positions,
        cols: Positions,
        convert: Convert | None = None,
    ) -> npt.NDArray[Any]:
        out = empty_pixels((len(positions), len(rows), len(cols)), dtype)
        bands = self._bands[positions].tolist()
        self._reader.read_into(out, rows, cols, level=self._level, bands=bands, convert=convert)
        return out


class PhysicalArray(StoredArray):
    """A lazy array of physical values: nodata as NaN, then scale and offset of each band.

    `fill` is the value that becomes NaN. Where there is none, zeros of the band `alpha`, counted
    from 0, mask the other bands.
    """

    def __init__(
        self,
        reader: TileReader,
        index: TileIndex,
        level: int,
        bands: Sequence[int],
        *,
        alpha: int | None,
        fill: Any,
        scale: bool,
    ) -> None:
        super().__init__(reader, index, level, bands)
        self._alpha = alpha if fill is None else None
        # A NaN fill value needs no mask: it is NaN already.
        self._fill = None if fill != fill else fill
        chosen: list[Band] = [index.raster.bands[band] for band in bands]
        self._scales = [(band.scale, band.offset) for band in chosen] if scale else None
        # xarray's promotion, which rioxarray uses: up to 16 bits fit float32 exactly.
        stored = index.raster.dtype
        small = stored.kind in "iu" and stored.itemsize <= 2
        self.dtype = stored if stored.kind == "f" else np.dtype("f4" if small else "f8")

    def _read(self, positions: Positions, rows: Positions, cols: Positions) -> npt.NDArray[Any]:
        def convert(target: npt.NDArray[Any], stored: npt.NDArray[Any], here: range) -> None:
            target[...] = stored
            if self._fill is not None:
                np.copyto(target, np.nan, where=stored == self._fill)
            if self._scales is not None:
                for plane, position in zip(target, positions[here.start : here.stop], strict=True):
                    scale, offset = self._scales[position]
                    plane *= scale
                    plane += offset

        out = self._read_as(self.dtype, positions, rows, cols, convert)
        if self._alpha is not None and (positions != self._alpha).any():
            # The alpha band itself is not hidden.
            alpha = self._read_as(self._stored_dtype, np.array([self._alpha]), rows, cols)
            others = positions != self._alpha
            out[others] = np.where(alpha == 0, np.nan, out[others])
        return out
