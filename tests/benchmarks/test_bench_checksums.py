"""What the CRC-32 of every tile costs: beside zlib, and as part of reading a whole band.

    pytest -s tests/benchmarks/test_bench_checksums.py
    python tests/benchmarks/test_bench_checksums.py

CPU time of this process, in pairs that take turns, the median of each. No time is asserted.
"""

from __future__ import annotations

import statistics
import time
import zlib
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import harness
import numpy as np
import zarr
from zarr_flac import crc32

import virtual_flac
from virtual_flac.model.grid import Window
from virtual_flac.reading.tiles import TileReader
from virtual_flac.virtual.build import build_virtual_zarr

SIZE = 8192
TILE = 512
ROUNDS = 5
TURN_BYTES = 32 << 20


def test_crc32() -> None:
    data = np.random.default_rng(0).integers(0, 256, TURN_BYTES, np.uint8).tobytes()
    rows = []
    for size in (1_000, 10_000, 100_000, 1_000_000, TURN_BYTES):
        view = memoryview(data)[:size]
        turns = TURN_BYTES // size

        def ours(view: memoryview = view, turns: int = turns) -> None:
            for _ in range(turns):
                crc32(view)

        def theirs(view: memoryview = view, turns: int = turns) -> None:
            for _ in range(turns):
                zlib.crc32(view)

        assert crc32(view) == zlib.crc32(view)
        mine, other = paired(ours, theirs)
        speeds = [f"{turns * size / seconds / 1e9:.1f}" for seconds in (mine, other)]
        rows.append([f"{size}", *speeds, f"{mine / other:.2f}"])
    columns = ["bytes", "zarr_flac GB/s", "zlib GB/s", "time of zlib's"]
    harness.print_table("CRC-32 of the same bytes again and again", columns, rows)


def test_a_whole_band(tmp_path: Path) -> None:
    """A band row of tiles by row of tiles, each with and without the check."""
    rows = []
    for name, values in (
        ("Sentinel-like", harness.sentinel_like(SIZE)),
        ("noise", np.random.default_rng(1).integers(0, 1 << 16, (SIZE, SIZE), np.uint16)),
    ):
        tif, flac = tmp_path / f"{name}.tif", tmp_path / f"{name}.flac"
        harness.write_tif(tif, values)
        virtual_flac.write_flac(tif, flac, tile_size=TILE, overviews="none")
        index = virtual_flac.read_index(flac)
        bare = replace(index, levels=tuple(replace(lev, checksums=None) for lev in index.levels))
        checked, unchecked = opened(flac, index), opened(flac, bare)
        for reader, read in checked.items():
            np.testing.assert_array_equal(read(0, SIZE), values)
            taken = [
                paired(partial(read, top, top + TILE), partial(unchecked[reader], top, top + TILE))
                for top in range(0, SIZE, TILE)
            ]
            with_check, without = (sum(pair[which] for pair in taken) * 1000 for which in (0, 1))
            sizes = flac.stat().st_size / 2**20, with_check, without
            rows.append([name, reader, *(f"{x:.0f}" for x in sizes), f"{with_check / without:.3f}"])
    columns = ["raster", "reader", "file MiB", "checked ms", "not checked ms", "ratio"]
    harness.print_table(f"A band of {SIZE} x {SIZE} pixels, CPU time", columns, rows)


def opened(flac: Path, index: virtual_flac.TileIndex) -> dict[str, Callable[[int, int], Any]]:
    """Readers of a band's rows from one to another."""
    url = flac.as_uri()
    registry = virtual_flac.registry_for(url)
    # What the engine reads with.
    tiles = TileReader(url, index, registry)
    store = build_virtual_zarr(index, url, registry)
    array: Any = zarr.open_array(store, path="band_data", mode="r", zarr_format=3)
    return {
        "engine": lambda top, end: tiles.read(Window(0, top, SIZE, end - top))[0],
        "virtual Zarr": lambda top, end: array[0, top:end],
    }


def paired(one: Callable[[], Any], other: Callable[[], Any]) -> tuple[float, float]:
    """Median CPU seconds of both, in turns."""
    taken: tuple[list[float], list[float]] = ([], [])
    for number in range(2 * ROUNDS):
        for which in (0, 1) if number % 2 else (1, 0):
            start = time.process_time()
            (one, other)[which]()
            taken[which].append(time.process_time() - start)
    return statistics.median(taken[0]), statistics.median(taken[1])


if __name__ == "__main__":
    import tempfile

    test_crc32()
    with tempfile.TemporaryDirectory() as folder:
        test_a_whole_band(Path(folder))
