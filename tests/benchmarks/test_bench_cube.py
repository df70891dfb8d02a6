"""A cube of 24 rasters over HTTP: FLAC by references and as files, against COGs and their readers.

One window through time and a mean over all pixels, near and with latency: requests and bytes from
the server's log, time and its ratio. Prints a table and draws it.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import cube_readers
import harness
import numpy as np
import numpy.typing as npt
import rasterio
import rasterio.shutil

import virtual_flac

SIZE = 2196
COUNT = 24
TILE = 512
LATENCY = 30.0
WINDOW = (slice(620, 876), slice(1100, 1356))
"""256 x 256 pixels inside one tile."""
ROUNDS = {"window": 5, "mean": 3}
BASE = "COG, async-geotiff"
PICTURE = Path(__file__).parents[2] / "build" / "bench_cube.png"

type Pixels = npt.NDArray[Any]


def test_cube() -> None:
    import servers

    with TemporaryDirectory() as scratch, ExitStack() as stack:
        files = Path(scratch) / "files"
        files.mkdir()
        pixels = np.stack(list(scenes()))
        names, times = make(files, pixels)
        print_sizes(files)
        server = stack.enter_context(servers.serve(files))
        far = stack.enter_context(harness.distant(server.url, LATENCY))
        wanted = {"window": pixels[:, *WINDOW], "mean": pixels.mean(axis=0)}
        rows: list[dict[str, Any]] = []
        for link, url in (("loopback", server.url), (f"{LATENCY:.0f} ms", far)):
            references = Path(scratch) / f"references {link}"
            references.mkdir()
            cube = cube_readers.Cube(url, names, times, (SIZE, SIZE), TILE, references)
            found = cube_readers.readers(cube)
            for job in ("window", "mean"):
                rows += measure(link, job, found, wanted[job], server)
    harness.print_table(
        f"{COUNT} rasters of {SIZE} x {SIZE} uint16, tiles of {TILE}, {server.name}; "
        "opened and read, cold; references on the local disk",
        ["link", "job", "reader", "requests", "bytes", "ms", f"to {BASE}"],
        [
            [
                row["link"], row["job"], row["reader"], row["requests"], f"{row['bytes']:,}",
                f"{1000 * row['seconds']:.0f}", f"{row['ratio']:.2f}",
            ]
            for row in rows
        ],
    )  # fmt: skip
    draw(rows)
    check_budget(rows)


def scenes() -> Iterator[Pixels]:
    """Real pixels where they are at hand, else made ones; no part of a raster twice."""
    path = harness.SHARED / "sentinel_uint16_549.tif"
    if not path.exists():
        print("\nskipped: no shared data; made rasters only")
        yield from (harness.sentinel_like(SIZE, seed) for seed in range(COUNT))
        return
    with rasterio.open(path) as source:
        real = source.read(1)
    rng = np.random.default_rng(1)
    side = -(-SIZE // min(real.shape))
    for _ in range(COUNT):
        # Each piece turned and darkened in its own way: repeated as they are, some codecs would
        # find the repetition.
        pieces = [[_varied(real, rng) for _ in range(side)] for _ in range(side)]
        yield np.ascontiguousarray(np.block(pieces)[:SIZE, :SIZE])


def _varied(real: Pixels, rng: np.random.Generator) -> Pixels:
    turned = np.rot90(real, rng.integers(4))
    if rng.random() < 0.5:
        turned = turned.T
    return np.rint(turned * rng.uniform(0.6, 1.0)).astype(real.dtype)


def make(folder: Path, pixels: Pixels) -> tuple[tuple[str, ...], tuple[datetime, ...]]:
    times = tuple(datetime(2026, 1, 3) + timedelta(15 * number) for number in range(len(pixels)))
    names = tuple(f"scene_{moment:%Y%m%d}" for moment in times)
    for name, values in zip(names, pixels, strict=True):
        source = folder.parent / f"{name}.tif"
        harness.write_tif(source, values)
        virtual_flac.write_flac(source, folder / f"{name}.flac", tile_size=TILE)
        rasterio.shutil.copy(
            str(source), str(folder / f"{name}.tif"), driver="COG", COMPRESS="ZSTD",
            PREDICTOR="YES", BLOCKSIZE=TILE, OVERVIEWS="NONE",
        )  # fmt: skip
        source.unlink()
    return names, times


def print_sizes(folder: Path) -> None:
    for ending in ("flac", "tif"):
        size = sum(path.stat().st_size for path in folder.glob(f"*.{ending}"))
        print(f"{ending}: {size:,} bytes, {8 * size / (COUNT * SIZE**2):.2f} bits a pixel")


def measure(
    link: str, job: str, found: dict[str, Any], wanted: Pixels, server: Any
) -> list[dict[str, Any]]:
    asked, cases = {}, {}
    for name, reader in found.items():
        read = partial(reader.window, WINDOW) if job == "window" else reader.mean
        cases[name] = read
        if job == "window":
            read()  # imports, plugins, threads
        server.reset()
        np.testing.assert_array_equal(read(), wanted, err_msg=f"{name}, {job}, {link}")
        log = server.log()
        asked[name] = (len(log), sum(request.bytes_sent for request in log))
    taken = harness.medians(cases, ROUNDS[job])
    base = taken.get(BASE, taken["COG, rioxarray"])
    return [
        {
            "link": link, "job": job, "reader": name, "requests": asked[name][0],
            "bytes": asked[name][1], "seconds": taken[name], "ratio": taken[name] / base,
        }
        for name in found
    ]  # fmt: skip


def check_budget(rows: list[dict[str, Any]]) -> None:
    """A window through time costs its tiles, none for headers, and fewer bytes than COGs."""
    windows = [row for row in rows if row["job"] == "window"]
    for row in windows:
        if row["reader"] == "FLAC, kerchunk":
            assert row["requests"] == COUNT
            others = [other for other in windows if other["link"] == row["link"]]
            assert row["bytes"] <= min(other["bytes"] for other in others)


def draw(rows: list[dict[str, Any]]) -> None:
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(13, 8), layout="constrained")
    FigureCanvasAgg(figure)
    panels = figure.subplots(2, 3)
    for line, job in zip(panels, ("window", "mean"), strict=True):
        titles = {"requests": "requests", "bytes": "MB", "seconds": "seconds"}
        for axes, (key, title) in zip(line, titles.items(), strict=True):
            _draw_bars(axes, [row for row in rows if row["job"] == job], key)
            axes.set_title(f"{job}: {title}", loc="left")
            if axes is not line[0]:
                axes.set_yticklabels([])
    PICTURE.parent.mkdir(exist_ok=True)
    figure.savefig(PICTURE, dpi=110)
    print(f"drawn: {PICTURE.relative_to(Path(__file__).parents[2])}")


def _draw_bars(axes: Any, rows: list[dict[str, Any]], key: str) -> None:
    links = list(dict.fromkeys(row["link"] for row in rows))
    names = list(dict.fromkeys(row["reader"] for row in rows))
    scale = 1e-6 if key == "bytes" else 1
    thickness = 0.8 / len(links)
    for number, link in enumerate(links):
        values = [scale * row[key] for row in rows if row["link"] == link]
        places = np.arange(len(names)) + (number - (len(links) - 1) / 2) * thickness
        colour = ("#8fb4d6", "#2f6fa8")[number % 2]
        bars = axes.barh(places, values, thickness, color=colour, label=link)
        axes.bar_label(bars, fmt="%.3g", padding=2, fontsize=7)
    axes.set_yticks(np.arange(len(names)), names)
    axes.invert_yaxis()
    axes.margins(x=0.15)
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(frameon=False, fontsize=8)


if __name__ == "__main__":
    import sys

    sys.path.insert(0, str(Path(__file__).parents[1]))
    test_cube()
