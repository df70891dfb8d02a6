"""The demo from end to end: make, serve, open, compare, reference, stack, draw."""

from __future__ import annotations

import os
import re
import time
from collections.abc import Callable
from pathlib import Path

import xarray as xr
from rasterio.windows import Window

from ..errors import SourceNotFoundError, needs_extra
from ..gdal.session import open_dataset
from ..geotiff.to_flac import write_flac
from ..publish import publish
from . import rasters
from .reading import Meter, read_for_picture, read_series, read_window
from .result import REPORT, DemoResult, claim
from .server import RangeServer, serve


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

    Returns
    -------
    DemoResult

    Raises
    ------
    TargetExistsError
        When a file of the same name in `folder` is not an earlier demo's.
    SourceError
        When the source cannot be read.
    RasterError
        When it cannot be written as FLAC without loss.
    MissingExtraError
        When matplotlib, aiohttp or kerchunk is not installed.
    """
    with needs_extra("cli", "matplotlib"):
        from .picture import draw

    start = time.perf_counter()
    demo = _Demo(source, Path(folder).absolute(), report)
    result = demo.result
    window = demo.convert()
    demo.make_dates()
    with serve(result.folder) as server:
        demo.say(f"Served the folder at {server.url}, byte ranges and all.")
        meter = Meter(server)
        demo.read(meter, server, window)
        data = demo.publish(meter, server, window)
        result.costs = meter.costs
    picture = result.folder / "demo.png"
    draw(picture, data, result.series, relief=source is None)
    demo.say(f"Drew what was read: {picture}.")
    written = (result.folder / name for name in result.files if name != REPORT)
    result.sizes = {path.name: path.stat().st_size for path in written}
    result.seconds = round(time.perf_counter() - start, 2)
    result.write()
    return result


class _Demo:
    """The steps of one demo, in their order."""

    def __init__(
        self,
        source: str | os.PathLike[str] | None,
        folder: Path,
        report: Callable[[str], None] | None,
    ) -> None:
        self._given, self._report = source, report
        self._tif = folder / "dem.tif" if source is None else Path(source)
        # Letters that every URL takes.
        stem = re.sub(r"[^\w.-]+", "_", self._tif.stem)
        self._flac, self._cog = folder / f"{stem}.flac", folder / f"{stem}.cog.tif"
        series = "sunlight" if source is None else "faded"
        self._dates = [folder / f"{series}_{day.isoformat()}.flac" for day in rasters.DATES]
        files = {
            **({self._tif.name: "the raster, as GeoTIFF"} if source is None else {}),
            self._flac.name: "the same as streaming FLAC, with overviews",
            self._cog.name: "the same as Cloud Optimized GeoTIFF, with overviews",
            "refs.json": "kerchunk references to it",
            **{path.with_suffix(".tif").name: "a date, as GeoTIFF" for path in self._dates},
            **{path.name: "a date, as FLAC" for path in self._dates},
            "cube.json": "kerchunk references to the three dates as one cube",
            "demo.png": "what was read, as a picture",
            REPORT: "this report",
        }
        self.result = DemoResult(folder=folder, source=str(source or self._tif), files=files)
        if source is not None and not self._tif.is_file():
            raise SourceNotFoundError(f"{self._tif}: no such file")
        claim(folder, files, keep=None if source is None else self._tif)
        # Before the other files, so that those of a demo cut short are known as its own.
        self.result.write()

    def say(self, sentence: str) -> None:
        """Report a step."""
        self.result.steps.append(sentence)
        if self._report is not None:
            self._report(sentence)

    def convert(self) -> Window:
        """Write the FLAC and the COG; return the window to compare, hardly ever of whole tiles."""
        if self._given is None:
            rasters.make_dem(self._tif)
            self.say(f"Wrote the elevation model of the Jacksboro fault, Tennessee: {self._tif}.")
        with open_dataset(self._tif) as source:
            longer = max(source.width, source.height)
            size = next((size for size in (128, 256, 512) if 4 * size >= longer), 1024)
            window = rasters.middle(source, size)
        index = write_flac(
            self._tif, self._flac, tile_size=size, overviews="auto", resampling="average",
            overwrite=True,
        )  # fmt: skip
        rasters.write_cog(self._tif, self._cog, tile_size=size)
        raster = index.raster
        self.result.window = tuple(map(int, window.flatten()))
        self.result.raster = {
            "width": raster.width,
            "height": raster.height,
            "bands": raster.count,
            "dtype": raster.dtype.name,
            "tile_size": size,
            "tiles": index.tile_count,
            "levels": [[level.width, level.height] for level in index.levels],
        }
        sizes = (f"{path.name} ({path.stat().st_size:,} bytes)" for path in (self._flac, self._cog))
        self.say(
            f"Converted it without loss to {' and '.join(sizes)}, both in tiles of {size} pixels "
            f"with {len(index.levels) - 1} overviews."
        )
        return window

    def make_dates(self) -> None:
        """Write a FLAC raster for each date."""
        for number, (path, day) in enumerate(zip(self._dates, rasters.DATES, strict=True)):
            tif = path.with_suffix(".tif")
            if self._given is None:
                rasters.make_sunlight(self._tif, tif, day)
            else:
                rasters.make_faded(self._tif, tif, 1 - number / 10)
            write_flac(tif, path, tile_size=self.result.raster["tile_size"], overwrite=True)
        what = "the sunlight at noon on it" if self._given is None else "a fading copy of its part"
        self.say(f"Computed {what} for three dates, a FLAC raster each.")

    def read(self, meter: Meter, server: RangeServer, window: Window) -> None:
        """Read the window by every way, and compare it with the source's."""
        with open_dataset(self._tif) as source:
            expected = source.read(window=window)
        flac, cog = server.url_of(self._flac), server.url_of(self._cog)
        # Once unmeasured, a file of its own for GDAL, which remembers what it has read: what is
        # measured holds no import of a library.
        other = server.url_of(self._dates[0].with_suffix(".tif"))
        read_window(Meter(server), flac, other, Window(0, 0, 1, 1))
        self.result.identical = all(
            values.dtype == expected.dtype and values.tobytes() == expected.tobytes()
            for values in read_window(meter, flac, cog, window)
        )
        size = f"{window.width} x {window.height} pixels"
        verdict = "bit for bit" if self.result.identical else "NOT"
        self.say(
            f"Opened the FLAC's URL as virtual Zarr, and with xarray; read {size}: {verdict} those "
            "of the source."
        )

    def publish(self, meter: Meter, server: RangeServer, window: Window) -> dict[str, xr.DataArray]:
        """Write references to local files, which stay valid; measure those to URLs."""
        folder = self.result.folder
        for name, files in {"refs.json": [self._flac], "cube.json": self._dates}.items():
            written = publish(files, folder / name, overwrite=True)
            self.result.references[name] = written.references
        data = read_for_picture(server.url_of(self._flac), folder / "cube.json", window)
        urls = [server.url_of(path) for path in self._dates]
        self.result.series = read_series(meter, urls, data["dates"])
        self.say(
            "Wrote kerchunk references, refs.json, and stacked the three dates into cube.json: "
            f"{written.bytes:,} bytes that any Zarr reader with zarr-flac opens."
        )
        return data
