"""Opening over HTTP and reading a window: the engine `flac` against rasterio on a COG."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import harness
import numpy as np
import numpy.typing as npt
import rasterio
import rasterio.shutil
import xarray as xr
from rasterio.windows import Window

import virtual_flac

SIZE = 4096
TILE = 1024
LATENCY = 30.0
WINDOWS = {
    "open only": None,
    "a tile": Window(1024, 2048, 1024, 1024),
    "unaligned 1024": Window(1500, 700, 1024, 1024),
}
#: GDAL's advice for COGs over HTTP; and, to be measured more than once, no memory of past reads.
GDAL = {"GDAL_DISABLE_READDIR_ON_OPEN": "EMPTY_DIR", "GDAL_CACHEMAX": 64}
BASE = "COG 1024"

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
        f"uint16, {SIZE} x {SIZE}, median of {harness.ROUNDS} in turns",
        ["link", "what", "reader", "ms", f"to {BASE}", "requests", "bytes"],
        rows,
    )


def make(folder: Path, values: Pixels) -> None:
    harness.write_tif(folder / "source.tif", values, tiled=True)
    virtual_flac.write_flac(folder / "source.tif", folder / "raster.flac", tile_size=TILE)
    for tile in (512, 1024):
        rasterio.shutil.copy(
            str(folder / "source.tif"), str(folder / f"cog{tile}.tif"), driver="COG",
            COMPRESS="ZSTD", PREDICTOR="YES", BLOCKSIZE=tile, OVERVIEWS="NONE",
        )  # fmt: skip


def expected(values: Pixels, window: Window | None) -> Pixels | None:
    return None if window is None else values[window.toslices()]


def readers(url: str, window: Window | None) -> dict[str, Callable[[], Pixels | None]]:
    return {
        "FLAC": partial(read_flac, f"{url}/raster.flac", window),
        "COG 1024": partial(read_cog, f"{url}/cog1024.tif", window),
        "COG 512": partial(read_cog, f"{url}/cog512.tif", window),
    }


def read_flac(url: str, window: Window | None) -> Pixels | None:
    with xr.open_dataset(url, engine="flac", mask_and_scale=False) as dataset:
        if window is None:
            return None
        rows, columns = window.toslices()
        return dataset["band_data"].isel(band=0, y=rows, x=columns).to_numpy()


def read_cog(url: str, window: Window | None) -> Pixels | None:
    with rasterio.open(url) as source:
        if window is None:
            return None
        values: Pixels = source.read(1, window=window)
    return values


def measure(
    link: str,
    name: str,
    cases: dict[str, Callable[[], Pixels | None]],
    wanted: Pixels | None,
    server: Any,
) -> list[list[str]]:
    asked = {}
    for reader, read in cases.items():
        read()
        server.reset()
        found = read()
        log = server.log()
        asked[reader] = (len(log), sum(request.bytes_sent for request in log))
        if wanted is not None:
            np.testing.assert_array_equal(found, wanted)
    taken = harness.medians(cases)
    return [
        [
            link, name, reader, f"{1000 * taken[reader]:.1f}", f"{taken[reader] / taken[BASE]:.2f}",
            str(asked[reader][0]), f"{asked[reader][1]:,}",
        ]
        for reader in cases
    ]  # fmt: skip


if __name__ == "__main__":
    import sys

    sys.path.insert(0, str(Path(__file__).parents[1]))
    test_open_window()
