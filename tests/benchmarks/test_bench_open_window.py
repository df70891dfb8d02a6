"""Opening over HTTP and reading a window: FLAC against the COG of the same raster.

Every reader starts without connections and without memory of the file, but for GDAL, which keeps
connections for its process. Requests and bytes are those of the server's log.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import ExitStack
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import harness
import numpy as np
import numpy.typing as npt
import rasterio
import rasterio.shutil
import xarray as xr
import zarr
from rasterio.windows import Window

import virtual_flac
from virtual_flac.model import grid
from virtual_flac.reading.tiles import TileReader

SIZE = 6144
TILE = 1024
LATENCY = 30.0
ROUNDS = 5
WINDOWS = {
    "open only": None,
    "aligned 1024": Window(1024, 2048, 1024, 1024),
    "unaligned 1024": Window(1500, 700, 1024, 1024),
    "3 x 3 tiles": Window(1024, 2048, 3072, 3072),
}
#: GDAL's advice for COGs over HTTP; and, to be measured more than once, no memory of past reads.
GDAL = {"GDAL_DISABLE_READDIR_ON_OPEN": "EMPTY_DIR", "GDAL_CACHEMAX": 64}
#: COGs with tiles of 512, which is GDAL's default, and with tiles as large as ours.
BLOCKS = (512, TILE)
BASES = [f"async-geotiff {tile}" for tile in BLOCKS]

type Pixels = npt.NDArray[Any]


def test_open_window() -> None:
    import servers

    with TemporaryDirectory() as scratch, ExitStack() as stack:
        folder = Path(scratch)
        values = harness.sentinel_like(SIZE)
        make(folder, values)
        server = stack.enter_context(servers.serve(folder))
        near = server.url
        far = stack.enter_context(harness.distant(near, LATENCY))
        rows: list[list[str]] = []
        for link, url in ((f"{server.name}, loopback", near), (f"and {LATENCY:.0f} ms", far)):
            with rasterio.Env(CPL_VSIL_CURL_NON_CACHED=f"/vsicurl/{url}", **GDAL):
                for name, window in WINDOWS.items():
                    rows += measure(
                        link, name, readers(url, window), expected(values, window), server
                    )
    harness.print_table(
        f"uint16, {SIZE} x {SIZE}, opened and read, median of {ROUNDS} in turns",
        ["link", "what", "reader", "ms", "requests", "bytes", *(f"to {name}" for name in BASES)],
        rows,
    )


def make(folder: Path, values: Pixels) -> None:
    harness.write_tif(folder / "source.tif", values, tiled=True)
    virtual_flac.write_flac(folder / "source.tif", folder / "raster.flac", tile_size=TILE)
    for tile in BLOCKS:
        rasterio.shutil.copy(
            str(folder / "source.tif"), str(folder / f"cog{tile}.tif"), driver="COG",
            COMPRESS="ZSTD", PREDICTOR="YES", BLOCKSIZE=tile, OVERVIEWS="NONE",
        )  # fmt: skip


def expected(values: Pixels, window: Window | None) -> Pixels | None:
    return None if window is None else values[window.toslices()]


def readers(url: str, window: Window | None) -> dict[str, Callable[[], Pixels | None]]:
    ways: dict[str, Callable[[str, Window | None], Pixels | None]] = {
        "FLAC, engine": read_engine,
        "FLAC, TileReader": read_tiles,
        "FLAC, zarr": read_zarr,
    }
    cases = {name: partial(way, f"{url}/raster.flac", window) for name, way in ways.items()}
    cogs: dict[str, Callable[[str, Window | None], Pixels | None]] = {"rasterio": read_rasterio}
    if find_spec("async_geotiff"):
        cogs["async-geotiff"] = read_async_geotiff
    for name, way in cogs.items():
        for tile in BLOCKS:
            cases[f"{name} {tile}"] = partial(way, f"{url}/cog{tile}.tif", window)
    return cases


def read_engine(url: str, window: Window | None) -> Pixels | None:
    with xr.open_dataset(url, engine="flac", mask_and_scale=False) as dataset:
        if window is None:
            return None
        rows, columns = window.toslices()
        return dataset["band_data"].isel(band=0, y=rows, x=columns).to_numpy()


def read_tiles(url: str, window: Window | None) -> Pixels | None:
    registry = virtual_flac.registry_for(url)
    reader = TileReader(url, virtual_flac.read_index(url, registry), registry)
    if window is None:
        return None
    place = grid.Window(window.col_off, window.row_off, window.width, window.height)
    return reader.read(place)[0]


def read_zarr(url: str, window: Window | None) -> Pixels | None:
    registry = virtual_flac.registry_for(url)
    store = virtual_flac.FLACParser()(url, registry)
    array = zarr.open_array(store, path="band_data", mode="r", zarr_format=3)
    if window is None:
        return None
    return np.asarray(array[0, *window.toslices()])


def read_rasterio(url: str, window: Window | None) -> Pixels | None:
    with rasterio.open(url) as source:
        if window is None:
            return None
        values: Pixels = source.read(1, window=window)
    return values


def read_async_geotiff(url: str, window: Window | None) -> Pixels | None:
    import async_geotiff
    from obstore.store import HTTPStore

    async def read() -> Pixels | None:
        root, _, name = url.rpartition("/")
        store = HTTPStore.from_url(root, client_options={"allow_http": True})
        source = await async_geotiff.GeoTIFF.open(name, store=store)
        if window is None:
            return None
        place = async_geotiff.Window(
            col_off=window.col_off, row_off=window.row_off,
            width=window.width, height=window.height,
        )  # fmt: skip
        return np.asarray((await source.read(window=place)).data[0])

    return asyncio.run(read())


def measure(
    link: str,
    name: str,
    cases: dict[str, Callable[[], Pixels | None]],
    wanted: Pixels | None,
    server: Any,
) -> list[list[str]]:
    asked = {}
    for reader, read in cases.items():
        server.reset()
        found = read()
        log = server.log()
        asked[reader] = (len(log), sum(request.bytes_sent for request in log))
        if wanted is not None:
            np.testing.assert_array_equal(found, wanted)
    taken = harness.medians(cases, ROUNDS)
    return [
        [
            link, name, reader, f"{1000 * taken[reader]:.0f}",
            str(asked[reader][0]), f"{asked[reader][1]:,}",
            *(f"{taken[reader] / taken[base]:.2f}" if base in taken else "" for base in BASES),
        ]
        for reader in cases
    ]  # fmt: skip


if __name__ == "__main__":
    import sys

    sys.path.insert(0, str(Path(__file__).parents[1]))
    test_open_window()
