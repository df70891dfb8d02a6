"""Which pixels an area means: GDAL's and rasterio's answers, and what is refused."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import pyproj
import pytest
import rasterio
from affine import Affine
from hypothesis import given
from hypothesis import strategies as st
from rasterio.warp import transform_bounds
from rasterio.windows import Window as RasterioWindow
from rasterio.windows import from_bounds
from rasters import write_tif

from virtual_flac.errors import SelectionError
from virtual_flac.model.georef import GeoReference
from virtual_flac.model.grid import TileGrid, Window
from virtual_flac.model.selection import (
    Selection,
    bounds_of,
    bounds_window,
    center_tile,
    select_window,
    to_raster_crs,
)

UTM = pyproj.CRS.from_epsg(32633).to_wkt()
NORTH_UP = GeoReference(crs_wkt=UTM, transform=Affine(10, 0, 400_000, 0, -10, 5_000_000))
HEIGHT, WIDTH = 90, 120

pixels = st.floats(-40, 160, allow_nan=False).map(lambda value: round(value, 2))


@given(pixels, pixels, pixels, pixels)
def test_a_box_means_what_rio_clip_and_gdal_take(x0: float, x1: float, y0: float, y1: float):
    left, right, top, bottom = min(x0, x1), max(x0, x1), min(y0, y1), max(y0, y1)
    bounds = (400_000 + left * 10, 5_000_000 - bottom * 10, 400_000 + right * 10, 5e6 - top * 10)
    inside = left < WIDTH and right > 0 and top < HEIGHT and bottom > 0
    if not (left < right and top < bottom and inside):
        with pytest.raises(SelectionError):
            bounds_window(Selection(bbox=bounds).bbox, NORTH_UP, width=WIDTH, height=HEIGHT)
        return
    found = bounds_window(bounds, NORTH_UP, width=WIDTH, height=HEIGHT)
    exact = from_bounds(*bounds, NORTH_UP.transform).intersection(
        RasterioWindow(0, 0, WIDTH, HEIGHT)
    )
    theirs = exact.round_lengths().round_offsets()
    sides = (
        (found.col_off, found.width, exact.col_off, exact.width, theirs.col_off, theirs.width),
        (found.row_off, found.height, exact.row_off, exact.height, theirs.row_off, theirs.height),
    )
    for limit, (offset, length, start, size, their_offset, their_length) in zip(
        (WIDTH, HEIGHT), sides, strict=True
    ):
        assert length >= 1
        assert 0 <= offset <= limit - length
        # Half a pixel falls to either side, by the last bit of a float.
        if abs(size % 1 - 0.5) > 1e-6:
            assert length == max(their_length, 1)
        # rasterio's tolerance is a tenth of a pixel, GDAL's a thousandth.
        if start % 1 < 0.89 and their_offset + length <= limit:
            assert offset == their_offset


def test_boxes_are_cut_as_gdal_translate_cuts(tmp_path: Path):
    program = shutil.which("gdal_translate")
    if program is None:
        pytest.skip("skipped: no gdal_translate (Debian: gdal-bin)")
    pixels = np.zeros((1, HEIGHT, WIDTH), np.uint8)
    source = write_tif(tmp_path / "source.tif", pixels, transform=NORTH_UP.transform)
    foreign = {"GDAL_DATA", "PROJ_DATA", "PROJ_LIB"}
    environment = {name: value for name, value in os.environ.items() if name not in foreign}
    for left, right in ((13, 57), (19.5, 50.2), (19.95, 50), (19.9995, 50), (16, 35), (10, 1190)):
        bounds = (400_000 + left, 4_999_400, 400_000 + right, 4_999_866)
        result = tmp_path / "cut.tif"
        corners = (bounds[0], bounds[3], bounds[2], bounds[1])
        subprocess.run(
            [program, "-q", "-projwin", *map(repr, corners), str(source), str(result)],
            check=True, env=environment,
        )  # fmt: skip
        with rasterio.open(result) as cut:
            col, row = ~NORTH_UP.transform @ (cut.transform.c, cut.transform.f)
            expected = (round(col), round(row), cut.width, cut.height)
        assert bounds_window(bounds, NORTH_UP, width=WIDTH, height=HEIGHT) == expected


@given(st.integers(0, 119), st.integers(0, 89), st.data())
def test_the_bounds_of_a_window_mean_that_window(col: int, row: int, data: Any):
    window = Window(
        col, row, data.draw(st.integers(1, WIDTH - col)), data.draw(st.integers(1, HEIGHT - row))
    )
    georefs = [
        NORTH_UP,
        GeoReference(transform=Affine(1 / 3, 0, -7.1, 0, 1 / 3, 40.3)),  # south up
        GeoReference(transform=Affine(0.1, 0, 179.9, 0, -0.1, 12.7)),
    ]
    for georef in georefs:
        bounds = bounds_of(georef, window)
        assert bounds_window(bounds, georef, width=WIDTH, height=HEIGHT) == window


def test_a_box_of_a_rotated_raster_holds_its_corners():
    georef = GeoReference(transform=Affine(30, 5, 4e5, 7, -28, 5e6))
    x, y = georef.transform @ (50.5, 40.5)
    found = bounds_window((x - 1, y - 1, x + 1, y + 1), georef, width=WIDTH, height=HEIGHT)
    assert found == (50, 40, 1, 1)


def test_boxes_in_another_crs_are_rasterios():
    box = (13.2, 45.1, 13.4, 45.15)
    expected = transform_bounds("EPSG:4326", "EPSG:32633", *box, densify_pts=21)
    np.testing.assert_allclose(to_raster_crs(box, "EPSG:4326", NORTH_UP), expected, rtol=1e-12)
    assert to_raster_crs(box, "EPSG:32633", NORTH_UP) == box
    # x is longitude, whatever order of axes the authority wrote down.
    assert to_raster_crs(box, "OGC:CRS84", NORTH_UP) == pytest.approx(expected, abs=1e-6)


@pytest.mark.parametrize(
    ("selection", "words"),
    [
        ({"bbox": (0, 0, 1, 1)}, "outside the raster.*--bbox-crs"),
        (
            {"bbox": (46, 7, 46.5, 8), "bbox_crs": "EPSG:4326"},
            r"the bbox 46, 7, 46.5, 8 in EPSG:4326, [\d.]+, [\d.]+, [\d.]+, [\d.]+ in the "
            r"raster's CRS, lies outside the raster, whose bounds are .*x is easting or longitude",
        ),
        ({"bbox": (1, 0, 1, 1)}, "xmin < xmax"),
        ({"bbox": (0, float("nan"), 1, 1)}, "expected xmin"),
        ({"bbox": (0, 0, 1, 1), "bbox_crs": "EPSG:0"}, "cannot be taken from EPSG:0"),
        ({"bbox_crs": "EPSG:4326"}, "without a bbox"),
        ({"window": Window(0, 0, 121, 1)}, "leaves the raster of 120 x 90"),
        ({"window": Window(-1, 0, 1, 1)}, "leaves the raster"),
        ({"window": Window(0, 0, 0, 1)}, "at least one"),
        ({"tile": (0, 4)}, "columns 0 to 3"),
        ({"tile_id": 12}, "tiles are 0 to 11"),
        ({"tile_id": -1}, "tiles are 0 to 11"),
        ({"tile_id": 0, "last": True}, "tile_id and last"),
        ({"center": True, "window": Window(0, 0, 1, 1)}, "window and center"),
    ],
)
def test_what_is_not_there_is_refused(selection: dict[str, Any], words: str):
    grid = TileGrid(HEIGHT, WIDTH, 32, 32)
    with pytest.raises(SelectionError, match=words):
        select_window(Selection(**selection), grid, NORTH_UP)


def test_rasters_without_transform_or_crs_take_no_box():
    with pytest.raises(SelectionError, match="ground control points"):
        bounds_window((0, 0, 1, 1), GeoReference(gcps=({},)), width=9, height=9)
    with pytest.raises(SelectionError, match="RPCs"):
        bounds_window((0, 0, 1, 1), GeoReference(rpcs={"LINE_OFF": "1"}), width=9, height=9)
    with pytest.raises(SelectionError, match="no CRS"):
        to_raster_crs((0, 0, 1, 1), "EPSG:4326", GeoReference())


def test_a_transform_that_cannot_be_turned_round_takes_no_box():
    for transform in (
        Affine(0, 0, 5, 0, 0, 5),
        Affine(1, 2, 0, 2, 4, 0),
        Affine(1e-300, 0, 0, 0, 1e-20, 0),
    ):
        georef = GeoReference(transform=transform)
        with pytest.raises(SelectionError, match="window instead"):
            bounds_window((0, 0, 10, 10), georef, width=WIDTH, height=HEIGHT)


def test_tiles_are_counted_row_by_row():
    grid = TileGrid(HEIGHT, WIDTH, 32, 50)
    windows = list(grid.windows())
    for number, window in enumerate(windows):
        assert select_window(Selection(tile_id=number), grid, NORTH_UP) == window
        place = divmod(number, grid.cols)
        assert select_window(Selection(tile=place), grid, NORTH_UP) == window
    assert select_window(Selection(last=True), grid, NORTH_UP) == windows[-1]
    assert select_window(Selection(), grid, NORTH_UP) == (0, 0, WIDTH, HEIGHT)


@given(st.integers(1, 200), st.integers(1, 200), st.integers(1, 70), st.integers(1, 70))
def test_the_center_tile_is_the_nearest_of_all(height: int, width: int, tall: int, wide: int):
    grid = TileGrid(height, width, tall, wide)
    distances = [
        (3 * (2 * window.col_off + window.width - width)) ** 2
        + (2 * (2 * window.row_off + window.height - height)) ** 2
        for window in grid.windows()
    ]
    row, col = center_tile(grid)
    assert distances[row * grid.cols + col] == min(distances)


@given(st.data())
def test_an_overview_gives_every_pixel_that_is_touched(data: Any):
    base = TileGrid(HEIGHT, WIDTH, 32, 32)
    level = TileGrid(data.draw(st.integers(1, 90)), data.draw(st.integers(1, 120)), 32, 32)
    col, row = data.draw(st.integers(0, 119)), data.draw(st.integers(0, 89))
    window = Window(
        col, row, data.draw(st.integers(1, WIDTH - col)), data.draw(st.integers(1, HEIGHT - row))
    )
    found = select_window(Selection(window=window), base, NORTH_UP, level)
    assert found.col_off >= 0
    assert found.col_off + found.width <= level.width
    assert found.col_off * WIDTH <= col * level.width < (found.col_off + 1) * WIDTH
    end, right = found.col_off + found.width, col + window.width
    assert (end - 1) * WIDTH < right * level.width <= end * WIDTH
    bottom, low = found.row_off + found.height, row + window.height
    assert (bottom - 1) * HEIGHT < low * level.height <= bottom * HEIGHT


def test_a_box_in_an_overview_is_rounded_there():
    base, level = TileGrid(HEIGHT, WIDTH, 32, 32), TileGrid(45, 60, 32, 32)
    # Columns 10 to 31 of the full resolution are 5 to 15.5 of the overview.
    selection = Selection(bbox=(400_100, 4_999_500, 400_310, 4_999_900))
    assert select_window(selection, base, NORTH_UP, level) == (5, 5, 11, 20)
