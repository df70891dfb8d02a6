"""Encode one tile: zarr-flac at every level and in both orders, libFLAC, GDAL's GeoTIFF codecs.

    pytest -s tests/benchmarks/test_bench_encode.py
    python tests/benchmarks/test_bench_encode.py

One band from memory to memory on one thread, without verification: CPU time of this process, all
in turns, the minimum of each. Bits are those of a predicted tile, of FLAC frames without a head in
order "row", and of a whole GeoTIFF, which is tiled with PREDICTOR=2. "md5" is order "row" with the
MD5 of the samples, which libFLAC computes in any case. No time is asserted.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import harness
import numpy as np
import numpy.typing as npt
import rasterio
from rasterio.io import MemoryFile
from zarr_flac import TileSpec, decode_tile, encode_tile, read_tile_info

try:  # the tests' own way to libFLAC's encoder
    sys.path.insert(0, str(Path(__file__).parents[2] / "codecs" / "tests"))
    import libflac
except ImportError:
    print("\nskipped: pyflac is not installed")
    libflac = None

SIZE = 1024
ROUNDS = 3
LEVELS = range(9)

Encoder = Callable[[], int]
"""Encodes and returns how many bytes came of it."""


def test_encode() -> None:
    rows: list[list[str]] = []
    for name, pixels in harness.rasters(SIZE).items():
        cases = encoders(pixels)
        seconds = fastest(cases)
        sizes = {case: 8 * run() / pixels.size for case, run in cases.items()}
        speed = {case: pixels.size / taken / 1e6 for case, taken in seconds.items()}
        for level in LEVELS:
            ours, rows_of, theirs = f"predicted {level}", f"row {level}", f"libFLAC {level}"
            row = [
                f"{name}, {level}",
                f"{speed[ours]:.0f}",
                f"{sizes[ours]:.3f}",
                f"{speed[rows_of]:.0f}",
                f"{speed[f'{rows_of} md5']:.0f}",
                f"{sizes[rows_of]:.3f}",
            ]
            if theirs in cases:
                row += [
                    f"{speed[theirs]:.0f}",
                    f"{sizes[theirs]:.3f}",
                    f"{speed[f'{rows_of} md5'] / speed[theirs]:.2f}",
                    f"{sizes[rows_of] / sizes[theirs]:.4f}",
                ]
            else:
                row += ["-"] * 4
            for other in ("ZSTD", "DEFLATE"):
                row.append(f"{speed[ours] / speed[other]:.2f}")
                row.append(f"{sizes[ours] / sizes[other]:.3f}")
            rows.append(row)
    harness.print_table(
        f"Encoding, tiles of up to {SIZE} x {SIZE}: million pixels a CPU second, bits a pixel",
        ["raster, level", "predicted", "bits", "row", "md5", "bits", "libFLAC", "bits",
         "md5 to libFLAC", "bits to it", "predicted to ZSTD", "bits to it", "to DEFLATE",
         "bits to it"],
        rows,
    )  # fmt: skip


def encoders(pixels: npt.NDArray[Any]) -> dict[str, Encoder]:
    cases: dict[str, Encoder] = {}
    depth = 8 * pixels.dtype.itemsize
    half = 1 << (depth - 1) if pixels.dtype.kind == "u" else 0
    samples = np.ascontiguousarray(pixels.reshape(1, -1).astype(np.int32) - half)
    for level in LEVELS:
        for name, spec in {
            f"predicted {level}": TileSpec(compression=level, md5=False),
            f"row {level}": TileSpec(compression=level, md5=False, order="row"),
            f"row {level} md5": TileSpec(compression=level, order="row"),
        }.items():
            np.testing.assert_array_equal(decode_tile(encode_tile(pixels, spec), spec), pixels)
            cases[name] = lambda spec=spec: tile_bytes(pixels, spec)
        if libflac is not None:
            cases[f"libFLAC {level}"] = lambda level=level: len(
                libflac.encode(samples, depth, compression=level, block_size=4096, stereo=True)[1]
            )
    for compress in ("ZSTD", "DEFLATE"):
        cases[compress] = lambda compress=compress: geotiff(pixels, compress)
    return cases


def tile_bytes(pixels: npt.NDArray[Any], spec: TileSpec) -> int:
    tile = encode_tile(pixels, spec)
    # The head of a predicted tile says how to undo the prediction.
    return len(tile) - (read_tile_info(tile).frames_offset if spec.order == "row" else 0)


def geotiff(pixels: npt.NDArray[Any], compress: str) -> int:
    height, width = pixels.shape
    with MemoryFile() as memory:
        with memory.open(
            driver="GTiff", dtype=pixels.dtype, count=1, height=height, width=width, tiled=True,
            blockxsize=512, blockysize=512, compress=compress, predictor=2, num_threads=1,
            transform=rasterio.Affine(10, 0, 4e5, 0, -10, 5e6), crs="EPSG:32633",
        ) as target:  # fmt: skip
            target.write(pixels, 1)
        return len(memory.getbuffer())


def fastest(cases: dict[str, Encoder]) -> dict[str, float]:
    least = dict.fromkeys(cases, float("inf"))
    for number in range(ROUNDS + 1):
        for name, run in cases.items():
            start = time.process_time()
            run()
            if number:
                least[name] = min(least[name], time.process_time() - start)
    return least


if __name__ == "__main__":
    test_encode()
