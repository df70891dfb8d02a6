"""`query` and `spatial_info`: tiles and bytes against the index, and what a server was asked."""

from __future__ import annotations

import json
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import rasterio
from hypothesis import given
from hypothesis import strategies as st
from rasters import NORTH_UP, make
from servers import url_of

import virtual_flac
from virtual_flac.errors import SelectionError
from virtual_flac.reports.query import QueryResult, read_found

TILE = 32
HEIGHT, WIDTH, COUNT = 150, 190, 2


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("query")
    source = make("overviews", folder)
    for interleave in ("band", "tile", "pixel"):
        virtual_flac.write_flac(
            source, folder / f"{interleave}.flac", tile_size=TILE, interleave=interleave
        )
    return folder


@pytest.mark.parametrize("interleave", ["band", "tile", "pixel"])
def test_the_table_has_every_tile_once(folder: Path, interleave: str):
    index = virtual_flac.read_index(folder / f"{interleave}.flac")
    table = virtual_flac.spatial_info(folder / f"{interleave}.flac")
    tiles = list(table)
    assert len(tiles) == len(table) == index.tile_count
    assert sum(tile.length for tile in tiles) == sum(int(n.lengths.sum()) for n in index.levels)
    assert len({tile.offset for tile in tiles}) == len(tiles)
    with rasterio.open(folder / "overviews.tif") as dataset:
        for tile in tiles:
            if tile.level == 0:
                window = rasterio.windows.Window(*tile.window)
                expected = rasterio.windows.bounds(window, dataset.transform)
                assert tile.bounds == pytest.approx(expected, rel=1e-12)
    for level in range(3):
        for band in (1, 2):
            part = virtual_flac.spatial_info(folder / f"{interleave}.flac", level=level, band=band)
            chosen = list(part)
            assert len(part) == len(chosen)
            assert all(tile.level == level and tile.band in (None, band) for tile in chosen)
    shown = table.to_dict(3)
    assert len(shown["tiles"]) == 3
    assert shown["tile_count"] == len(tiles)


def test_the_tiles_of_the_table_are_flac_raster_frames(tmp_path: Path):
    path = tmp_path / "theirs.flac"
    virtual_flac.write_flac(make("uint16", tmp_path), path, tile_size=TILE, layout="flac-raster")
    frames = _frames(path)
    table = virtual_flac.spatial_info(path, level=0, band=1)
    for frame, tile in zip(frames, table, strict=True):
        assert tile.tile_id == frame["frame_id"]
        assert tile.window._asdict() == frame["window"]
        assert tile.bounds == pytest.approx(frame["bbox"], rel=1e-12)
        assert tile.length == frame["byte_size"]


def _frames(path: Path) -> Any:
    data = path.read_bytes()
    size = int.from_bytes(data[:4], "big")
    return json.loads(data[4 : 4 + size])["frames"]


@given(data=st.data())
def test_a_query_names_the_tiles_that_touch_and_no_other(folder: Path, data: Any):
    interleave = data.draw(st.sampled_from(["band", "tile", "pixel"]))
    col, row = data.draw(st.integers(0, WIDTH - 1)), data.draw(st.integers(0, HEIGHT - 1))
    width = data.draw(st.integers(1, WIDTH - col))
    height = data.draw(st.integers(1, HEIGHT - row))
    bands = data.draw(st.sampled_from([[1], [2], [2, 1], None]))
    path = folder / f"{interleave}.flac"
    found = virtual_flac.query(path, window=(col, row, width, height), bands=bands)
    touching = {
        (tile.band, tile.row, tile.col)
        for tile in virtual_flac.spatial_info(path, level=0)
        if tile.band in (None, *(bands or [1, 2]))
        and tile.window.col_off < col + width
        and tile.window.col_off + tile.window.width > col
        and tile.window.row_off < row + height
        and tile.window.row_off + tile.window.height > row
    }
    assert {(tile.band, tile.row, tile.col) for tile in found.tiles} == touching
    assert len(found.tiles) == len(touching)
    assert found.range_bytes == found.tile_bytes
    covered = sorted((piece.start, piece.end) for piece in found.ranges)
    assert all(first[1] < second[0] for first, second in pairwise(covered))
    if interleave == "band":
        rows = len({tile.row for tile in found.tiles})
        assert len(found.ranges) <= rows * len(found.bands)


def test_a_query_costs_the_open_and_its_data_the_ranges(folder: Path, range_server: Any):
    server = range_server(folder)
    url = url_of(server, "band.flac")
    found = virtual_flac.query(url, window=(40, 40, 80, 50), bands=[2])
    assert len(server.log()) == 1
    server.reset()
    data = b"".join(read_found(found))
    asked = [request.range for request in server.log()]
    assert asked == [(piece.start, piece.end) for piece in found.ranges]
    whole = (folder / "band.flac").read_bytes()
    assert data == b"".join(whole[piece.start : piece.end] for piece in found.ranges)
    assert found.file_bytes == len(whole)
    assert found.savings == 1 - len(data) / len(whole)
    # Tile rows 1 and 2, columns 1 to 3.
    assert [(tile.row, tile.col) for tile in found.tiles] == [
        (row, col) for row in (1, 2) for col in (1, 2, 3)
    ]
    assert len(found.ranges) == 2


def test_gaps_are_read_when_that_is_wanted(folder: Path):
    window = (40, 40, 80, 50)
    apart = virtual_flac.query(folder / "band.flac", window=window, bands=[1])
    gap = apart.ranges[1].start - apart.ranges[0].end
    assert gap > 0
    for max_gap, count in ((gap - 1, 2), (gap, 1)):
        found = virtual_flac.query(folder / "band.flac", window=window, bands=[1], max_gap=max_gap)
        assert len(found.ranges) == count
    assert found.range_bytes == found.tile_bytes + gap
    assert found.to_dict()["ranges"] == [
        {
            "offset": apart.ranges[0].start,
            "length": found.range_bytes,
            "header": f"bytes={apart.ranges[0].start}-{apart.ranges[1].end - 1}",
        }
    ]


def test_areas_by_tile_box_and_overview(folder: Path):
    path = folder / "band.flac"

    def ask(**what: Any) -> QueryResult:
        return virtual_flac.query(path, bands=[1], **what)

    by_id = ask(tile_id=8)
    assert by_id.tiles == ask(tile=(1, 2)).tiles
    [tile] = by_id.tiles
    assert (tile.row, tile.col, tile.tile_id) == (1, 2, 8)
    assert ask(bbox=tile.bounds).window == tile.window
    assert ask(last=True).window == (160, 128, 30, 22)
    assert ask().window == (0, 0, WIDTH, HEIGHT)
    reduced = ask(level=1, tile_id=8)
    assert reduced.window == (32, 16, 16, 16)
    assert {tile.level for tile in reduced.tiles} == {1}
    left, bottom = NORTH_UP @ (64, 64)
    assert reduced.bounds == pytest.approx((left, bottom, left + 32 * 30, bottom + 32 * 30))


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"level": 3}, "no overview 3"),
        ({"bands": [3]}, "no band 3"),
        ({"bands": [1, 1]}, "at most once"),
        ({"bands": []}, "one at least"),
        ({"max_gap": -1}, "max_gap"),
        ({"tile_id": 1000}, "no tile 1000"),
        ({"bbox": (0, 0, 1, 1)}, "outside"),
    ],
)
def test_errors_name_the_file(folder: Path, arguments: dict[str, Any], words: str):
    with pytest.raises(SelectionError, match=rf"band\.flac: .*{words}"):
        virtual_flac.query(folder / "band.flac", **arguments)


def test_levels_and_bands_of_the_table_must_exist(folder: Path):
    for arguments in ({"level": 3}, {"level": -1}, {"band": 3}, {"band": 0}):
        with pytest.raises(SelectionError, match=r"band\.flac: there is no"):
            virtual_flac.spatial_info(folder / "band.flac", **arguments)


def test_ranges_of_a_file_of_flac_raster(flac_raster: Any, tmp_path: Path):
    source = make("uint16", tmp_path)
    path = flac_raster.create_streaming(source, tmp_path / "theirs.flac", tile_size=64)
    frames = _frames(path)
    start = 4 + int.from_bytes(path.read_bytes()[:4], "big")
    for frame in frames:
        [piece] = virtual_flac.query(path, tile_id=frame["frame_id"]).ranges
        assert piece.start == start + frame["byte_offset"]
        assert piece.length == frame["byte_size"]
    assert len(frames) == 6
