"""`extract`: rasterio's windows of the source, and its metadata."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio
from extracts import check, opened
from rasterio.warp import transform_bounds
from rasterio.windows import Window as RasterioWindow
from rasters import CASES, make

import virtual_flac
from virtual_flac.errors import (
    SelectionError,
)
from virtual_flac.model.grid import TileGrid


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
