"""How GeoTIFFs are compressed: GDAL's compressions that lose nothing, and predictors."""

from __future__ import annotations

from collections.abc import Sequence

from ..errors import SelectionError
from ..model.index import RasterInfo

COMPRESSIONS = ("none", "deflate", "lzw", "zstd", "packbits", "lzma", "lerc_deflate", "lerc_zstd")
#: Those of the COG driver.
COG_COMPRESSIONS = tuple(name for name in COMPRESSIONS if name != "packbits")


def check_cog_compression(compress: str) -> None:
    """`check_compression` of a cloud-optimized GeoTIFF."""
    check_compression(compress, COG_COMPRESSIONS)


def check_compression(compress: str, names: Sequence[str] = COMPRESSIONS) -> None:
    """Refuse compressions that lose something, or that GDAL does not know."""
    if compress.lower() not in names:
        raise SelectionError(f"compress is {compress!r}, expected one of {', '.join(names)}")


def predictor(compress: str, raster: RasterInfo) -> int:
    """TIFF's number of the predictor that makes files smallest: 1 for none, 2 or 3 for floats."""
    with_predictor = compress.lower() in ("deflate", "lzw", "zstd")
    if not with_predictor or has_palette(raster) or raster.dtype.name == "float16":
        return 1
    return 3 if raster.dtype.kind == "f" else 2


def has_palette(raster: RasterInfo) -> bool:
    """Whether pixels are numbers of colours or classes, whose mean says nothing."""
    return any(band.colormap is not None for band in raster.bands)
