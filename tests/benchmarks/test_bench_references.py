"""Building references for 10 to 10,000 files over loopback: time, requests, bytes, memory, sizes.

Every number of files is measured in a process of its own, so that its peak of memory is its own.
All URLs are names of a hundred files of 16 tiles, whose tables differ: where all offsets repeat,
parquet has nearly nothing to hold.
"""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
import time
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import harness
import numpy as np

COUNTS = (10, 100, 1_000, 10_000)
SIZE = 512
TILE = 128
TILES = (SIZE // TILE) ** 2
KINDS_OF_FILES = 100
#: Offset, length and path of a tile: two numbers and an entry of the table of texts.
TABLE_BYTES = 16 * TILES + 16


def test_growth() -> None:
    import servers

    import virtual_flac

    with TemporaryDirectory() as scratch:
        folder = Path(scratch)
        (folder / "few").mkdir()
        for number in range(KINDS_OF_FILES):
            data = harness.sentinel_like(SIZE, seed=number)
            harness.write_tif(folder / "a.tif", data, tiled=True)
            virtual_flac.write_flac(
                folder / "a.tif", folder / "few" / f"{number}.flac", tile_size=TILE
            )
        (folder / "many").mkdir()
        for number in range(max(COUNTS)):
            source = folder / "few" / f"{number % KINDS_OF_FILES}.flac"
            os.link(source, folder / "many" / f"{number:06}.flac")
        rows, peaks = [], {}
        with servers.serve(folder) as server:
            for count in COUNTS:
                server.reset()
                found = measure(server.url, count, folder)
                log = [request for request in server.log() if request.path.startswith("/many/")]
                assert len(log) == count
                peaks[count] = found["peak"]
                sent = sum(request.bytes_sent for request in log) / count
                rows.append([
                    f"{count:,}", f"{count / found['stack']:.0f}",
                    f"{len(log) / count:.0f}", f"{sent / 1000:.1f}",
                    *(f"{found[f'{kind} s']:.2f}" for kind in KINDS),
                    *(f"{found[f'{kind} bytes'] / count:.0f}" for kind in KINDS),
                ])  # fmt: skip
    harness.print_table(
        f"references to files of {TILES} tiles, {server.name}, loopback",
        ["files", "files/s", "GETs", "kB read", *(f"{kind} s" for kind in KINDS),
         *(f"{kind} B/file" for kind in KINDS)],
        rows,
    )  # fmt: skip
    few, many = COUNTS[-2:]
    growth = (peaks[many] - peaks[few]) / (many - few)
    print(
        f"peak of memory while stacking grows by {growth:.0f} bytes a file, of which "
        f"{TABLE_BYTES} are the table of chunks"
    )


KINDS = ("json", "parquet", "icechunk")


def measure(url: str, count: int, folder: Path) -> dict[str, Any]:
    done = subprocess.run(
        [sys.executable, __file__, url, str(count), str(folder)],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


def run(url: str, count: int, folder: Path) -> None:
    """Stack and write in this process; print what it took as JSON."""
    import virtual_flac

    urls = [f"{url}/many/{number:06}.flac" for number in range(count)]
    times = np.datetime64("2000-01-01", "ns") + np.arange(count) * np.timedelta64(1, "D")
    # Modules that are imported on the way count for no file.
    virtual_flac.stack([f"file://{folder}/few/0.flac"], values=times[:1])
    start = time.perf_counter()
    cube = virtual_flac.stack(urls, values=times)
    found: dict[str, Any] = {"stack": time.perf_counter() - start}
    found["peak"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    for kind in KINDS:
        target = folder / f"{count}.{kind}"
        start = time.perf_counter()
        if kind == "icechunk":
            virtual_flac.write_icechunk(cube, target)
        else:
            virtual_flac.write_kerchunk(cube, target)
        found[f"{kind} s"] = time.perf_counter() - start
        files = target.rglob("*") if target.is_dir() else [target]
        found[f"{kind} bytes"] = sum(file.stat().st_size for file in files if file.is_file())
    print(json.dumps(found))


if __name__ == "__main__":
    run(sys.argv[1], int(sys.argv[2]), Path(sys.argv[3]))
