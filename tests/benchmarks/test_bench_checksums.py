"""What the CRC-32 of every tile costs: beside zlib, and as part of reading a whole band.

    pytest -s tests/benchmarks/test_bench_checksums.py
    python tests/benchmarks/test_bench_checksums.py

CPU time of this process, in pairs that take turns; the minimum of each. No time is asserted.
"""

from __future__ import annotations

import time
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any
from unittest import mock

import harness
import numpy as np
import xarray as xr
import zarr
from zarr_flac import crc32

import virtual_flac
from virtual_flac.reading import checksums

SIZE = 8192
ROUNDS = 15
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
        mine, other, ratio = paired(ours, theirs)
        speeds = [f"{turns * size / seconds / 1e9:.1f}" for seconds in (mine, other)]
        rows.append([f"{size}", *speeds, f"{ratio:.2f}"])
    columns = ["bytes", "zarr_flac GB/s", "zlib GB/s", "time of zlib's"]
    harness.print_table("CRC-32 of the same bytes again and again", columns, rows)


def test_a_whole_band(tmp_path: Path) -> None:
    """The same reads with and without the check."""
    rows = []
    for name, values in (
        ("Sentinel-like", harness.sentinel_like(SIZE)),
        ("noise", np.random.default_rng(1).integers(0, 1 << 16, (SIZE, SIZE), np.uint16)),
    ):
        tif, flac = tmp_path / f"{name}.tif", tmp_path / f"{name}.flac"
        harness.write_tif(tif, values)
        virtual_flac.write_flac(tif, flac, overviews="none")
        store = virtual_flac.FLACParser()(flac.as_uri(), virtual_flac.registry_for(flac.as_uri()))
        reads: dict[str, Callable[[], Any]] = {
            "engine": lambda flac=flac: xr.open_dataset(  # type: ignore[misc]
                flac, engine="flac", mask_and_scale=False
            ).band_data.to_numpy(),
            "virtual Zarr": lambda store=store: zarr.open_array(  # type: ignore[misc]
                store, path="band_data", mode="r", zarr_format=3
            )[:],
        }
        for reader, read in reads.items():
            np.testing.assert_array_equal(read()[0], values)
            with_check, without, ratio = paired(read, without_check(read))
            rows.append(
                [name, reader, f"{flac.stat().st_size / 2**20:.0f}", f"{with_check * 1000:.0f}",
                 f"{without * 1000:.0f}", f"{ratio:.3f}"]
            )  # fmt: skip
    columns = ["raster", "reader", "file MiB", "checked ms", "not checked ms", "ratio"]
    harness.print_table(f"A band of {SIZE} x {SIZE} pixels, CPU time", columns, rows)


def without_check(read: Callable[[], Any]) -> Callable[[], Any]:
    def run() -> Any:
        with mock.patch.object(checksums, "checksum_fault", return_value=None):
            return read()

    return run


def paired(one: Callable[[], Any], other: Callable[[], Any]) -> tuple[float, float, float]:
    """Least CPU seconds of both, and the median of the ratios of neighbours."""
    taken: list[tuple[float, float]] = []
    for number in range(ROUNDS):
        pair = [0.0, 0.0]
        for which in (0, 1) if number % 2 else (1, 0):
            start = time.process_time()
            (one, other)[which]()
            pair[which] = time.process_time() - start
        taken.append((pair[0], pair[1]))
    ratios = sorted(first / second for first, second in taken)
    return min(a for a, _ in taken), min(b for _, b in taken), ratios[len(ratios) // 2]


if __name__ == "__main__":
    import tempfile

    test_crc32()
    with tempfile.TemporaryDirectory() as folder:
        test_a_whole_band(Path(folder))
