"""Options of writing a FLAC raster, checked."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from ..errors import SelectionError
from ..io.workers import available_cores
from ..model.arguments import MAX_WORKERS
from ..model.index import Interleave

PixelOrder = Literal["predicted", "row"]
LayoutName = Literal["virtual-flac", "flac-raster"]


@dataclass(frozen=True, slots=True, kw_only=True)
class WriteOptions:
    """How a FLAC raster is cut into tiles and encoded.

    Parameters
    ----------
    tile_size : int
        Edge of the square tiles in pixels, 16 to 16,384.
    interleave : {"band", "tile", "pixel"}
        A stream per band and tile, ordered by band or by tile, or one stream per tile with the
        bands as channels.
    compression : int
        Effort, 0 (fast) to 8 (small).
    order : {"predicted", "row"} or None
        How tiles hold their pixels: predicted, the smallest; or row by row, which every FLAC
        program shows. None: predicted, but for flac-raster's layout or with a `block_size`.
    block_size : int or None
        Pixels of a band in one FLAC frame, 16 to 65,535, in row order; None for 4,096.
    md5 : bool
        Write the MD5 of each tile's samples, too, which has a CRC-32 in the index.
    workers : int or None
        Threads that encode; None for one per core that this process may use.
    layout : {"virtual-flac", "flac-raster"}
        Ours, or flac-raster's streaming layout: one band of integers that fit 16 bits, without
        overviews.

    Raises
    ------
    SelectionError
        When a value is out of range.
    """

    tile_size: int = 1024
    interleave: Interleave = "band"
    compression: int = 5
    order: PixelOrder | None = None
    block_size: int | None = None
    md5: bool = False
    workers: int | None = None
    layout: LayoutName = "virtual-flac"

    def __post_init__(self) -> None:
        if self.layout not in ("virtual-flac", "flac-raster"):
            raise SelectionError(
                f"layout is {self.layout!r}, expected 'virtual-flac' or 'flac-raster'"
            )
        _check_range("tile_size", self.tile_size, 16, 16_384)
        _check_range("compression", self.compression, 0, 8)
        if self.order not in (None, "predicted", "row"):
            raise SelectionError(f"order is {self.order!r}, expected 'predicted' or 'row'")
        if self.block_size is not None:
            _check_range("block_size", self.block_size, 16, 65_535)
        if self.order == "predicted" and not self._may_predict:
            raise SelectionError(
                "order='predicted' goes with neither block_size nor flac-raster's layout; use 'row'"
            )
        if self.workers is not None:
            _check_range("workers", self.workers, 1, MAX_WORKERS)
        if self.interleave not in ("band", "tile", "pixel"):
            raise SelectionError(
                f"interleave is {self.interleave!r}, expected 'band', 'tile' or 'pixel'"
            )

    @property
    def predicts(self) -> bool:
        """Whether tiles are predicted."""
        return self.order != "row" and self._may_predict

    @property
    def _may_predict(self) -> bool:
        return self.layout == "virtual-flac" and self.block_size is None

    @property
    def threads(self) -> int:
        """Number of threads that encode."""
        return self.workers or available_cores()


def _check_range(name: str, value: int, low: int, high: int) -> None:
    if type(value) is not int or not low <= value <= high:
        raise SelectionError(f"{name} is {value!r}, expected a whole number from {low} to {high}")
