"""The demo from end to end: make, serve, open, compare, reference, stack, draw."""

from __future__ import annotations

import os
import re
import time
from collections.abc import Callable
from pathlib import Path

from rasterio.windows import Window

from ..errors import SourceNotFoundError, needs_extra
from ..gdal.session import open_dataset
from ..geotiff.to_flac import write_flac
from . import rasters
from .reading import Readers, picture_data, write_references
from .result import REPORT, DemoResult, claim
from .server import RangeServer, serve

_FADING = (1.0, 0.9, 0.8)


def run_demo(
    source: str | os.PathLike[str] | None = None,
    folder: str | os.PathLike[str] = "virtual-flac-demo",
    *,
    report: Callable[[str], None] | None = None,
    while_served: Callable[[RangeServer, DemoResult], None] | None = None,
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
    while_served : callable, optional
        Called at the end, while the files are still served.

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
    result, target = demo.result, demo.result.folder
    demo.make_source()
    window = demo.convert()
    demo.make_dates()
    with serve(target) as server:
        demo.say(f"Served the folder at {server.url}, byte ranges and all.")
        readers = Readers(server)
        demo.read(readers, server, window)
        demo.publish(readers, server)
        result.costs = readers.costs
        data = picture_data(server.url_of(demo.flac), target / "cube.json", window)
        draw(
            target / "demo.png",
            data,
            colours="terrain" if source is None else "viridis",
            series=result.series,
        )
        demo.say(f"Drew what was read: {target / 'demo.png'}.")
        result.sizes = {name: (target / name).stat().st_size for name in demo.made}
        result.seconds = round(time.perf_counter() - start, 2)
        result.write()
        if while_served is not None:
            while_served(server, result)
    return result


class _Demo:
    """The steps of one demo, in their order.

    Parameters
    ----------
    source : str or path or None
    folder : Path
    report : callable or None
    """

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
        self.flac, self._cog = f"{stem}.flac", f"{stem}.cog.tif"
        series = "sunlight" if source is None else "faded"
        self._dates = [folder / f"{series}_{day.isoformat()}.tif" for day in rasters.DATES]
        files = {
            **({self._tif.name: "the raster, as GeoTIFF"} if source is None else {}),
            self.flac: "the same as streaming FLAC, with overviews",
            self._cog: "the same as Cloud Optimized GeoTIFF, with overviews",
            "refs.json": "kerchunk references to it",
            **{path.name: "a date, as GeoTIFF" for path in self._dates},
            **{path.with_suffix(".flac").name: "a date, as FLAC" for path in self._dates},
            "cube.json": "kerchunk references to the three dates as one cube",
            "demo.png": "what was read, as a picture",
            REPORT: "this report",
        }
        self.made = [name for name in files if name != REPORT]
        self.result = DemoResult(folder=folder, source=str(source or self._tif), files=files)
        if source is not None and not self._tif.is_file():
            raise SourceNotFoundError(f"{self._tif}: no such file")
        claim(folder, list(files), keep=None if source is None else self._tif)
        # Before the other files, so that those of a demo cut short are known as its own.
        self.result.write()

    def say(self, sentence: str) -> None:
        """Report a step."""
        self.result.steps.append(sentence)
        if self._report is not None:
            self._report(sentence)

    def make_source(self) -> None:
        """Write the elevation model, unless a raster was given."""
        if self._given is None:
            rasters.make_dem(self._tif)
            self.say(f"Wrote the elevation model of the Jacksboro fault, Tennessee: {self._tif}.")

    def convert(self) -> Window:
        """Write the FLAC and the COG; return the window to compare, hardly ever of whole tiles."""
        with open_dataset(self._tif) as source:
            longer = max(source.width, source.height)
            self._tile_size = next((size for size in (128, 256, 512) if 4 * size >= longer), 1024)
            window = rasters.middle(source, self._tile_size)
        size, folder = self._tile_size, self.result.folder
        flac, cog = folder / self.flac, folder / self._cog
        index = write_flac(
            self._tif, flac, tile_size=size, overviews="auto", resampling="average", overwrite=True
        )
        rasters.write_cog(self._tif, cog, tile_size=size)
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
        self.say(
            f"Converted it without loss to {self.flac} ({flac.stat().st_size:,} bytes) and "
            f"{self._cog} ({cog.stat().st_size:,} bytes), both in tiles of {size} pixels with "
            f"{len(index.levels) - 1} overviews."
        )
        return window

    def make_dates(self) -> None:
        """Write a FLAC raster for each date."""
        for path, day, factor in zip(self._dates, rasters.DATES, _FADING, strict=True):
            if self._given is None:
                rasters.make_sunlight(self._tif, path, day)
            else:
                rasters.make_faded(self._tif, path, factor)
            write_flac(path, path.with_suffix(".flac"), tile_size=self._tile_size, overwrite=True)
        what = "the sunlight at noon on it" if self._given is None else "a fading copy of its part"
        self.say(f"Computed {what} for three dates, a FLAC raster each.")

    def read(self, readers: Readers, server: RangeServer, window: Window) -> None:
        """Read the window by every way, and compare it with the source's."""
        with open_dataset(self._tif) as source:
            expected = source.read(window=window)
        flac, cog = server.url_of(self.flac), server.url_of(self._cog)
        # Once unmeasured, a file of its own for GDAL, which remembers what it has read: what is
        # measured holds no import of a library.
        Readers(server).window(flac, server.url_of(self._dates[0].name), Window(0, 0, 1, 1))
        found = readers.window(flac, cog, window)
        self.result.identical = all(
            values.dtype == expected.dtype and values.tobytes() == expected.tobytes()
            for values in found
        )
        size = f"{window.width} x {window.height} pixels"
        verdict = "bit for bit" if self.result.identical else "NOT"
        self.say(
            f"Opened the FLAC's URL as virtual Zarr, and with xarray; read {size}: {verdict} those "
            "of the source."
        )

    def publish(self, readers: Readers, server: RangeServer) -> None:
        """Write references to local files, which stay valid; measure those to URLs."""
        folder = self.result.folder
        dates = [path.with_suffix(".flac") for path in self._dates]
        self.result.references = {
            "refs.json": write_references([folder / self.flac], folder / "refs.json"),
            "cube.json": write_references(dates, folder / "cube.json"),
        }
        self.result.series = readers.time_series([server.url_of(path.name) for path in dates])
        self.say(
            "Wrote kerchunk references, refs.json, and stacked the three dates into cube.json: "
            f"{(folder / 'cube.json').stat().st_size:,} bytes that any Zarr reader with zarr-flac "
            "opens."
        )
