"""The demo from end to end: make, serve, open, compare, reference, stack, draw."""

from __future__ import annotations

import contextlib
import os
import re
import tempfile
import time
import warnings
from collections.abc import Callable, Iterator, Sequence
from datetime import date
from pathlib import Path
from typing import Any

import numpy.typing as npt
import rasterio.shutil
import xarray as xr
from rasterio.errors import NotGeoreferencedWarning
from rasterio.windows import Window

from ..errors import SourceNotFoundError, needs_extra
from ..gdal.session import open_dataset, translating_errors
from ..geotiff.to_flac import write_flac
from ..publish import publish
from ..references.open import open_references
from .rasters import make_dem, make_faded, make_sunlight
from .result import REPORT, Cost, DemoResult, claim
from .server import RangeServer, serve

#: Equinox and the two solstices, the shortest day last.
_DATES = (date(2026, 3, 20), date(2026, 6, 21), date(2026, 12, 21))
#: A picture needs no more pixels along a side.
_PICTURE_SIZE = 1000


def run_demo(
    source: str | os.PathLike[str] | None = None,
    folder: str | os.PathLike[str] = "virtual-flac-demo",
    *,
    report: Callable[[str], None] | None = None,
) -> DemoResult:
    """Make a FLAC raster and a COG, serve them on loopback, and read, compare and stack them.

    Parameters
    ----------
    source : str or path, optional
        A GeoTIFF. By default an elevation model that matplotlib ships.
    folder : str or path
        Where the files go. Files of an earlier demo are replaced, others never.
    report : callable, optional
        Called with a sentence after each step.

    Raises
    ------
    TargetExistsError
        When a file of the same name in `folder` is not an earlier demo's.
    SourceError, RasterError
        When the source cannot be read, or not be written as FLAC without loss.
    """
    with needs_extra("cli", "matplotlib"):
        from .picture import draw

    start = time.perf_counter()
    folder = Path(os.path.abspath(folder))  # object stores know no ".."
    tif = Path(source or folder / "dem.tif")
    if source and not os.path.isfile(tif):
        raise SourceNotFoundError(f"{tif}: no such file")
    stem = re.sub(r"[^\w.-]+", "_", tif.stem)  # letters that every URL takes
    flac, cog, picture = (folder / name for name in (f"{stem}.flac", f"{stem}.cog.tif", "demo.png"))
    dates = [folder / f"{'faded' if source else 'sunlight'}_{day}.flac" for day in _DATES]
    files = {
        **({} if source else {tif.name: "the raster, as GeoTIFF"}),
        flac.name: "the same as streaming FLAC, with overviews",
        cog.name: "the same as Cloud Optimized GeoTIFF, with overviews",
        "refs.json": "kerchunk references to it",
        **{path.with_suffix(".tif").name: "a date, as GeoTIFF" for path in dates},
        **{path.name: "a date, as FLAC" for path in dates},
        "cube.json": "kerchunk references to the three dates as one cube",
        picture.name: "what was read, as a picture",
        REPORT: "this report",
    }
    claim(folder, files, keep=tif if source else None)
    result = DemoResult(folder=folder, source=str(tif), files=files)
    # Before the other files, so that those of a demo cut short are known as its own.
    result.write()

    def say(sentence: str) -> None:
        result.steps.append(sentence)
        if report is not None:
            report(sentence)

    if not source:
        make_dem(tif)
        say(f"Wrote the elevation model of the Jacksboro fault, Tennessee: {tif}.")
    with open_dataset(tif) as raster:
        width, height = raster.width, raster.height
        size = next((edge for edge in (128, 256, 512) if 4 * edge >= max(width, height)), 1024)
        wide, high = min(width, size), min(height, size)
        # Hardly ever of whole tiles.
        window = Window((width - wide) // 2, (height - high) // 2, wide, high)
        expected, bounds = raster.read(window=window), raster.window_bounds(window)
    result.window = (window.col_off, window.row_off, wide, high)
    say(_convert(tif, flac, cog, size, pixels=raster.count * width * height))
    for number, (path, day) in enumerate(zip(dates, _DATES, strict=True)):
        date_tif = path.with_suffix(".tif")
        if source:
            make_faded(tif, date_tif, window, 1 - number / 10)
        else:
            make_sunlight(tif, date_tif, day)
        write_flac(date_tif, path, tile_size=size, overwrite=True)
    what = "a fading copy of its part" if source else "the sunlight at noon on it"
    say(f"Computed {what} for three dates, a FLAC raster each.")
    with serve(folder) as server:
        say(f"Served the folder at {server.url}, byte ranges and all.")
        url, cog_url, *urls = map(server.url_of, (flac, cog, *dates))
        # Once unmeasured, a file of its own for GDAL, which remembers what it has read: what is
        # measured holds no import of a library.
        _read_all(server, url, server.url_of(date_tif), urls, Window(0, 0, 1, 1))
        found, result.costs = _read_all(server, url, cog_url, urls, window)
        with xr.open_datatree(url, engine="flac") as tree:
            levels = [group.to_dataset()["band_data"][0] for group in tree.leaves]
            large = (level for level in levels[::-1] if max(level.shape) >= _PICTURE_SIZE)
            shown = next(large, levels[0]).load()
    result.identical = all(
        values.dtype == expected.dtype and values.tobytes() == expected.tobytes()
        for values in found
    )
    say(
        f"Opened the FLAC, references to it, and the COG; read {window.width} x {window.height} "
        f"pixels: {'bit for bit' if result.identical else 'NOT'} those of the source."
    )
    # Of local files, so that they need no server.
    publish(flac, folder / "refs.json", overwrite=True)
    published = publish(dates, folder / "cube.json", overwrite=True)
    say(
        "Wrote kerchunk references, refs.json, and stacked the three dates into cube.json: "
        f"{published.bytes:,} bytes that any Zarr reader with zarr-flac opens."
    )
    with open_references(published.target) as cube:
        draw(picture, shown, bounds, cube["band_data"][:, 0].load(), relief=not source)
    say(f"Drew what was read: {picture}.")
    result.seconds = round(time.perf_counter() - start, 2)
    result.write()
    return result


def _convert(tif: Path, flac: Path, cog: Path, size: int, *, pixels: int) -> str:
    write_flac(tif, flac, tile_size=size, overviews="auto", resampling="average", overwrite=True)
    with translating_errors(str(tif)):  # as small as GDAL's own options make it
        rasterio.shutil.copy(
            str(tif), str(cog), driver="COG", COMPRESS="ZSTD", PREDICTOR="YES", BLOCKSIZE=size,
            OVERVIEW_RESAMPLING="AVERAGE", NUM_THREADS="ALL_CPUS",
        )  # fmt: skip
    bits = [
        f"{path.name} ({8 * path.stat().st_size / pixels:.2f} bits a pixel)" for path in (flac, cog)
    ]
    return (
        f"Converted it without loss to {' and '.join(bits)}, both with overviews and in tiles of "
        f"{size} pixels; the COG by ZSTD and a predictor."
    )


@contextlib.contextmanager
def _measure(server: RangeServer, costs: list[Cost], reader: str, action: str) -> Iterator[None]:
    """Add the cost of the block; nobody else may ask the server meanwhile."""
    before = len(server.requests())
    start = time.perf_counter()
    yield
    seconds = round(time.perf_counter() - start, 4)
    asked = server.requests()[before:]
    costs.append(Cost(reader, action, len(asked), sum(r.bytes_sent for r in asked), seconds))


def _read_all(
    server: RangeServer, flac: str, cog: str, dates: Sequence[str], window: Window
) -> tuple[list[npt.NDArray[Any]], list[Cost]]:
    """A window of a FLAC and of a COG, as stored, by every way to read it, and what that cost.

    Reading a pixel of FLACs along time is measured, too.
    """
    found: list[npt.NDArray[Any]] = []
    costs: list[Cost] = []
    area = "read the window", (..., *window.toslices())
    pixel = "read a pixel", (..., 0, 0)
    with (
        tempfile.TemporaryDirectory() as scratch,
        # GDAL's own advice for COGs over HTTP is not to list the folder.
        rasterio.Env(GDAL_DISABLE_READDIR_ON_OPEN="EMPTY_DIR"),
        warnings.catch_warnings(action="ignore", category=NotGeoreferencedWarning),
    ):
        references, cube = f"{scratch}/refs.json", f"{scratch}/cube.json"
        publish([flac], references)
        publish(dates, cube)
        for what, name, engine in (
            ("FLAC", flac, "flac"), ("References to it", references, "kerchunk"),
            ("COG", cog, "rasterio"), ("Cube of three FLACs", cube, "kerchunk"),
        ):  # fmt: skip
            reader = f'{what}, engine="{engine}"'
            with _measure(server, costs, reader, "open"):
                pixels = xr.open_dataset(name, engine=engine, mask_and_scale=False)["band_data"]
            action, part = pixel if name == cube else area
            with _measure(server, costs, reader, action):
                values = pixels[part].to_numpy()
            if name != cube:
                found.append(values)
    return found, costs
