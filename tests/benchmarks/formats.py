"""Sizes of lossless formats, and how fast their codecs are: the tables of README.md and docs.

Sizes are those of whole files as each library writes them: virtual-flac by default; the smallest
GeoTIFF of DEFLATE, ZSTD, LZW (with every predictor) and LERC_ZSTD, interleaved either way, which
GDAL's COG driver writes some hundred bytes larger; Zarr with zstd as it comes, and with Blosc
(zstd, level 5, bytes shuffled). JPEG-LS and JPEG XL (effort 3) have no files of tiles: theirs are
those of all tiles together.

Speeds are those of the codecs alone: all tiles of the raster from memory to memory on one thread,
CPU time of this thread, all formats in turns, the best turn of each. What an encoder wrote is not
checked in that time. The codec of the GeoTIFF is called through imagecodecs.

Everything is decoded and compared with the pixels, bit for bit, before it is counted. A dash: this
codec cannot hold the dtype.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import sys
import tempfile
import time
import warnings
from collections.abc import Callable, Iterator
from datetime import date
from pathlib import Path
from typing import Any

import harness
import numpy as np
import rasterio
from format_stores import FORMATS, Coder, Pixels

from virtual_flac.demo import make_dem, make_sunlight

EXAMPLE = """example:
  python tests/benchmarks/formats.py scene.tif dem.tif
  python tests/benchmarks/formats.py --tile-size 64 --json | jq '.rasters[].formats'
"""
TURN = 0.02
"""Seconds that a turn takes at least: the first call finds the caches full of what others left."""

REAL = {
    "Sentinel-2": "sentinel_uint16_549.tif",
    "Landsat, half of it one value": "landsat_uint16_2658.tif",
    "elevation": "flac_raster_sample_dem.tif",
    "scaled product": "scaled_int16_epsg4326.tif",
    "colour picture, a third of it empty": "rgb_uint8_nodata0.tif",
}


# --- Rasters --------------------------------------------------------------------------------------


def rasters(names: list[str]) -> Iterator[tuple[str, Pixels]]:
    """Those named, or real ones where they are and then those that everybody has."""
    for name in names:
        yield Path(name).stem, read(name)
    if names:
        return
    for name, file in REAL.items():
        if (harness.SHARED / file).exists():
            yield name, read(harness.SHARED / file)
    with tempfile.TemporaryDirectory() as folder:
        dem, sunlight = Path(folder) / "dem.tif", Path(folder) / "sunlight.tif"
        make_dem(dem)
        make_sunlight(dem, sunlight, date(2026, 3, 20))
        elevation = read(dem)
        yield "elevation (the demo's)", elevation
        yield "its sunlight", read(sunlight)
    south, east = np.gradient(elevation[0].astype("float32"))
    yield "its slope", np.hypot(south, east)[None]
    yield "its zones, 8 classes", np.digitize(elevation, np.arange(250, 950, 100)).astype("uint8")
    noise = np.random.default_rng(5).integers(0, 1 << 16, (1, 512, 512), "uint16")
    yield "white noise", noise


def read(path: str | Path) -> Pixels:
    """All bands."""
    with rasterio.open(path) as source:
        return np.asarray(source.read())


# --- Measuring ------------------------------------------------------------------------------------


def measure(pixels: Pixels, tile: int, rounds: int) -> dict[str, dict[str, Any] | None]:
    """Size and speed of each format, in percent and million pixels of a band a second."""
    stored = {name: store(pixels, tile) for name, store in FORMATS.items()}
    work = {
        (name, what): run
        for name, one in stored.items()
        if one and one.coder
        for what, run in calls(one.coder).items()
    }
    seconds = fastest(work, rounds)
    found: dict[str, dict[str, Any] | None] = dict.fromkeys(stored)
    for name, one in stored.items():
        if one:
            speeds = {
                what: pixels.size / seconds[name, what] / 1e6 if (name, what) in seconds else None
                for what in ("decode", "encode")
            }
            size = {"bytes": one.bytes, "percent": 100 * one.bytes / pixels.nbytes}
            tiles = sum(map(len, one.coder.checked())) if one.coder else None
            found[name] = size | {"codec_bytes": tiles, "detail": one.detail} | speeds
    return found


def calls(coder: Coder) -> dict[str, Callable[[], None]]:
    """Encoding and decoding all tiles."""
    encoded = coder.checked()

    def encode() -> None:
        for tile in coder.tiles:
            coder.encode(tile)

    def decode() -> None:
        for data, tile in zip(encoded, coder.tiles, strict=True):
            coder.decode(data, tile)

    return {"decode": decode, "encode": encode}


def fastest(work: dict[tuple[str, str], Callable[[], None]], rounds: int) -> Any:
    """Least CPU seconds of a call, all of them in turns."""
    repeats = {}
    for key, run in work.items():
        start = time.thread_time()
        run()
        repeats[key] = 1 + int(TURN / max(time.thread_time() - start, 1e-6))
    least = dict.fromkeys(work, float("inf"))
    for _ in range(rounds):
        for key, run in work.items():
            start = time.thread_time()
            for _ in range(repeats[key]):
                run()
            least[key] = min(least[key], (time.thread_time() - start) / repeats[key])
    return least


# --- Tables ---------------------------------------------------------------------------------------


def tables(report: dict[str, Any]) -> str:
    """Three tables of Markdown."""
    titles = {
        "percent": f"Size in percent of the pixels, tiles of {report['tile_size']}",
        "decode": "Decoding, million pixels a second",
        "encode": "Encoding, million pixels a second",
    }
    lines = []
    for key, title in titles.items():
        lines += [
            title,
            "",
            f"| raster | {' | '.join(FORMATS)} |",
            "| --- " * (1 + len(FORMATS)) + "|",
        ]
        for raster in report["rasters"]:
            cells = [cell(raster["formats"][name], key) for name in FORMATS]
            lines.append(f"| {title_of(raster)} | {' | '.join(cells)} |")
        lines.append("")
    return "\n".join(lines)


def title_of(raster: dict[str, Any]) -> str:
    """Name, dtype and size."""
    bands, height, width = raster["shape"]
    times = f"{bands} x " if bands > 1 else ""
    return f"{raster['name']}, `{raster['dtype']}`, {times}{width} x {height}"


def cell(found: dict[str, Any] | None, key: str) -> str:
    """A number, and which compression it was."""
    value = found and found[key]
    if found is None or value is None:
        return "-"
    if key == "percent":
        number = f"{value:.1f}" if value >= 10 else f"{value:.2f}"
    else:
        number = f"{value:.0f}" if value >= 100 else f"{value:.3g}"
    compress = found["detail"].split() if found["detail"].isupper() else []
    return " ".join([number, *compress[:1]])


def main() -> None:
    """Run as a script."""
    parser = argparse.ArgumentParser(
        description=__doc__, epilog=EXAMPLE, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "rasters", nargs="*", metavar="RASTER",
        help="what rasterio opens; by default the demo's rasters and what is made of them",
    )  # fmt: skip
    parser.add_argument("--tile-size", type=int, default=512, help="a multiple of 16 (512)")
    parser.add_argument("--rounds", type=int, default=7, help="turns, the best of which counts (7)")
    parser.add_argument("--json", action="store_true", help="all figures, for scripts")
    arguments = parser.parse_args()
    if arguments.tile_size < 16 or arguments.tile_size % 16:
        parser.error(f"--tile-size {arguments.tile_size}: GeoTIFF has multiples of 16 only")
    report: dict[str, Any] = {
        "machine": platform.machine(),
        "cores": os.cpu_count(),
        "tile_size": arguments.tile_size,
        "rasters": [],
    }
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for name, pixels in rasters(arguments.rasters):
            print(f"{name} ...", file=sys.stderr)
            formats = measure(pixels, arguments.tile_size, arguments.rounds)
            facts = {"name": name, "dtype": pixels.dtype.name, "shape": pixels.shape}
            report["rasters"].append(facts | {"formats": formats})
    print(json.dumps(report, indent=1) if arguments.json else tables(report))


if __name__ == "__main__":
    main()
