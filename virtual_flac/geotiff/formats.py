"""The formats that `extract` writes: what each holds and how it is made."""

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
from ..writing.options import WriteOptions
from ..writing.writer import FlacWriter
from .compression import check_cog_compression, predictor
from .overviews import usual_resampling
from .read_back import ReadBack, warn_of_lost_metadata
from .stage import BLOCK_SIZE
from .to_flac import copy_level

#: What is written, by the suffix of the target.
DRIVERS = {".tif": "COG", ".tiff": "COG", ".png": "PNG", ".flac": "FLAC"}
_PNG_DTYPES = ("uint8", "uint16")
_PNG_BANDS = 4


def driver_of(path: Path, compress: str) -> str:
    """Which of `DRIVERS` writes a target; refuses others, and compressions that lose something."""
    driver = DRIVERS.get(path.suffix.lower())
    if driver is None:
        raise SelectionError(f"{path} must end in one of {', '.join(DRIVERS)}")
    check_cog_compression(compress)
    return driver


def check_png(part: RasterInfo, path: Path) -> None:
    """Refuse what PNG does not hold exactly."""
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
    """Make the target from the complete stage, and compare its pixels with those written there."""
    if driver == "FLAC":
        options = WriteOptions(interleave=interleave, workers=threads)
        with (
            opened_gdal(stage) as raster,
            FlacWriter(target, part, options=options, overwrite=overwrite) as writer,
        ):
            # The writer compares what it writes with the stage.
            read_back.compare(raster.dataset, target)
            copy_level(raster, writer, 0, options)
            writer.finish()
        return
    result = stage.with_name(f"result{target.suffix}")
    settings = {"strict": True} if driver == "PNG" else _cog_options(part, compress, threads)
    rasterio.shutil.copy(os.fspath(stage), os.fspath(result), driver=driver, **settings)
    with open_dataset(result) as dataset:
        read_back.compare(dataset, target)
        if driver == "COG":
            warn_of_lost_metadata(dataset, part, target)
    publish(result, target, overwrite=overwrite)


def _cog_options(part: RasterInfo, compress: str, threads: int) -> dict[str, Any]:
    # GDAL copies either the default domain alone or, of bands, all domains but that.
    all_tags = [part.tags, *(band.tags for band in part.bands)]
    elsewhere = sum(len(items) for tags in all_tags for domain, items in tags.items() if domain)
    of_bands = sum(len(band.tags.get("", {})) for band in part.bands)
    return {
        "COMPRESS": compress.upper(),
        "PREDICTOR": "YES" if predictor(compress, part) > 1 else "NO",
        "BLOCKSIZE": BLOCK_SIZE,
        "BIGTIFF": "IF_SAFER",
        "NUM_THREADS": threads,
        "COPY_SRC_MDD": "YES" if elsewhere > of_bands else "AUTO",
        "RESAMPLING": usual_resampling(part).name.upper(),
    }
