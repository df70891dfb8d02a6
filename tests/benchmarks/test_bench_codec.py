"""Decode one tile: zarr-flac, libFLAC by its C API, other FLAC readers, the same pixels as COG.

    pytest -s tests/benchmarks/test_bench_codec.py
    python tests/benchmarks/test_bench_codec.py --output FOLDER --rounds 9

Every reader decodes the same tile in turn, round after round, in one process; what is shown is the
median, as million pixels a second and as a ratio to libFLAC. One thread is measured by the CPU time
it took (a busy machine disturbs that least), two threads by the clock against one by the clock, the
best of some turns each. Every result must equal the pixels; no time is ever asserted.
"""

from __future__ import annotations

import argparse
import ctypes
import io
import os
import platform
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from zarr_flac import TileSpec, decode_tile, encode_tile

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
OUTPUT = ROOT / ".benchmarks"
SHARED = ROOT.parent / "shared" / "data"
ROUNDS = 9
TURN = 0.008
"""Seconds of CPU time of a turn."""
SHORTEST = 0.04
"""Seconds of work that two threads share."""

OURS, LIBFLAC = "zarr-flac", "libFLAC"
Reader = Callable[[], np.ndarray]


# --- Tiles ----------------------------------------------------------------------------------------


@dataclass
class Tile:
    """One tile as pixels and as bytes."""

    name: str
    pixels: np.ndarray
    """(row, column), or (band, row, column)."""
    bits: int
    data: bytes = b""
    spec: TileSpec | None = None
    seconds: dict[str, float] = field(default_factory=dict)
    """Median of each reader."""
    speedup: dict[str, float] = field(default_factory=dict)
    """Two threads over one, for each reader."""
    sizes: dict[str, int] = field(default_factory=dict)
    reused: dict[str, float] = field(default_factory=dict)
    """Median into an array that is already there, where fresh memory costs nothing."""

    def __post_init__(self) -> None:
        bands = self.pixels.shape[0] if self.pixels.ndim == 3 else 1
        own = self.pixels.dtype.itemsize * 8
        options = {} if own == self.bits else {"bits_per_sample": self.bits}
        options |= {"level": 8, "block_size": 4096}
        self.data = encode_tile(self.pixels, TileSpec(channels=bands, **options))
        self.spec = TileSpec(self.pixels.shape, self.pixels.dtype, bands)
        self.sizes["FLAC"] = len(self.data)

    @property
    def bands(self) -> np.ndarray:
        return self.pixels if self.pixels.ndim == 3 else self.pixels[np.newaxis]

    @property
    def total(self) -> int:
        return self.bands[0].size


def surface(size: int, roughness: float, seed: int) -> np.ndarray:
    """Return a surface from 0 to 1 whose spectrum falls as frequency to some power."""
    random = np.random.default_rng(seed)
    frequency = np.hypot(np.fft.fftfreq(size)[:, None], np.fft.rfftfreq(size)[None])
    frequency[0, 0] = 1
    spectrum = random.normal(size=frequency.shape) + 1j * random.normal(size=frequency.shape)
    heights = np.fft.irfft2(spectrum / frequency**roughness, s=(size, size))
    return (heights - heights.min()) / np.ptp(heights)


def dense(size: int, seed: int = 1) -> np.ndarray:
    """Reflectances as Sentinel-2 gives them: fields, terrain, the noise of a sensor."""
    random = np.random.default_rng(seed)
    fields = np.kron(random.normal(0, 180, (size // 32 + 1,) * 2), np.ones((32, 32)))[:size, :size]
    light = 300 + 2600 * surface(size, 1.3, seed) + fields
    return np.clip(light + random.normal(0, 12, (size, size)), 1, 10_000).astype(np.uint16)


def nodata_heavy(size: int) -> np.ndarray:
    """The same where an orbit's edge leaves about half without data."""
    y, x = np.mgrid[:size, :size]
    return np.where(x + 0.3 * y < 0.65 * size, dense(size), 0).astype(np.uint16)


def tiles(rasters: Path) -> Iterator[Tile]:
    """Yield made tiles, then real ones where they are."""
    for size in (1024, 512, 350, 256):
        yield Tile(f"dense 16 bit, {size}", dense(size), 16)
    for size in (1024, 512, 350, 256):
        yield Tile(f"nodata-heavy, {size}", nodata_heavy(size), 16)
    for size in (1024, 256):
        yield Tile(f"flat, {size}", np.full((size, size), 7, np.uint16), 16)
    yield Tile("8 bit, 1024", np.clip(20 + dense(1024) // 16, 0, 255).astype(np.uint8), 8)
    noise = np.random.default_rng(5).normal(0, 900, (1024, 1024))
    deep = (dense(1024).astype(np.float64) * 700 + noise).astype(np.int32)
    yield Tile("24 bit, 1024", deep, 24)
    first = dense(1024)
    second = (first * 0.9 + np.random.default_rng(6).normal(0, 9, first.shape)).astype(np.uint16)
    yield Tile("stereo, 1024", np.stack([first, second]), 16)
    yield from _real_tiles(rasters)


def _real_tiles(rasters: Path) -> Iterator[Tile]:
    try:
        import rasterio
    except ImportError:
        return
    for name, file, size in (
        ("Sentinel-2, real, 512", "sentinel_uint16_549.tif", 512),
        ("Landsat classes, real, 1024", "landsat_uint16_2658.tif", 1024),
        ("DEM, real, 512", "flac_raster_sample_dem.tif", 512),
    ):
        if (rasters / file).exists():
            with rasterio.open(rasters / file) as source:
                pixels = source.read(1)[:size, :size]
            side = min(pixels.shape)
            yield Tile(name, np.ascontiguousarray(pixels[:side, :side]), pixels.dtype.itemsize * 8)


# --- Readers --------------------------------------------------------------------------------------


def readers(tile: Tile) -> dict[str, Reader]:
    """Return every reader that is installed and can read the tile, warmed up and checked."""
    made = {
        OURS: _ours,
        LIBFLAC: _libflac,
        "soundfile": _soundfile,
        "miniaudio": _miniaudio,
        "PyAV": _pyav,
        "COG, ZSTD": lambda tile: _cog(tile, "ZSTD", predictor=2),
        "COG, DEFLATE": lambda tile: _cog(tile, "DEFLATE", predictor=2),
        "COG, LERC_ZSTD": lambda tile: _cog(tile, "LERC_ZSTD", max_z_error=0),
    }
    found = {}
    for name, make in made.items():
        try:
            found[name] = make(tile)
        except ImportError:
            continue
        assert_equal(tile, name, found[name]())
    return found


def assert_equal(tile: Tile, name: str, result: np.ndarray) -> None:
    """Compare with the pixels, whatever scale an audio library gives samples."""
    expected = tile.bands.reshape(len(tile.bands), -1)
    if result.shape == tile.pixels.shape or result.shape == tile.bands.shape:
        assert result.dtype == tile.pixels.dtype
        assert np.array_equal(result.reshape(expected.shape), expected), f"{name}, {tile.name}"
        return
    if result.shape != expected.shape:
        result = result.reshape(-1, len(expected)).T
    samples = expected.astype(np.int64)
    if tile.pixels.dtype.kind == "u":
        samples -= 1 << (tile.bits - 1)
    shift = result.dtype.itemsize * 8 - tile.bits
    assert np.array_equal(result.astype(np.int64), samples << shift), f"{name}, {tile.name}"


def _ours(tile: Tile, out: np.ndarray | None = None) -> Reader:
    return lambda: decode_tile(tile.data, tile.spec, out)


def _libflac(tile: Tile, given: np.ndarray | None = None) -> Reader:
    driver = libflac_driver()
    if driver is None:
        raise ImportError("no libFLAC, or no C compiler")
    unsigned = tile.pixels.dtype.kind == "u"
    offset = 1 << (tile.bits - 1) if unsigned else 0
    item = tile.pixels.dtype.itemsize

    def read() -> np.ndarray:
        out = np.empty(tile.pixels.shape, tile.pixels.dtype) if given is None else given
        fine = driver.decode(tile.data, len(tile.data), out.ctypes.data, tile.total, item, offset)
        assert fine
        return out

    return read


def _soundfile(tile: Tile) -> Reader:
    import soundfile

    dtype = "int16" if tile.bits <= 16 else "int32"
    return lambda: soundfile.read(io.BytesIO(tile.data), dtype=dtype, always_2d=True)[0]


def _miniaudio(tile: Tile) -> Reader:
    import miniaudio

    read = miniaudio.flac_read_s16 if tile.bits <= 16 else miniaudio.flac_read_s32
    dtype = np.int16 if tile.bits <= 16 else np.int32
    return lambda: np.frombuffer(read(tile.data).samples, dtype).reshape(-1, len(tile.bands))


def _pyav(tile: Tile) -> Reader:
    import av

    def read() -> np.ndarray:
        with av.open(io.BytesIO(tile.data)) as container:
            container.streams.audio[0].thread_type = "NONE"
            frames = [frame.to_ndarray() for frame in container.decode(audio=0)]
        return np.concatenate(frames, axis=1).reshape(-1, len(tile.bands))

    return read


def _cog(tile: Tile, compression: str, **options: Any) -> Reader:
    """Read a whole one-tile COG out of memory, opening included: GDAL would remember its pixels."""
    import rasterio
    from rasterio.io import MemoryFile

    count, height, width = tile.bands.shape
    block = -(-max(height, width) // 16) * 16
    with MemoryFile() as memory:
        with memory.open(
            driver="GTiff", width=width, height=height, count=count, dtype=tile.pixels.dtype,
            tiled=True, blockxsize=block, blockysize=block, compress=compression,
            interleave="pixel", transform=rasterio.Affine(10, 0, 0, 0, -10, 0), **options,
        ) as target:  # fmt: skip
            target.write(tile.bands)
        data = memory.read()
    tile.sizes[compression] = len(data)
    kept = MemoryFile(data)

    def read() -> np.ndarray:
        with kept.open() as source:
            return source.read()

    return read


@cache
def libflac_driver() -> Any:
    """Return the compiled driver, loaded with the fastest libFLAC that is here, or None."""
    sys.path.insert(0, str(ROOT / "codecs" / "tests"))
    import oracle

    compiler = next(
        filter(None, map(shutil.which, (os.environ.get("CC", "cc"), "gcc", "clang"))), None
    )
    if compiler is None:
        return None
    tile = Tile("", dense(512), 16)
    best: tuple[float, Any] | None = None
    for at, path in enumerate(oracle.library_paths()):
        # One copy for each libFLAC, as it remembers which one it loaded.
        target = Path(tempfile.mkdtemp()) / f"driver{at}.so"
        command = [
            compiler,
            "-O3",
            "-shared",
            "-fPIC",
            str(HERE / "libflac_driver.c"),
            "-o",
            target,
        ]
        subprocess.run([*command, "-ldl"], check=True)
        driver = ctypes.CDLL(str(target))
        size, pointer = ctypes.c_size_t, ctypes.c_void_p
        driver.decode.argtypes = [
            ctypes.c_char_p, size, pointer, size, ctypes.c_uint, ctypes.c_uint32,
        ]  # fmt: skip
        if not driver.load(os.fsencode(path)):
            continue
        out = np.empty(tile.pixels.shape, np.uint16)
        times = []
        for _ in range(5):
            start = time.thread_time()
            driver.decode(tile.data, len(tile.data), out.ctypes.data, tile.total, 2, 0)
            times.append(time.thread_time() - start)
        if best is None or min(times) < best[0]:
            best = min(times), driver
            driver.name = Path(path).name
    return best and best[1]


# --- Measuring ------------------------------------------------------------------------------------


def medians(found: dict[str, Reader], rounds: int) -> dict[str, float]:
    """Return the median CPU seconds of each reader, taken in turn.

    A turn is some milliseconds long: the first call finds the caches full of what others left.
    """
    repeats = {}
    for name, read in found.items():
        start = time.thread_time()
        read()
        repeats[name] = 1 + int(TURN / max(time.thread_time() - start, 1e-6))
    times: dict[str, list[float]] = {name: [] for name in found}
    for _ in range(rounds):
        for name, read in found.items():
            start = time.thread_time()
            _repeat(read, repeats[name])
            times[name].append((time.thread_time() - start) / repeats[name])
    return {name: statistics.median(taken) for name, taken in times.items()}


def measure(tile: Tile, rounds: int) -> None:
    """Fill in the medians of a tile."""
    found = readers(tile)
    out = np.empty(tile.pixels.shape, tile.pixels.dtype)
    tile.seconds = medians(found, rounds)
    again = {OURS: _ours(tile, out)}
    if LIBFLAC in found:
        again[LIBFLAC] = _libflac(tile, out)
    tile.reused = medians(again, rounds)

    with ThreadPoolExecutor(2) as pool:
        for name, read in found.items():
            tile.speedup[name] = two_threads(pool, read, tile.seconds[name], rounds)


def two_threads(pool: ThreadPoolExecutor, read: Reader, seconds: float, rounds: int) -> float:
    """Return how many times as fast two threads do the same work, by the clock.

    The two are timed in turn, and the best of each is taken: whatever else the machine does can
    only make a run slower, and two threads suffer from it twice.
    """
    work = 2 * max(2, int(SHORTEST / seconds / 2))  # long enough for the scheduler, and even
    alone, together = [], []
    for _ in range(max(5, rounds)):
        start = time.perf_counter()
        _repeat(read, work)
        alone.append(time.perf_counter() - start)
        start = time.perf_counter()
        list(pool.map(_repeat, [read] * 2, [work // 2] * 2))
        together.append(time.perf_counter() - start)
    return min(alone) / min(together)


def _repeat(read: Reader, times: int) -> None:
    for _ in range(times):
        read()


def table(measured: list[Tile]) -> str:
    """Million pixels a second of every reader, the ratio to libFLAC, two threads over one."""
    names = list(dict.fromkeys(name for tile in measured for name in tile.seconds))
    lines = [" " * 28 + "".join(f"{name:>16}" for name in names)]
    for tile in measured:
        pixels = tile.pixels.size / 1e6
        base = tile.seconds.get(LIBFLAC)
        cells = []
        for name in names:
            taken = tile.seconds[name]
            ratio = f" ({base / taken:.1f})" if base else ""
            cells.append(f"{pixels / taken:.0f}{ratio}")
        lines.append(f"{tile.name:<28}" + "".join(f"{cell:>16}" for cell in cells))
        again = [f"{pixels / taken:.0f}" for taken in tile.reused.values()]
        if base:
            again[0] += f" ({tile.reused[LIBFLAC] / tile.reused[OURS]:.1f})"
        lines.append(f"{'  into an array given':<28}" + "".join(f"{cell:>16}" for cell in again))
        threads = "".join(f"{f'x {tile.speedup[name]:.2f}':>16}" for name in names)
        lines.append(f"{'  two threads':<28}" + threads)
        sizes = ", ".join(f"{kind} {size / 1024:.0f}" for kind, size in tile.sizes.items())
        lines.append(f"  KiB: {sizes}")
    return "\n".join(lines)


def head() -> str:
    """Say what was compared, and where."""
    driver = libflac_driver()
    which = f"{LIBFLAC}: {driver.name}, by its C API" if driver else f"{LIBFLAC}: not here"
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return (
        f"{platform.machine()}, {cores} cores, Python {platform.python_version()}; load "
        f"{os.getloadavg()[0]:.1f} when it began\n{which}\n"
        "Million pixels a second, one thread, into a new array (ratio to libFLAC)."
    )


# --- Picture --------------------------------------------------------------------------------------

COLOURS = {
    OURS: "#c8452f",
    LIBFLAC: "#33475b",
    "soundfile": "#7f93a6",
    "miniaudio": "#a3b3c1",
    "PyAV": "#c8d2da",
    "COG, ZSTD": "#3f7d5b",
    "COG, DEFLATE": "#85b096",
    "COG, LERC_ZSTD": "#bcd6c5",
}


def picture(measured: list[Tile], path: Path) -> None:
    """Draw a small chart for each tile: million pixels a second of every reader."""
    import matplotlib as mpl
    from matplotlib.figure import Figure

    columns = 4
    rows = -(-len(measured) // columns)
    with mpl.rc_context({"font.size": 9, "axes.titlesize": 10}):
        figure = Figure(figsize=(14, 2.35 * rows + 0.7), layout="constrained")
        axes = figure.subplots(rows, columns, squeeze=False)
        for at, axis in enumerate(axes.flat):
            if at >= len(measured):
                axis.set_axis_off()
                continue
            tile = measured[at]
            names = list(tile.seconds)
            speeds = [tile.pixels.size / 1e6 / tile.seconds[name] for name in names]
            bars = axis.barh(names, speeds, color=[COLOURS[name] for name in names], height=0.78)
            base = tile.seconds.get(LIBFLAC)
            labels = [
                f"{speed:,.0f}" + (f"  (x {base / tile.seconds[name]:.1f})" if base else "")
                for name, speed in zip(names, speeds, strict=True)
            ]
            axis.bar_label(bars, labels, padding=3, fontsize=8)
            axis.set_title(tile.name, loc="left", fontweight="bold")
            axis.set_xlim(0, max(speeds) * 1.42)
            axis.invert_yaxis()
            axis.spines[["top", "right", "left", "bottom"]].set_visible(False)
            axis.tick_params(left=False, bottom=False, labelbottom=False)
            axis.set_yticks(range(len(names)), names if at % columns == 0 else [""] * len(names))
        figure.suptitle(
            "Decoding one tile on one thread: million pixels a second (times libFLAC)",
            x=0.01, ha="left", fontsize=13, fontweight="bold",
        )  # fmt: skip
        figure.savefig(path, dpi=110)


def run(output: Path, rounds: int, rasters: Path = SHARED) -> None:
    """Measure all tiles, print the table, draw the picture."""
    print("\n" + head(), flush=True)
    measured = []
    for tile in tiles(rasters):
        measure(tile, rounds)
        measured.append(tile)
        print(".", end="", flush=True)
    text = table(measured)
    print(f"\n{text}")
    output.mkdir(parents=True, exist_ok=True)
    (output / "codec.txt").write_text(f"{head()}\n{text}\n")
    picture(measured, output / "codec.png")
    print(f"Picture: {output / 'codec.png'}")


def test_codec() -> None:
    """Every reader gives the same pixels; how fast is printed, not asserted."""
    run(OUTPUT, rounds=int(os.environ.get("BENCH_ROUNDS", "5")))


def main() -> None:
    """Run as a script."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--output", type=Path, default=OUTPUT, help="folder for table and picture")
    parser.add_argument("--rounds", type=int, default=ROUNDS, help="of which the median is shown")
    parser.add_argument("--rasters", type=Path, default=SHARED, help="folder of real ones, if any")
    arguments = parser.parse_args()
    run(arguments.output, arguments.rounds, arguments.rasters)


if __name__ == "__main__":
    main()
