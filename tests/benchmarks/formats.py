"""Sizes and write times of lossless formats: the figures of the README's "When to use this".

``python tests/benchmarks/formats.py [RASTER ...]``: on rasters made here, and on given ones.
"""

from __future__ import annotations

import sys
import tempfile
import time
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import harness
import numpy as np
import numpy.typing as npt
import rasterio
import rasterio.shutil
import zarr

from virtual_flac import write_flac

SIZE = 2048


def rasters(names: list[str]) -> Iterator[tuple[str, npt.NDArray[Any]]]:
    """Name and pixels of one band."""
    y, x = np.mgrid[0:SIZE, 0:SIZE] / SIZE
    relief = np.sin(9 * x) * np.cos(7 * y) + 0.3 * np.sin(41 * x * y)
    rng = np.random.default_rng(5)
    yield "noisy scene, `uint16`", np.asarray(harness.sentinel_like(SIZE))
    yield "smooth terrain, `int16`", np.rint(1500 + 700 * relief).astype("int16")
    yield "smooth terrain, `float32`", (1500 + 700 * relief).astype("float32")
    classes = np.floor((relief - relief.min()) / np.ptp(relief) * 7.99).astype("uint8")
    classes[rng.random(classes.shape) < 0.005] = 9
    yield "8 classes, `uint8`", classes
    for name in names:
        with rasterio.open(name) as source:
            yield f"{Path(name).stem}, `{source.dtypes[0]}`", source.read(1)


def cog(compress: str, **options: Any) -> Callable[[Path, Path, npt.NDArray[Any]], None]:
    """Writes a COG."""

    def write(tif: Path, target: Path, pixels: npt.NDArray[Any]) -> None:
        rasterio.shutil.copy(
            tif, target, driver="COG", COMPRESS=compress, BLOCKSIZE=512, OVERVIEWS="NONE",
            NUM_THREADS="ALL_CPUS", **options,
        )  # fmt: skip

    return write


def flac(tif: Path, target: Path, pixels: npt.NDArray[Any]) -> None:
    """Writes ours."""
    write_flac(tif, target, tile_size=512)


def jpeg2000(tif: Path, target: Path, pixels: npt.NDArray[Any]) -> None:
    """Writes JPEG 2000, reversible; it holds no floats."""
    if pixels.dtype.kind == "f":
        raise ValueError("no floats")
    options = {"QUALITY": 100, "REVERSIBLE": "YES", "BLOCKXSIZE": 512}
    rasterio.shutil.copy(tif, target, driver="JP2OpenJPEG", BLOCKYSIZE=512, **options)


def zarr_zstd(tif: Path, target: Path, pixels: npt.NDArray[Any]) -> None:
    """Writes Zarr as it comes: zstd."""
    array = zarr.create_array(target, shape=pixels.shape, chunks=(512, 512), dtype=pixels.dtype)
    array[:] = pixels


WRITERS = {
    "virtual-flac": flac,
    "COG DEFLATE": cog("DEFLATE", PREDICTOR="YES"),
    "COG ZSTD": cog("ZSTD", PREDICTOR="YES"),
    "COG LERC": cog("LERC_ZSTD", MAX_Z_ERROR=0),
    "JPEG 2000": jpeg2000,
    "Zarr zstd": zarr_zstd,
}


def main(names: list[str]) -> None:
    """Print size in percent of the pixels' bytes, and seconds to write."""
    print(f"| raster | {' | '.join(WRITERS)} |\n|{' --- |' * (len(WRITERS) + 1)}")
    for name, pixels in rasters(names):
        cells = []
        for number, write in enumerate(WRITERS.values()):
            with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings():
                warnings.simplefilter("ignore")
                tif = Path(folder) / "source.tif"
                harness.write_tif(tif, pixels, tiled=True)
                cells.append(measured(write, tif, Path(folder) / f"out{number}", pixels))
        print(f"| {name} | {' | '.join(cells)} |", flush=True)


def measured(write: Any, tif: Path, target: Path, pixels: npt.NDArray[Any]) -> str:
    """One cell of the table."""
    start = time.perf_counter()
    try:
        write(tif, target, pixels)
    except ValueError:
        return "no"
    seconds = time.perf_counter() - start
    files = [target] if target.is_file() else [p for p in target.rglob("*") if p.is_file()]
    size = sum(path.stat().st_size for path in files)
    return f"{100 * size / pixels.nbytes:.2g} %, {seconds:.1f} s"


if __name__ == "__main__":
    main(sys.argv[1:])
