"""The files that a part of a raster is written to: how each format is made and what it holds."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import rasterio.shutil

from ..errors import SelectionError
from ..gdal.raster import opened_gdal
from ..gdal.session import open_dataset
from ..io.local_files import publish
from ..model.index import Interleave, RasterInfo
from ..rasters import RasterSource
from ..writing.options import WriteOptions
from ..writing.writer import FlacWriter
from .read_back import ReadBack, warn_of_lost_metadata
from .stage import BLOCK_SIZE
from .to_flac import copy_level

#: The COG driver's names of the compressions that lose nothing.
_COMPRESSIONS = ("none", "deflate", "lzw", "zstd", "lzma", "lerc_deflate", "lerc_zstd")
_WITH_PREDICTOR = ("deflate", "lzw", "zstd")
#: What is written, by the suffix of the target.
DRIVERS = {".tif": "COG", ".tiff": "COG", ".png": "PNG", ".flac": "FLAC"}
_PNG_DTYPES = ("uint8", "uint16")
_PNG_BANDS = 4


def driver_of(path: Path, compress: str) -> str:
    """Which of `DRIVERS` writes a target.

    Raises
    ------
    SelectionError
        When none does, or the compression loses something.
    """
    driver = DRIVERS.get(path.suffix.lower())
    if driver is None:
        raise SelectionError(f"{path} must end in one of {', '.join(DRIVERS)}")
    names = ", ".join(_COMPRESSIONS)
    if compress.lower() not in _COMPRESSIONS:
        raise SelectionError(f"compress is {compress!r}, expected one of {names}")
    return driver


def check_png(part: RasterInfo, path: Path) -> None:
    """Refuse what PNG does not hold exactly.

    Raises
    ------
    SelectionError
    """
    if part.dtype.name not in _PNG_DTYPES or part.count > _PNG_BANDS:
        raise SelectionError(
            f"{path}: PNG holds one to {_PNG_BANDS} bands of {' or '.join(_PNG_DTYPES)}, these are "
            f"{part.count} of {part.dtype.name}. Choose bands with --bands (bands=...), write "
            ".tif, or make a picture with `virtual-flac preview`."
        )


def finish(
    stage: Path,
    target: Path,
    part: RasterInfo,
    read_back: ReadBack,
    *,
    driver: str,
    compress: str,
    interleave: Interleave,
    threads: int,
    overwrite: bool,
) -> None:
    """Make the target of the complete stage, and compare it with what was written there.

    Raises
    ------
    LossyTileError
        When other pixels come back.
    TargetExistsError
        When another file has taken the name meanwhile.
    """
    if driver == "FLAC":
        # The writer compares what it writes with the stage.
        with opened_gdal(stage) as raster:
            read_back.compare(raster.dataset, target)
            _write_flac(raster, target, part, interleave, threads, overwrite)
        return
    result = stage.with_name(f"result{target.suffix}")
    options = (
        {"driver": "PNG", "strict": True}
        if driver == "PNG"
        else _cog_options(part, compress, threads)
    )
    rasterio.shutil.copy(os.fspath(stage), os.fspath(result), **options)
    with open_dataset(result) as dataset:
        read_back.compare(dataset, target)
        if driver == "COG":
            warn_of_lost_metadata(dataset, part, target)
    publish(result, target, overwrite=overwrite)


def _cog_options(part: RasterInfo, compress: str, threads: int) -> dict[str, Any]:
    palette = any(band.colormap is not None for band in part.bands)
    options = {
        "driver": "COG",
        "COMPRESS": compress.upper(),
        "BLOCKSIZE": BLOCK_SIZE,
        "BIGTIFF": "IF_SAFER",
        "NUM_THREADS": threads,
        # GDAL copies either the default domain alone or, of bands, all domains but that.
        "COPY_SRC_MDD": "YES" if _has_more_elsewhere(part) else "AUTO",
        # As for overviews that are made on the way to FLAC.
        "RESAMPLING": "NEAREST" if palette else "AVERAGE",
    }
    if compress.lower() in _WITH_PREDICTOR and not palette and part.dtype.name != "float16":
        options["PREDICTOR"] = "YES"
    return options


def _has_more_elsewhere(part: RasterInfo) -> bool:
    """Whether other domains hold more metadata than the default ones of the bands."""
    tags = [part.tags, *(band.tags for band in part.bands)]
    elsewhere = sum(len(items) for each in tags for domain, items in each.items() if domain)
    return elsewhere > sum(len(band.tags.get("", {})) for band in part.bands)


def _write_flac(
    raster: RasterSource,
    target: Path,
    part: RasterInfo,
    interleave: Interleave,
    threads: int,
    overwrite: bool,
) -> None:
    options = WriteOptions(interleave=interleave, workers=threads)
    with FlacWriter(target, part, options=options, overwrite=overwrite) as writer:
        copy_level(raster, writer, 0, options)
        writer.finish()
