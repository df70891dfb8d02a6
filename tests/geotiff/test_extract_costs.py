"""`extract`: what a server is asked, memory, progress, and what is refused or left behind."""

from __future__ import annotations

import subprocess
import sys
import textwrap
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio
from extracts import TILE, check
from rasterio.windows import Window as RasterioWindow
from rasters import NORTH_UP
from servers import url_of

import virtual_flac
from virtual_flac.errors import (
    CorruptFlacError,
    FlacError,
    SelectionError,
    SourceNotFoundError,
    TargetExistsError,
)
from virtual_flac.reading.header import PREFIX_BYTES


def test_a_box_over_nine_tiles_costs_three_requests(
    scene: tuple[Path, Path], range_server: Any, tmp_path: Path
):
    source, folder = scene
    server = range_server(folder)
    col, row, width, height = 2 * TILE + 3, TILE + 7, 2 * TILE + 20, 2 * TILE + 11
    left, top = NORTH_UP @ (col, row)
    right, bottom = NORTH_UP @ (col + width, row + height)
    found = virtual_flac.extract(
        url_of(server, "band.flac"), tmp_path / "nine.tif",
        bbox=(left, bottom, right, top), bands=[2],
    )  # fmt: skip
    check(tmp_path / "nine.tif", source, (col, row, width, height), [2])
    assert found.window == (col, row, width, height)
    opening, *tiles = server.log()
    assert opening.range == (0, PREFIX_BYTES)
    assert len(tiles) <= 3
    level = virtual_flac.read_index(folder / "band.flac").levels[0]
    wanted = int(level.lengths[1, 1:4, 2:5].sum())
    assert level.lengths[1, 1:4, 2:5].size == 9
    assert wanted <= sum(request.bytes_sent for request in tiles) <= 1.02 * wanted
    with rasterio.open(tmp_path / "nine.tif") as dataset:
        assert dataset.tags(ns="IMAGE_STRUCTURE")["LAYOUT"] == "COG"


@pytest.mark.parametrize("interleave", ["band", "tile", "pixel"])
@pytest.mark.parametrize("bands", [[3, 1], [2], None])
def test_bands_and_overviews_cost_their_tiles_alone(
    scene: tuple[Path, Path], range_server: Any, tmp_path: Path, interleave: str, bands: Any
):
    source, folder = scene
    server = range_server(folder)
    path = folder / f"{interleave}.flac"
    window = (70, 130, 200, 77)
    virtual_flac.extract(url_of(server, path), tmp_path / "a.tif", window=window, bands=bands)
    check(tmp_path / "a.tif", source, window, bands)
    tiles = virtual_flac.query(path, window=window, bands=bands)
    assert sum(request.bytes_sent for request in server.log()[1:]) == tiles.tile_bytes
    assert len(server.log()) == 1 + len(tiles.ranges)
    server.reset()
    virtual_flac.extract(
        url_of(server, path), tmp_path / "b.tif", window=window, bands=bands, level=1
    )
    reduced = virtual_flac.query(path, window=window, bands=bands, level=1)
    assert sum(request.bytes_sent for request in server.log()[1:]) == reduced.tile_bytes
    # The overview as write_geotiff gives it, which test_geotiff compares with GDAL.
    virtual_flac.write_geotiff(path, tmp_path / "level.tif", level=1)
    check(tmp_path / "b.tif", tmp_path / "level.tif", reduced.window, bands)


def test_a_large_extract_needs_little_memory(tmp_path: Path):
    size = 6000
    with rasterio.open(
        tmp_path / "a.tif", "w", driver="GTiff", dtype="uint16", count=2, height=size, width=size,
        tiled=True, crs="EPSG:32633", transform=NORTH_UP, sparse_ok=True,
    ) as target:  # fmt: skip
        target.write(np.ones((2, 256, 256), np.uint16), window=RasterioWindow(0, 0, 256, 256))
    virtual_flac.write_flac(tmp_path / "a.tif", tmp_path / "a.flac", compression=0)
    code = """
        import resource, sys, threading
        import rasterio.shutil, virtual_flac
        from virtual_flac.geotiff import extract, formats
        peak = lambda: resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        virtual_flac.extract(sys.argv[1], sys.argv[2], window=(0, 0, 8, 8))
        before = peak()
        virtual_flac.extract(sys.argv[1], sys.argv[3], window=(5, 5, 5990, 5990), workers=2)
        print(peak() - before)
    """
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code), *(str(tmp_path / n) for n in
         ("a.flac", "small.tif", "large.tif"))],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    # 144 MB of pixels.
    assert int(done.stdout) < 120_000


def test_progress_counts_pixels(scene: tuple[Path, Path], tmp_path: Path):
    _, folder = scene
    calls: list[tuple[int, int]] = []
    virtual_flac.extract(
        folder / "band.flac", tmp_path / "a.tif", tile_id=0,
        progress=lambda done, total: calls.append((done, total)),
    )  # fmt: skip
    assert calls[-1] == (3 * TILE * TILE, 3 * TILE * TILE)


def test_nothing_is_left_of_what_fails(scene: tuple[Path, Path], tmp_path: Path):
    _, folder = scene
    index = virtual_flac.read_index(folder / "band.flac")
    data = bytearray((folder / "band.flac").read_bytes())
    level = index.levels[0]
    data[int(level.offsets[1, 3, 4]) + int(level.lengths[1, 3, 4]) // 2] ^= 4
    (tmp_path / "broken.flac").write_bytes(data)
    with pytest.raises(CorruptFlacError, match=r"broken\.flac.*\(3, 4\)"):
        virtual_flac.extract(tmp_path / "broken.flac", tmp_path / "cut.tif", tile=(3, 4))
    assert [path.name for path in tmp_path.iterdir()] == ["broken.flac"]
    # Other tiles are not touched by it.
    virtual_flac.extract(tmp_path / "broken.flac", tmp_path / "cut.tif", tile=(3, 3))
    before = (tmp_path / "cut.tif").read_bytes()
    with pytest.raises(TargetExistsError):
        virtual_flac.extract(tmp_path / "broken.flac", tmp_path / "cut.tif", tile=(0, 0))
    with pytest.raises(CorruptFlacError):
        virtual_flac.extract(
            tmp_path / "broken.flac", tmp_path / "cut.tif", tile=(3, 4), overwrite=True
        )
    assert (tmp_path / "cut.tif").read_bytes() == before


@pytest.mark.parametrize(
    ("target", "arguments", "kind", "words"),
    [
        ("a.jpg", {}, SelectionError, r"must end in one of \.tif"),
        ("a.tif", {"compress": "jpeg"}, SelectionError, "expected one of none, deflate"),
        ("a.tif", {"level": 3}, SelectionError, "no overview 3"),
        ("a.tif", {"bands": [4]}, SelectionError, "no band 4"),
        ("a.tif", {"bbox": (0, 0, 1, 1)}, SelectionError, "outside the raster"),
        ("a.tif", {"tile_id": 64}, SelectionError, "tiles are 0 to 63"),
        ("a.tif", {"tile_id": 1, "center": True}, SelectionError, "tile_id and center"),
        ("none/a.tif", {}, FileNotFoundError, "no such folder"),
    ],
)
def test_what_cannot_be_is_refused(
    scene: tuple[Path, Path], tmp_path: Path, target: str, arguments: Any, kind: Any, words: str
):
    _, folder = scene
    with pytest.raises(kind, match=words):
        virtual_flac.extract(folder / "band.flac", tmp_path / target, **arguments)
    assert not list(tmp_path.iterdir())


def test_absent_and_foreign_files_are_told_apart(tmp_path: Path):
    (tmp_path / "text.txt").write_text("no raster")
    for name in ("absent.flac", "absent.tif"):
        with pytest.raises(SourceNotFoundError):
            virtual_flac.extract(tmp_path / name, tmp_path / "out.tif")
    with pytest.raises(FlacError, match=r"text\.txt"):
        virtual_flac.extract(tmp_path / "text.txt", tmp_path / "out.tif")
