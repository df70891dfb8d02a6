"""Decoding tiles of 1024 x 1024 pixels: zarr_flac against GDAL's codecs, one thread and two."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import harness
import numpy as np
import numpy.typing as npt
import rasterio
from rasterio.errors import RasterioError
from rasterio.io import MemoryFile
from zarr_flac import TileSpec, decode_tile, encode_tile

TILE = 1024
SIZE = 2 * TILE
BASE = "ZSTD"
GDAL_CODECS: dict[str, dict[str, Any]] = {
    BASE: {"compress": "zstd", "predictor": 2},
    "DEFLATE": {"compress": "deflate", "predictor": 2},
    "LERC_ZSTD": {"compress": "lerc_zstd", "max_z_error": 0},
}

type Pixels = npt.NDArray[Any]
type Case = tuple[int, Callable[[int], Pixels]]
"""Bytes, and a reader with some threads."""


def test_decode() -> None:
    rows = [row for name, values in harness.rasters(SIZE).items() for row in measure(name, values)]
    harness.print_table(
        f"Decoding up to {SIZE} x {SIZE} pixels, median of {harness.ROUNDS} in turns",
        [
            "raster",
            "tile",
            "codec",
            "bits/px",
            "1 thread Mpx/s",
            f"to {BASE}",
            "2 threads",
            f"to {BASE}",
        ],
        rows,
    )


def measure(name: str, values: Pixels) -> list[list[str]]:
    with contextlib.ExitStack() as stack:
        cases: dict[str, Case] = {"FLAC": flac(values)}
        for codec, options in GDAL_CODECS.items():
            # Not every GDAL is built with every codec.
            with contextlib.suppress(RasterioError):
                cases[codec] = stack.enter_context(geotiff(values, options))
        for codec, (_, read) in cases.items():
            for threads in (1, 2):
                np.testing.assert_array_equal(read(threads), values, err_msg=f"{name} {codec}")
        taken = harness.medians(
            {
                f"{codec} {threads}": lambda read=read, threads=threads: read(threads)  # type: ignore[misc]
                for codec, (_, read) in cases.items()
                for threads in (1, 2)
            }
        )
    rows = []
    for codec, (size, _) in cases.items():
        row = [name, str(tile_of(values)), codec, f"{8 * size / values.size:.2f}"]
        for threads in (1, 2):
            seconds = taken[f"{codec} {threads}"]
            row += [
                f"{values.size / seconds / 1e6:.0f}",
                f"{taken[f'{BASE} {threads}'] / seconds:.2f}",
            ]
        rows.append(row)
    return rows


def tile_of(values: Pixels) -> int:
    return min(TILE, len(values))


def flac(values: Pixels) -> Case:
    edge = tile_of(values)
    spec = TileSpec(chunk_shape=(1, edge, edge), dtype=values.dtype)
    starts = range(0, len(values), edge)
    places = [(row, column) for row in starts for column in starts]
    tiles = [encode_tile(values[None, r : r + edge, c : c + edge], spec) for r, c in places]

    def read(threads: int) -> Pixels:
        result = np.empty_like(values)

        def one(number: int) -> None:
            row, column = places[number]
            result[row : row + edge, column : column + edge] = decode_tile(tiles[number], spec)[0]

        if threads == 1:
            for number in range(len(tiles)):
                one(number)
        else:
            list(pools[threads].map(one, range(len(tiles))))
        return result

    pools = {2: ThreadPoolExecutor(2)}
    return sum(map(len, tiles)), read


@contextlib.contextmanager
def geotiff(values: Pixels, options: dict[str, Any]) -> Iterator[Case]:
    with MemoryFile() as memory:
        edge = tile_of(values)
        harness.write_tif(
            memory.name, values, tiled=True, blockxsize=edge, blockysize=edge, **options
        )

        def read(threads: int) -> Pixels:
            # Opened anew, for GDAL would remember the tiles.
            with rasterio.open(memory.name, num_threads=threads) as source:
                result: Pixels = source.read(1)
            return result

        yield len(memory.getbuffer()), read


if __name__ == "__main__":
    test_decode()
