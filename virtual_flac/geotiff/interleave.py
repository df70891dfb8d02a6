"""Whether the bands of a raster go into one stream a tile: what tiles from its middle say."""

from __future__ import annotations

from zarr_flac import TileSpec, encode_tile

from ..layouts.tiled import max_bands_by_pixel
from ..model.grid import Window
from ..model.index import Interleave
from ..rasters import RasterSource
from ..writing.options import WriteOptions

#: What putting bands together must save: whoever reads one of them then reads all. Few bands are
#: looked at together, as colours are; of many, single ones are read.
_LEAST_SAVED = 0.05
_LEAST_SAVED_OF_MANY = 0.2
_FEW = 4

_SAMPLE = 256
_SAMPLES = 3


def choose_interleave(raster: RasterSource, options: WriteOptions) -> Interleave:
    """``"pixel"`` where it makes the file enough smaller, else ``"band"``.

    Encodes up to three squares on a diagonal of the raster both ways.
    """
    count, dtype = raster.info.count, raster.info.dtype
    if not 1 < count <= max_bands_by_pixel(dtype) or not options.predicts:
        return "band"
    apart = together = 0
    width, height = raster.sizes[0]
    side = min(_SAMPLE, options.tile_size)
    for number in range(1, _SAMPLES + 1):
        left = max((width - side) * number // (_SAMPLES + 1), 0)
        top = max((height - side) * number // (_SAMPLES + 1), 0)
        pixels = raster.read(Window(left, top, min(side, width), min(side, height)))
        together += len(encode_tile(pixels, TileSpec(channels=count, compression=0)))
        apart += sum(len(encode_tile(band, TileSpec(compression=0))) for band in pixels)
        if width <= side and height <= side:
            break
    least = _LEAST_SAVED if count <= _FEW else _LEAST_SAVED_OF_MANY
    return "pixel" if together <= (1 - least) * apart else "band"
