"""What benchmarks share: rasters, interleaved medians, tables, a link with latency.

They print ratios of what ran in turns in one process or one machine, and assert equal pixels;
they never assert a time.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import platform
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import rasterio

SHARED = Path(__file__).parents[3] / "shared" / "data"
ROUNDS = 7


# --- Rasters --------------------------------------------------------------------------------------


def fractal(size: int, roughness: float, seed: int) -> npt.NDArray[np.float64]:
    """A surface whose spectrum falls as frequency to the power of minus `roughness`; 0 to 1."""
    rng = np.random.default_rng(seed)
    y, x = np.fft.fftfreq(size)[:, None], np.fft.rfftfreq(size)[None]
    frequency = np.hypot(x, y)
    frequency[0, 0] = 1
    spectrum = rng.normal(size=frequency.shape) + 1j * rng.normal(size=frequency.shape)
    surface = np.fft.irfft2(spectrum / frequency**roughness, s=(size, size))
    surface -= surface.min()
    return np.asarray(surface / surface.max())


def sentinel_like(size: int, seed: int = 1) -> npt.NDArray[np.uint16]:
    """Fields, terrain and the noise of a sensor: reflectances as Sentinel-2 gives them."""
    rng = np.random.default_rng(seed)
    fields = np.kron(rng.normal(0, 180, (size // 32 + 1,) * 2), np.ones((32, 32)))[:size, :size]
    light = 300 + 2600 * fractal(size, 1.3, seed) + fields
    return np.clip(light + rng.normal(0, 12, (size, size)), 1, 10_000).astype(np.uint16)


def mostly_nodata(size: int, seed: int = 2) -> npt.NDArray[np.uint16]:
    """The same where an orbit's edge leaves two thirds without data."""
    y, x = np.mgrid[:size, :size]
    return np.where(x + 0.3 * y < 0.42 * size, sentinel_like(size, seed), 0).astype(np.uint16)


def photo_like(size: int, seed: int = 3) -> npt.NDArray[np.uint8]:
    """One band of an aerial photograph."""
    noise = np.random.default_rng(seed).normal(0, 3, (size, size))
    return np.clip(20 + 200 * fractal(size, 1.4, seed) + noise, 0, 255).astype(np.uint8)


def dem_like(size: int, seed: int = 4) -> npt.NDArray[np.int16]:
    """Elevations in metres."""
    return (1800 * fractal(size, 2.0, seed) - 40).astype(np.int16)


def rasters(size: int) -> dict[str, npt.NDArray[Any]]:
    """Made rasters of `size` x `size`, then real ones where they are, none of them larger."""
    found: dict[str, npt.NDArray[Any]] = {
        "uint16 Sentinel-like": sentinel_like(size),
        "uint16 mostly nodata": mostly_nodata(size),
        "uint8 photo-like": photo_like(size),
        "int16 DEM-like": dem_like(size),
    }
    real = {
        "uint16 Sentinel-2, real": "sentinel_uint16_549.tif",
        "uint16 classes, real": "landsat_uint16_2658.tif",
        "uint8 photo, real": "rgb_uint8_nodata0.tif",
        "int16 DEM, real": "flac_raster_sample_dem.tif",
    }
    for name, file in real.items():
        if (SHARED / file).exists():
            with rasterio.open(SHARED / file) as source:
                found[name] = middle(source.read(1), size)
    if not SHARED.is_dir():
        print("\nskipped: no shared data; made rasters only")
    return found


def middle(values: npt.NDArray[Any], size: int) -> npt.NDArray[Any]:
    """A square in the middle, of `size` pixels or the largest half, quarter ... of it that fits.

    Never a raster repeated or mirrored to fill a size: some codecs would find the repetition.
    """
    while size > min(values.shape):
        size //= 2
    row, column = ((length - size) // 2 for length in values.shape)
    return np.ascontiguousarray(values[row : row + size, column : column + size])


def write_tif(path: Path | str, values: npt.NDArray[Any], **options: Any) -> None:
    """Write one band (y, x) or several (band, y, x), somewhere in UTM."""
    bands = values if values.ndim == 3 else values[np.newaxis]
    profile = {
        "driver": "GTiff", "dtype": values.dtype, "count": len(bands), "crs": "EPSG:32633",
        "height": bands.shape[1], "width": bands.shape[2],
        "transform": rasterio.Affine(10, 0, 4e5, 0, -10, 5e6),
    }  # fmt: skip
    with rasterio.open(path, "w", **profile | options) as target:
        target.write(bands)


# --- Time -----------------------------------------------------------------------------------------


def medians(cases: Mapping[str, Callable[[], Any]], rounds: int = ROUNDS) -> dict[str, float]:
    """Median seconds of each case, all of them in turns: A B C A B C, after a round for warmth."""
    taken: dict[str, list[float]] = {name: [] for name in cases}
    for number in range(rounds + 1):
        for name, run in cases.items():
            start = time.perf_counter()
            run()
            seconds = time.perf_counter() - start
            if number:
                taken[name].append(seconds)
    return {name: statistics.median(values) for name, values in taken.items()}


def print_table(title: str, columns: Sequence[str], rows: Sequence[Sequence[Any]]) -> None:
    """Print rows under a title; the first column to the left, the others to the right."""
    cells = [[str(cell) for cell in row] for row in [columns, *rows]]
    widths = [max(len(row[i]) for row in cells) for i in range(len(columns))]
    print(f"\n{title} ({platform.machine()}, {os.cpu_count()} cores)")
    for number, row in enumerate(cells):
        parts = [f"{row[0]:<{widths[0]}}"]
        parts += [f"{cell:>{width}}" for cell, width in zip(row[1:], widths[1:], strict=True)]
        print("  ".join(parts).rstrip())
        if number == 0:
            print("  ".join("-" * width for width in widths))


# --- Latency --------------------------------------------------------------------------------------


@contextlib.contextmanager
def distant(url: str, milliseconds: float) -> Iterator[str]:
    """The same server behind a link with this round trip; a new connection costs one more."""
    port = int(url.rpartition(":")[2])
    process = subprocess.Popen(
        [sys.executable, __file__, str(port), str(milliseconds)],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    with process:
        try:
            assert process.stdout is not None
            yield f"http://127.0.0.1:{int(process.stdout.readline())}"
        finally:
            process.terminate()


async def _relay(port: int, seconds: float) -> None:
    loop = asyncio.get_running_loop()

    async def pump(
        reader: asyncio.StreamReader, writer: asyncio.StreamWriter, delay: float
    ) -> None:
        with contextlib.suppress(ConnectionError):
            while data := await reader.read(1 << 18):
                if delay:
                    loop.call_later(delay, writer.write, data)
                else:
                    writer.write(data)
                    await writer.drain()
        loop.call_later(delay, writer.close)

    async def connect(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await asyncio.sleep(seconds)
        far_reader, far_writer = await asyncio.open_connection("127.0.0.1", port)
        await asyncio.gather(pump(reader, far_writer, seconds), pump(far_reader, writer, 0))

    server = await asyncio.start_server(connect, "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    await asyncio.to_thread(sys.stdin.read)


if __name__ == "__main__":
    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(_relay(int(sys.argv[1]), float(sys.argv[2]) / 1000))
