"""Every value of a header is checked when it is parsed, and before memory is taken for it."""

from __future__ import annotations

import base64
import contextlib
import json
import time
import tracemalloc
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import xarray as xr
from heads import Raw, a_head, seal, with_comments
from zarr_flac import TileSpec, encode_tile

import virtual_flac
from virtual_flac import layouts
from virtual_flac.errors import FlacError, LayoutError, NeedBytes
from virtual_flac.layouts import _check, _strict_json
from virtual_flac.layouts.plain import PlainStream
from virtual_flac.model.index import RasterInfo

NESTED = Raw("[" * 900 + "]" * 900)


def point(**changes: Any) -> dict[str, Any]:
    """A ground control point."""
    return {
        "type": "Feature",
        "properties": {"id": "1", "info": None, "row": 0, "col": 0.5},
        "geometry": {"type": "Point", "coordinates": [1.0, 2.0]},
    } | changes


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"version": "9" * 5000 + ".0"}, "MAJOR"),
        ({"version": "१.२"}, "MAJOR"),
        ({"crc32": "\ud800"}, "surrogate"),
        ({"crc32": "0"}, "eight"),
        ({"dtype": ["uint8"] * 9}, "dtype"),
        ({"dtype": {}}, "dtype"),
        ({"interleave": NESTED}, "interleave"),
        ({"crs": 3}, "crs"),
        ({"crs_wkt": "garbage"}, "crs_wkt is 'garbage', which is not WKT"),
        ({"crs_wkt": "PROJCRS["}, "WKT"),
        ({"crs_wkt": 'PROJCRS["]'}, "WKT"),
        ({"crs_wkt": 'PROJCRS["' + "a" * 10**6 + '"]'}, "1000011 characters"),
        ({"gcp_crs_wkt": "/etc/passwd"}, "gcp_crs_wkt"),
        ({"nodata": Raw("1" + "0" * 400)}, "nodata"),
        ({"nodata": Raw("1e400")}, "out of range"),
        ({"nodata": True}, "nodata"),
        ({"transform": [1e308, 0, 1e308, 0, 1, 0]}, "infinity"),
        ({"transform": [1, 0, 0, 0, 1, 0, 0, 0, 2]}, "0, 0, 1"),
        ({"gcps": [{}]}, r"gcps\[0\] lacks"),
        ({"gcps": [point(), 3]}, r"gcps\[1\]"),
        ({"gcps": [point(properties={"row": 1, "col": "2"})]}, "number"),
        ({"gcps": [point(properties={"row": 1})]}, "col"),
        ({"gcps": [point(properties={"row": 1, "col": 2, "id": {}})]}, "id"),
        ({"gcps": [point(geometry={"coordinates": [1]})]}, "1 coordinates"),
        ({"gcps": [point(geometry={"coordinates": {}})]}, "coordinates"),
        ({"gcps": [point(geometry=None)]}, "geometry"),
        ({"rpcs": {"LINE_OFF": "north"}}, "LINE_OFF"),
        ({"rpcs": {"LINE_OFF": ""}}, "LINE_OFF"),
        ({"rpcs": {"SAMP_SCALE": "nan"}}, "SAMP_SCALE"),
        ({"rpcs": {"LINE_NUM_COEFF": "1 2 3"}}, "20"),
        ({"rpcs": {"a": 1}}, "rpcs.a"),
        ({"bands": [{"colormap": ""}]}, "colormap"),
        ({"bands": [{"scale": Raw("-1e999")}]}, "out of range"),
        ({"bands": [{"description": ["x"]}]}, "description"),
        ({"tags": {"": {"a": "b\0c"}}}, "NUL"),
        ({"tags": {"": {"a\ud800": "b"}}}, "surrogate"),
        ({"tags": {"\0": {}}}, "NUL"),
        ({"later": [{"a": "\udfff"}]}, "surrogate"),
        ({"later": NESTED}, "deep"),
        ({"overview_tags": "x"}, "overview_tags"),
        ({"overview_tags": [[{}, {}]]}, "overview_tags"),
        ({"overview_tags": [[{"a": 1}]]}, "overview_tags"),
        ({"source_overviews": "yes"}, "source_overviews"),
        ({"interleave": "pixel", "count": 9, "bands": [{}] * 9}, "interleaved by pixel"),
        ({"levels": [{"width": 19, "height": 30}]}, "full resolution"),
        ({"levels": [3]}, r"levels\[0\]"),
        ({"levels": [{"width": 20, "height": 30}] * 33}, "33 levels"),
    ],
)
def test_a_hostile_value_is_named(changes: dict[str, Any], words: str) -> None:
    head = a_head(**changes)
    with pytest.raises(FlacError, match=words) as caught:
        layouts.parse(head, len(head) + 900)
    assert len(str(caught.value)) < 400


def test_odd_escapes_are_not_taken_for_odd_text() -> None:
    text = {"": {"a": "\\ud800 \\u0000", "b": "\U0001f600"}}  # backslashes, and a real pair
    head = a_head(tags=text)
    assert b"\\\\ud800" in head
    assert b"\\ud83d\\ude00" in head
    assert layouts.parse(head, len(head) + 900).raster.tags == text


@pytest.mark.parametrize(
    ("dtype", "nodata", "fill"),
    [
        ("uint8", 2**64, None),
        ("uint8", 10**300, None),
        ("int16", 1e30, None),
        ("uint8", -1, None),
        ("uint8", 255.0, 255),
        ("int8", 0.5, None),
        ("int64", float("inf"), None),
        ("uint64", 2**64 - 1, 2**64 - 1),
        ("float32", 1e39, None),
        ("float32", 10**300, None),
        ("float16", 1e6, None),
        ("float32", -3.4028235e38, float(np.finfo("f4").min)),
        ("float32", float("-inf"), float("-inf")),
        ("float64", 2**64, 2.0**64),
    ],
)
def test_nodata_that_the_dtype_cannot_hold(dtype: str, nodata: Any, fill: Any) -> None:
    """As rasterio has it: no pixel is missing."""
    raster = RasterInfo(width=1, height=1, dtype=np.dtype(dtype), nodata=nodata)
    assert raster.fill_value == fill
    assert type(raster.fill_value) is type(fill)


def test_a_crs_that_proj_does_not_know_is_refused_where_one_is_needed(tmp_path: Path) -> None:
    tile = encode_tile(np.zeros((1, 20, 20), "u2"), TileSpec(chunk_shape=(1, 20, 20)))
    below = encode_tile(np.zeros((1, 10, 20), "u2"), TileSpec(chunk_shape=(1, 20, 20)))
    path = tmp_path / "a.flac"
    for wkt in ('PROJCRS["a"]', 'GEOGCRS["x",FOO["y"]]'):
        head = a_head(sizes=(len(tile), len(below)), crs_wkt=wkt, gcp_crs_wkt=None)
        path.write_bytes(head + tile + below)
        virtual_flac.read_index(path)
        for use in (
            lambda: xr.open_dataset(path, engine="flac"),
            lambda: virtual_flac.info(path).to_dict(),
            lambda: virtual_flac.FLACParser()(path.as_uri(), virtual_flac.registry_for(path)),
            lambda: virtual_flac.write_geotiff(path, tmp_path / "a.tif"),
            lambda: virtual_flac.write_flac(path, tmp_path / "b.flac"),
            lambda: virtual_flac.extract(path, tmp_path / "a.tif", center=True),
            lambda: virtual_flac.query(path, bbox=(0, 0, 1, 1), bbox_crs="EPSG:4326"),
        ):
            with pytest.raises(FlacError, match="which PROJ does not understand"):
                use()
        assert [item.name for item in tmp_path.iterdir()] == ["a.flac"]


# Time and memory ---------------------------------------------------------------------------------


def judge(head: bytes, file_size: int) -> None:
    """Parse a head, whatever comes of it."""
    with contextlib.suppress(LayoutError, NeedBytes):
        layouts.parse(head, file_size)


def memory(head: bytes, file_size: int) -> int:
    """Most bytes that parsing a head takes."""
    tracemalloc.start()
    judge(head, file_size)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return peak


def planes(count: int, each: bytes = b"\0\1\0\0") -> str:
    """The `sizes` of tiles of 256 bytes, in as few bytes as can be."""
    data = b"".join(bytes([byte]) * count for byte in each)
    return base64.b64encode(zlib.compress(data, 9)).decode()


MB = 900_000


@pytest.mark.parametrize(
    "content",
    [
        lambda: {f"{i:x}": 1 for i in range(MB // 10)} | {"crs": Raw('1,"7":2')},
        lambda: Raw("{" + '"a":1,' * (MB // 6) + '"a":1}'),
        lambda: {"layout": "virtual-flac", "a": [{"a": 1}] * (MB // 8)},
        lambda: {"layout": "virtual-flac", "a": [[]] * (MB // 3)},
        lambda: {"a": Raw("[" * MB)},
        lambda: {"a": [Raw("9" * 4200)] * (MB // 4200)},
        lambda: {"frames": [{}] * (MB // 3), "width": 10**6, "height": 10**6, "tile_size": 2},
        lambda: {"frames": "", **dict.fromkeys("abc", "\\" * (MB // 9)), "d": "\ud800"},
    ],
)
def test_headers_under_a_megabyte_cost_little(content: Any) -> None:
    head = seal(content())
    assert len(head) < 1_000_000
    began = time.process_time()
    judge(head, 10**12)
    assert time.process_time() - began < 3  # 0.5 on an idle machine
    assert memory(head, 10**12) < 200 << 20


@pytest.mark.parametrize(
    "changes",
    [
        # 60 MB of sizes, and 3 GB, of a file that is said to have room for them.
        {"width": 4000, "height": 4000, "tile_size": 1},
        {"width": 28_000, "height": 28_000, "tile_size": 1},
        {"width": 2**31 - 1, "height": 2**31 - 1, "tile_size": 1},
    ],
)
def test_tiles_are_counted_before_memory_is_taken(changes: dict[str, Any]) -> None:
    count = changes["width"] * changes["height"]
    size = {name: changes[name] for name in ("width", "height")}
    sizes = planes(min(count, 10**8))
    head = a_head(**changes, levels=[{**size, "sizes": sizes}])
    for file_size in (len(head) + 900, 10**6, 2**62):
        assert memory(head, file_size) < 200 << 20
        with pytest.raises(LayoutError, match="tiles"):
            layouts.parse(head, file_size)


def test_many_tiles_are_read_where_the_header_has_them() -> None:
    edge = 700
    sizes = planes(edge**2)
    head = a_head(
        width=edge,
        height=edge,
        tile_size=1,
        levels=[{"width": edge, "height": edge, "sizes": sizes}],
    )
    index = layouts.parse(head, len(head) + 256 * edge**2)
    assert index.tile_count == edge**2 < _check.FREE_TILES
    with pytest.raises(LayoutError, match="tiles"):  # more inflate than were said
        layouts.parse(a_head(levels=[{"width": 20, "height": 30, "sizes": sizes}]), 10**9)


def test_tiles_that_take_all_memory_are_refused() -> None:
    size = {"width": 10**6, "height": 10**6}
    level = {**size, "sizes": planes(1, b"\xff\xff\xff\xff")}
    head = a_head(**size, tile_size=10**6, levels=[level])
    with pytest.raises(LayoutError, match="2000000000000 bytes, and is read whole"):
        layouts.parse(head, len(head) + 2**32)


def test_more_values_than_memory_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_strict_json, "MAX_VALUES", 100)
    text = json.dumps({"a": [1] * 102}).encode()
    with pytest.raises(LayoutError, match="100 values"):
        layouts.parse(len(text).to_bytes(4, "big") + text, 10**6)


# Comments of plain files --------------------------------------------------------------------------

COMMENTS = {
    "GEOSPATIAL_WIDTH": "20",
    "GEOSPATIAL_HEIGHT": "30",
    "GEOSPATIAL_DTYPE": "uint8",
    "GEOSPATIAL_COUNT": "1",
    "GEOSPATIAL_DATA_MIN": "0",
    "GEOSPATIAL_DATA_MAX": "200",
}


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"WIDTH": "9" * 5000}, "whole number"),
        ({"WIDTH": "२०"}, "whole number"),
        ({"WIDTH": "0"}, "expected 1"),
        ({"WIDTH": "2147483647"}, "600 samples"),
        ({"COUNT": "9" * 5000}, "whole number"),
        ({"DTYPE": "object"}, "dtype"),
        ({"NODATA": "9" * 400}, "NODATA"),
        ({"NODATA": "[1]"}, "nodata"),
        ({"NODATA": "x" * 5000}, "nodata"),
        ({"DATA_MAX": "1e400"}, "DATA_MAX"),
        ({"DATA_MIN": "nan"}, "DATA_MIN"),
        ({"CRS": "a\0b"}, "PROJ"),
        ({"CRS": "[" * 5000}, "PROJ"),
        ({"TRANSFORM": "[" * 5000}, "JSON"),
        ({"TRANSFORM": "[1,0,0,0,1,NaN]"}, "finite"),
        ({"TRANSFORM": "[1e307,0,0,0,1e307,0]"}, "infinity"),
        ({"TRANSFORM": '{"a": 1}'}, "list"),
        ({"PIXEL_ORDER": "x" * 5000}, "order"),
        ({"SPATIAL_INDEX": "x"}, "cannot be recovered"),
    ],
)
def test_a_hostile_comment_is_named(changes: dict[str, str], words: str) -> None:
    stream = encode_tile(np.zeros((30, 20), np.uint8), TileSpec(order="row"))
    fine = with_comments(stream, COMMENTS)
    assert isinstance(layouts.parse(fine, len(fine)), PlainStream)
    bad = with_comments(stream, COMMENTS | {f"GEOSPATIAL_{key}": v for key, v in changes.items()})
    with pytest.raises(FlacError, match=words) as caught:
        layouts.parse(bad, len(bad))
    assert len(str(caught.value)) < 400
