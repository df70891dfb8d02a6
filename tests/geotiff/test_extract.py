"""`extract`: rasterio's windows of the source, its metadata, and what a server was asked."""

from __future__ import annotations

import subprocess
import sys
import textwrap
import warnings
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio
from rasterio.warp import transform_bounds
from rasterio.windows import Window as RasterioWindow
from rasters import CASES, NORTH_UP, make
from servers import url_of

import virtual_flac
from virtual_flac.errors import (
    CorruptFlacError,
    FlacError,
    SelectionError,
    SourceNotFoundError,
    TargetExistsError,
)
from virtual_flac.gdal.describe import describe
from virtual_flac.model.grid import TileGrid
from virtual_flac.reading.header import PREFIX_BYTES

TILE = 64


def opened(path: Path, **options: Any) -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return rasterio.open(path, **options)


def check(
    result: Path, source: Path, window: Any, bands: list[int] | None = None, **options: Any
) -> None:
    """Pixels, place and metadata are those of rasterio's window of the source."""
    with opened(source, **options) as theirs, opened(result) as ours:
        place = RasterioWindow(*window)
        chosen = bands or list(theirs.indexes)
        np.testing.assert_array_equal(ours.read(), theirs.read(chosen, window=place))
        assert ours.crs == theirs.crs
        if not theirs.gcps[0]:
            expected = theirs.window_transform(place)
            np.testing.assert_allclose(ours.transform, expected, rtol=1e-14, atol=1e-9)
        found, wanted = describe(ours), describe(theirs, bands=chosen)
        assert (found.dtype, found.tags) == (wanted.dtype, wanted.tags)
        assert repr(found.nodata) == repr(wanted.nodata)
        for band, expected_band in zip(found.bands, wanted.bands, strict=True):
            # The first band of a TIFF always says what its colour is, others cannot be gray.
            if expected_band.color_interpretation in ("undefined", "gray"):
                color = expected_band.color_interpretation
                assert band.color_interpretation in ("undefined", "gray")
                band = replace(band, color_interpretation=color)
            assert band == expected_band


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """Eight by eight tiles in three bands, and their GeoTIFF."""
    folder = tmp_path_factory.mktemp("scene")
    size = 8 * TILE - 10
    data = np.random.default_rng(3).integers(0, 4000, (3, size, size), dtype=np.uint16)
    with rasterio.open(
        folder / "scene.tif", "w", driver="GTiff", dtype="uint16", count=3, height=size,
        width=size, crs="EPSG:32633", transform=NORTH_UP, nodata=0,
    ) as target:  # fmt: skip
        target.write(data)
        target.descriptions = ("red", "green", "blue")
    for interleave in ("band", "tile", "pixel"):
        virtual_flac.write_flac(
            folder / "scene.tif",
            folder / f"{interleave}.flac",
            tile_size=TILE,
            interleave=interleave,
            overviews=[2, 4],
        )
    return folder / "scene.tif", folder


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


def test_colours_follow_their_bands(tmp_path: Path):
    source = make("uint8_rgba", tmp_path)
    virtual_flac.write_flac(source, tmp_path / "a.flac", tile_size=16)
    for bands in ([3, 2, 1], [1, 2, 3], [4, 1]):
        virtual_flac.extract(tmp_path / "a.flac", tmp_path / "cut.tif", bands=bands, overwrite=True)
        check(tmp_path / "cut.tif", source, (0, 0, 60, 50), bands)


@pytest.mark.parametrize("name", CASES)
def test_every_kind_of_raster_keeps_its_metadata(name: str, tmp_path: Path):
    source = make(name, tmp_path)
    virtual_flac.write_flac(source, tmp_path / "a.flac", tile_size=16)
    with opened(source) as dataset:
        height, width = dataset.shape
    window = (width // 5, height // 4, max(width // 2, 1), max(height // 2, 1))
    virtual_flac.extract(tmp_path / "a.flac", tmp_path / "cut.tif", window=window)
    check(tmp_path / "cut.tif", source, window)
    assert sorted(path.suffix for path in tmp_path.iterdir()) == [".flac", ".tif", ".tif"]


@pytest.mark.parametrize("name", ["uint16_six_bands", "float64", "palette", "gcps", "int64"])
def test_from_geotiff_and_to_flac(name: str, tmp_path: Path):
    source = make(name, tmp_path)
    window = (3, 5, 15, 11)
    virtual_flac.extract(source, tmp_path / "cut.flac", window=window)
    virtual_flac.write_geotiff(tmp_path / "cut.flac", tmp_path / "back.tif")
    check(tmp_path / "back.tif", source, window)
    virtual_flac.extract(source, tmp_path / "cut.tif", window=window)
    check(tmp_path / "cut.tif", source, window)
    with opened(source) as dataset:
        tall, wide = dataset.block_shapes[0]
        grid = TileGrid(*dataset.shape, tall, wide)
    virtual_flac.extract(source, tmp_path / "tile.tif", last=True)
    check(tmp_path / "tile.tif", source, grid.window(grid.rows - 1, grid.cols - 1))


def test_control_points_move_with_the_window(tmp_path: Path):
    source = make("gcps", tmp_path)
    virtual_flac.write_flac(source, tmp_path / "a.flac", tile_size=16)
    virtual_flac.extract(tmp_path / "a.flac", tmp_path / "cut.tif", window=(10, 5, 12, 20))
    with opened(source) as theirs, opened(tmp_path / "cut.tif") as ours:
        moved = [(p.x, p.y, p.col - 10, p.row - 5) for p in theirs.gcps[0]]
        assert [(p.x, p.y, p.col, p.row) for p in ours.gcps[0]] == moved


def test_metadata_of_other_domains_stays_and_statistics_do_not(tmp_path: Path):
    source = make("int16_dem", tmp_path)
    with rasterio.open(source, "r+") as dataset:
        dataset.update_tags(ns="MINE", a="b")
        dataset.update_tags(1, ns="OTHER", c="d")
        dataset.update_tags(1, STATISTICS_MEAN="4")
    virtual_flac.write_flac(source, tmp_path / "a.flac", tile_size=32)
    virtual_flac.extract(tmp_path / "a.flac", tmp_path / "part.tif", tile_id=0)
    with pytest.warns(UserWarning, match="Lost or changed: tag STATISTICS_MEAN of band 1"):
        # GDAL's COG driver keeps either these or those.
        virtual_flac.extract(tmp_path / "a.flac", tmp_path / "all.tif")
    for name in ("part.tif", "all.tif"):
        with rasterio.open(tmp_path / name) as dataset:
            assert dataset.tags(ns="MINE") == {"a": "b"}
            assert dataset.tags(1, ns="OTHER") == {"c": "d"}
            assert dataset.tags(1) == {}


@pytest.mark.parametrize("name", ["uint8_rgba", "uint16", "palette", "uint8_rgb_nodata"])
def test_png_has_the_exact_pixels(name: str, tmp_path: Path):
    source = make(name, tmp_path)
    virtual_flac.write_flac(source, tmp_path / "a.flac", tile_size=32)
    virtual_flac.extract(tmp_path / "a.flac", tmp_path / "cut.png", window=(3, 4, 35, 30))
    with opened(source) as theirs, opened(tmp_path / "cut.png") as ours:
        assert ours.driver == "PNG"
        expected = theirs.read(window=RasterioWindow(3, 4, 35, 30))
        np.testing.assert_array_equal(ours.read(), expected)
    assert not list(tmp_path.glob("*.aux.xml"))


@pytest.mark.parametrize("name", ["int16_dem", "float32", "uint16_six_bands", "int8"])
def test_png_refuses_what_it_cannot_hold(name: str, tmp_path: Path):
    source = make(name, tmp_path)
    virtual_flac.write_flac(source, tmp_path / "a.flac", tile_size=32)
    with pytest.raises(SelectionError, match="virtual-flac preview"):
        virtual_flac.extract(tmp_path / "a.flac", tmp_path / "cut.png")
    assert not (tmp_path / "cut.png").exists()


def test_a_box_in_another_crs_is_rio_clips(scene: tuple[Path, Path], tmp_path: Path):
    source, folder = scene
    with rasterio.open(source) as dataset:
        west, south, east, north = transform_bounds(dataset.crs, "EPSG:4326", *dataset.bounds)
        box = (
            west + (east - west) * 0.31, south + (north - south) * 0.42,
            west + (east - west) * 0.62, south + (north - south) * 0.73,
        )  # fmt: skip
        inside = transform_bounds("EPSG:4326", dataset.crs, *box)
        window = dataset.window(*inside).round_lengths().round_offsets()
    virtual_flac.extract(folder / "band.flac", tmp_path / "cut.tif", bbox=box, bbox_crs="EPSG:4326")
    check(tmp_path / "cut.tif", source, window.flatten())


@pytest.mark.parametrize("options", [{"tile_id": 4}, {"center": True}, {"last": True}])
def test_tiles_are_those_flac_raster_extracts(
    options: dict[str, Any], flac_raster: Any, tmp_path: Path
):
    source = make("uint16", tmp_path)
    theirs = flac_raster.create_streaming(source, tmp_path / "theirs.flac", tile_size=48)
    words = [
        f"--{name.replace('_', '-')}" + ("" if value is True else f"={value}")
        for name, value in options.items()
    ]
    flac_raster.extract_streaming(theirs, tmp_path / "their.tif", *words)
    found = virtual_flac.extract(theirs, tmp_path / "ours.tif", **options)
    with rasterio.open(tmp_path / "their.tif") as tile:
        assert found.bounds == pytest.approx(tuple(tile.bounds), rel=1e-12)
        assert (found.raster.width, found.raster.height) == (tile.width, tile.height)


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
