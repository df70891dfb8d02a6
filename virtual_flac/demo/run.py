"""The demo from end to end: make, serve, open, compare, reference, stack, draw.

Knows the order of things and the public functions; what they do, they know themselves.
"""

from __future__ import annotations

import os
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from rasterio.windows import Window

from ..errors import SourceNotFoundError
from ..geotiff.to_flac import write_flac
from ..model.index import TileIndex
from . import rasters, reading
from .costs import Meter
from .folder import REPORT, claim, write_report
from .picture import draw
from .result import DemoResult, Names, is_url, names_for
from .server import RangeServer, serve

Report = Callable[[str], None]

_FADING = (1.0, 0.9, 0.8)


def run_demo(
    source: str | os.PathLike[str] | None = None,
    folder: str | os.PathLike[str] = "virtual-flac-demo",
    *,
    report: Report | None = None,
    while_served: Callable[[RangeServer, DemoResult], None] | None = None,
) -> DemoResult:
    """Make a FLAC raster and a COG, serve them on loopback, and read, compare and stack them.

    Parameters
    ----------
    source : str or path, optional
        A GeoTIFF or its URL. By default an elevation model that matplotlib ships.
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
    """
    start = time.perf_counter()
    target = Path(folder).absolute()
    names = names_for(source)
    claim(target, list(names.files()), keep=_local(source))
    result = DemoResult(
        folder=target, source=str(source or target / names.source), files=names.files()
    )
    write_report(target, result.to_dict())

    def say(sentence: str) -> None:
        result.steps.append(sentence)
        if report is not None:
            report(sentence)

    tif = _make_source(source, target / names.source, say)
    tile_size = rasters.choose_tile_size(tif)
    index = _convert(tif, target, names, tile_size, result, say)
    window = rasters.choose_window(tif, tile_size)
    result.window = (window.col_off, window.row_off, window.width, window.height)
    _make_dates(source, tif, target, names, tile_size, say)
    with serve(target) as server:
        say(f"Served the folder at {server.url}, byte ranges and all.")
        _read(tif, server, names, window, len(index.levels), result, say)
        _publish(server, target, names, result, say)
        overview = reading.overview_for_picture(server.url_of(names.flac), len(index.levels))
        draw(
            target / "demo.png",
            reading.picture_data(
                server.url_of(names.flac), target / "cube.json", result.window, overview
            ),
            elevation=source is None,
            series=result.series,
        )
        say(f"Drew what was read: {target / 'demo.png'}.")
        result.sizes = {name: _size(target / name) for name in names.files() if name != REPORT}
        result.seconds = round(time.perf_counter() - start, 2)
        write_report(target, result.to_dict())
        if while_served is not None:
            while_served(server, result)
    return result


def _local(source: str | os.PathLike[str] | None) -> Path | None:
    if source is None or is_url(source):
        return None
    path = Path(source)
    if not path.is_file():
        raise SourceNotFoundError(f"{path}: no such file")
    return path


def _make_source(source: str | os.PathLike[str] | None, target: Path, say: Report) -> Path:
    if source is None:
        rasters.make_dem(target)
        say(f"Wrote the elevation model of the Jacksboro fault, Tennessee: {target}.")
        return target
    if is_url(source):
        rasters.fetch(os.fspath(source), target)
        say(f"Fetched {source}.")
        return target
    return Path(source)


def _convert(
    tif: Path, folder: Path, names: Names, tile_size: int, result: DemoResult, say: Report
) -> TileIndex:
    index = write_flac(
        tif, folder / names.flac, tile_size=tile_size, overviews="auto", resampling="average"
    )
    rasters.write_cog(tif, folder / names.cog, tile_size=tile_size)
    raster = index.raster
    result.raster = {
        "width": raster.width,
        "height": raster.height,
        "bands": raster.count,
        "dtype": raster.dtype.name,
        "tile_size": tile_size,
        "tiles": index.tile_count,
        "levels": [[level.width, level.height] for level in index.levels],
    }
    say(
        f"Converted it without loss to {names.flac} ({_size(folder / names.flac):,} bytes) and "
        f"{names.cog} ({_size(folder / names.cog):,} bytes), both in tiles of {tile_size} pixels "
        f"with {len(index.levels) - 1} overviews."
    )
    return index


def _make_dates(
    source: str | os.PathLike[str] | None,
    tif: Path,
    folder: Path,
    names: Names,
    tile_size: int,
    say: Report,
) -> None:
    for number, day in enumerate(rasters.DATES):
        dated = folder / names.dated("tif")[number]
        if source is None:
            rasters.make_sunlight(tif, dated, day)
        else:
            rasters.make_faded(tif, dated, _FADING[number])
        write_flac(dated, dated.with_suffix(".flac"), tile_size=tile_size)
    what = "the sunlight at noon on it" if source is None else "a fading copy of its middle"
    say(f"Computed {what} for three dates, a FLAC raster each.")


def _read(
    tif: Path,
    server: RangeServer,
    names: Names,
    window: Window,
    levels: int,
    result: DemoResult,
    say: Report,
) -> None:
    expected = rasters.read_window(tif, window)
    flac, cog = server.url_of(names.flac), server.url_of(names.cog)
    reading.warm_up(flac, tif, server)
    meter = Meter(server)
    reading.open_virtually(flac, meter)
    found = [
        reading.window_of_flac(flac, window, meter),
        reading.window_of_references(flac, window, meter),
        reading.window_of_cog(cog, window, meter),
    ]
    result.costs += meter.costs
    result.identical = all(
        values.dtype == expected.dtype and values.tobytes() == expected.tobytes()
        for values in found
    )
    size = f"{window.width} x {window.height} pixels"
    verdict = "bit for bit those of the source" if result.identical else "NOT those of the source"
    say(f"Opened the FLAC's URL as virtual Zarr, and with xarray; read {size}: {verdict}.")


def _publish(
    server: RangeServer, folder: Path, names: Names, result: DemoResult, say: Report
) -> None:
    """References to local files stay valid when the server is gone; those to URLs are measured."""
    dated = names.dated("flac")
    result.references["refs.json"] = reading.write_references(
        [folder / names.flac], folder / "refs.json"
    )
    result.references["cube.json"] = reading.write_references(
        [folder / name for name in dated], folder / "cube.json"
    )
    meter = Meter(server)
    with tempfile.TemporaryDirectory() as scratch:
        cube = Path(scratch) / "cube.json"
        reading.write_references([server.url_of(name) for name in dated], cube)
        result.series = reading.time_series(
            cube, reading.choose_points(folder / "cube.json"), meter
        )
    result.costs += meter.costs
    say(
        f"Wrote kerchunk references, refs.json, and stacked the three dates into cube.json: "
        f"{_size(folder / 'cube.json'):,} bytes that any Zarr reader with zarr-flac opens."
    )


def _size(path: Path) -> int:
    return path.stat().st_size
