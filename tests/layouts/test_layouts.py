"""The head of a file: what is packed is parsed, and what is damaged is refused."""

from __future__ import annotations

import json
import math
import struct
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from affine import Affine
from heads import a_head, seal, sentinel_head
from hypothesis import assume, given
from hypothesis import strategies as st
from zarr_flac import TileSpec, encode_tile

import virtual_flac
from virtual_flac import layouts
from virtual_flac.errors import (
    FlacError,
    LayoutError,
    LayoutVersionError,
    NeedBytes,
    UnknownLayoutError,
    UnsupportedDtypeError,
)
from virtual_flac.layouts import _raster_json, tiled
from virtual_flac.model.georef import GeoReference
from virtual_flac.model.grid import TileGrid, Window, overview_factors
from virtual_flac.model.index import Band, RasterInfo, TileIndex, TileSizes
from virtual_flac.reading.header import PREFIX_BYTES
from virtual_flac.reading.tiles import TileReader

finite = st.floats(-1e150, 1e150)
words = st.text(st.characters(exclude_categories=("Cs",), exclude_characters="\0"), max_size=12)
tags = st.dictionaries(words, st.dictionaries(words, words, max_size=3), max_size=2)
colour = st.tuples(*[st.integers(0, 255)] * 4)
bands = st.builds(
    Band,
    description=st.none() | words,
    unit=st.none() | words,
    scale=finite,
    offset=finite,
    color_interpretation=st.sampled_from(["undefined", "gray", "red", "palette", "alpha"]),
    colormap=st.none() | st.lists(colour, min_size=1, max_size=256).map(tuple),
    tags=tags,
)
georefs = st.builds(
    GeoReference,
    crs_wkt=st.sampled_from([None, 'LOCAL_CS["x",UNIT["m",1]]']),
    transform=st.builds(Affine, *[finite] * 6),
    rpcs=st.dictionaries(words, words, max_size=3),
)


@st.composite
def contents(draw: st.DrawFn) -> dict[str, Any]:
    """What `tiled.pack` takes."""
    dtype = np.dtype(draw(st.sampled_from(_raster_json.DTYPES)))
    raster = RasterInfo(
        width=draw(st.integers(1, 300)),
        height=draw(st.integers(1, 300)),
        dtype=dtype,
        georef=draw(georefs),
        nodata=draw(
            st.none()
            | st.integers(-(2**63), 2**64 - 1)
            | finite
            | st.sampled_from([math.inf, -math.inf])
        ),
        bands=tuple(draw(st.lists(bands, min_size=1, max_size=4))),
        tags=draw(tags),
    )
    tile_size = draw(st.integers(16, 400))
    interleave = draw(st.sampled_from(tiled.INTERLEAVES))
    planes = 1 if interleave == "pixel" else raster.count
    levels = []
    for factor in (1, *overview_factors(raster.height, raster.width, tile_size)):
        width, height = -(-raster.width // factor), -(-raster.height // factor)
        grid = TileGrid(height, width, tile_size, tile_size)
        shape = (planes, grid.rows, grid.cols)
        count = math.prod(shape)
        sizes = draw(st.lists(st.integers(100, 2**32 - 1), min_size=count, max_size=count))
        lengths = np.asarray(sizes, dtype=np.uint64).reshape(shape)
        # Any numbers will do for checksums.
        crcs = (lengths * 2654435761 % 2**32).astype(np.uint32) if draw(st.booleans()) else None
        levels.append(TileSizes(width=width, height=height, lengths=lengths, checksums=crcs))
    return {
        "raster": raster,
        "levels": levels,
        "tile_size": tile_size,
        "interleave": interleave,
        "source_overviews": len(levels) > 1 and draw(st.booleans()),
        "extra": {"x-later": draw(words)},
    }


@given(contents())
def test_what_is_packed_is_parsed(content: dict[str, Any]) -> None:
    head = tiled.pack(**content)
    total = sum(int(level.lengths.sum()) for level in content["levels"])
    found = layouts.parse(head, len(head) + total)
    assert isinstance(found, TileIndex)
    assert found.raster == content["raster"]
    assert found.tile_shape == (content["tile_size"],) * 2
    for name in ("interleave", "source_overviews", "extra"):
        assert getattr(found, name) == content[name]
    covered = np.zeros(0, dtype=np.uint64)
    for level, expected in zip(found.levels, content["levels"], strict=True):
        assert (level.width, level.height) == (expected.width, expected.height)
        np.testing.assert_array_equal(level.lengths, expected.lengths)
        if expected.checksums is None:
            assert level.checksums is None
        else:
            np.testing.assert_array_equal(level.checksums, expected.checksums)
        covered = np.concatenate(
            [covered, level.offsets.ravel(), (level.offsets + level.lengths).ravel()]
        )
    # Contiguous from the head to the end of the file: every inner border is met twice.
    borders, counts = np.unique(covered, return_counts=True)
    assert borders[0] == len(head)
    assert borders[-1] == len(head) + total
    assert (counts[1:-1] == 2).all()


@pytest.mark.parametrize(
    ("interleave", "expected"),
    [("band", [[0, 10], [30, 60]]), ("tile", [[0, 40], [10, 60]])],
)
def test_order_of_tiles_in_the_file(interleave: Any, expected: list[list[int]]) -> None:
    lengths = np.asarray([[[10, 20]], [[30, 40]]], dtype=np.uint64)
    (offsets,) = tiled.relative_offsets([lengths], interleave)
    assert offsets[:, 0].tolist() == expected


def test_a_head_takes_nine_bytes_a_tile() -> None:
    small, few = sentinel_head(10_980, 1024)
    large, many = sentinel_head(512 * 47, 512)
    assert few == 171
    assert 2_900 < many < 3_000
    assert (len(large) - len(small)) / (many - few) < 9
    assert len(large) <= PREFIX_BYTES
    assert "frames" not in json.loads(large[4:])


def test_a_head_cut_at_any_byte_asks_for_more_or_is_refused() -> None:
    head = a_head()
    for end in range(len(head)):
        with pytest.raises(NeedBytes) as need:
            layouts.parse(head[:end], len(head) + 900)
        assert need.value.end > end
        with pytest.raises(LayoutError):
            layouts.parse(head[:end], end)


@pytest.mark.parametrize(
    ("changes", "error", "words"),
    [
        ({"version": "2.0"}, LayoutVersionError, "Upgrade"),
        ({"version": "x"}, LayoutError, "MAJOR"),
        ({"version": ...}, LayoutError, "'version'"),
        ({"dtype": "complex64"}, UnsupportedDtypeError, "complex64"),
        ({"width": -1}, LayoutError, "width"),
        ({"width": 2**40}, LayoutError, "width"),
        ({"width": 20.5}, LayoutError, "integer"),
        ({"width": True}, LayoutError, "integer"),
        ({"height": 31_000_000}, LayoutError, "sizes|tiles|resolution"),
        ({"tile_size": 0}, LayoutError, "tile_size"),
        ({"tile_size": 1}, LayoutError, "tiles"),
        ({"count": 2}, LayoutError, "bands"),
        ({"interleave": "line"}, LayoutError, "interleave"),
        ({"transform": [1, 0, 0]}, LayoutError, "9"),
        ({"transform": [1, 0, 0, 0, "1", 0, 0, 0, 1]}, LayoutError, "number"),
        ({"transform": [1, 0, 0, 0, 10**400, 0, 0, 0, 1]}, LayoutError, "huge|finite"),
        ({"levels": []}, LayoutError, "levels"),
        ({"levels": ...}, LayoutError, "levels"),
        ({"levels": [{"width": 20, "height": 30, "sizes": "!"}]}, LayoutError, "base64"),
        ({"levels": [{"width": 20, "height": 30, "sizes": "AAAA"}]}, LayoutError, "sizes"),
        ({"levels": [{"width": 10, "height": 30, "sizes": "AAAA"}]}, LayoutError, "level"),
        ({"bands": [3]}, LayoutError, "object"),
        ({"bands": [{"colormap": "AAAAAAA="}]}, LayoutError, "colormap"),
        ({"tags": {"": {"a": 1}}}, LayoutError, "string"),
        ({"nodata": "none"}, LayoutError, "nodata"),
    ],
)
def test_a_wrong_value_is_named(
    changes: dict[str, Any], error: type[Exception], words: str
) -> None:
    head = a_head(**changes)
    with pytest.raises(error, match=words):
        layouts.parse(head, len(head) + 900)


def test_the_checksum_covers_every_byte() -> None:
    tiles = [
        encode_tile(np.zeros((1, rows, 20), dtype=np.uint16), TileSpec(chunk_shape=(1, 20, 20)))
        for rows in (20, 10)
    ]
    head = a_head(sizes=(len(tiles[0]), len(tiles[1])))
    whole = head + b"".join(tiles)
    assert layouts.parse(whole, len(whole)).raster.width == 20
    for position in range(4, len(head)):
        for bit in (0, 5):
            damaged = bytearray(whole)
            damaged[position] ^= 1 << bit
            with pytest.raises(FlacError):
                layouts.parse(bytes(damaged), len(whole))


def test_tiles_outside_the_file_are_refused() -> None:
    head = a_head()
    layouts.parse(head, len(head) + 900)
    with pytest.raises(LayoutError, match="cut short"):
        layouts.parse(head, len(head) + 899)


@pytest.mark.parametrize(
    ("start", "words"),
    [
        (b"", "0 bytes"),
        (b"fLaC\0\0\0\x22", "cut short"),
        (b"II*\0....", "TIFF"),
        (b"<!DOCTYPE html>", "HTML"),
        (b'{"crs":1}', "JSON without"),
        (b"\0\0\0\x02[]", "brace"),
        (b"\0\0\0\x02{}", "keys"),
        (b"\xff\xff\xff\xff{", "4294967295"),
        (b'\0\0\0\x09{"a":NaN}', "NaN"),
        (b'\0\0\0\x0d{"a":1,"a":2}', "twice"),
        (b"\0\0\0\x03{\xff}", "UTF-8"),
        (b"\0\0\0\x03{x}", "not JSON"),
    ],
)
def test_other_files_are_recognised(start: bytes, words: str) -> None:
    with pytest.raises(LayoutError, match=words):
        layouts.parse(start, len(start))


def test_deep_nesting_and_huge_numbers_are_refused() -> None:
    for inner in ("[" * 100_000, "1" * 5_000):
        text = f'{{"a":{inner}'.encode()
        with pytest.raises(LayoutError):
            layouts.parse(struct.pack(">I", len(text)) + text, len(text) + 4)


def test_the_published_form_that_nobody_writes_is_explained() -> None:
    content = {"tiles": [{"byte_range": [0, 10], "window": [0, 0, 1, 1]}], "width": 1, "height": 1}
    head = seal(content)
    with pytest.raises(UnknownLayoutError, match="no program writes it"):
        layouts.parse(head, len(head) + 10)


def flac_raster_index(**changes: Any) -> dict[str, Any]:
    """An index as flac-raster writes it, of 30 x 20 pixels in tiles of 20."""
    frames = [
        {
            "frame_id": i,
            "bbox": [0, 0, 1, 1],
            "window": {"col_off": 20 * i, "row_off": 0, "width": [20, 10][i], "height": 20},
            "byte_offset": [0, 300][i],
            "byte_size": [300, 200][i],
        }
        for i in range(2)
    ]
    return {
        "crs": "EPSG:4326",
        "transform": [1, 0, 0, 0, -1, 0, 0, 0, 1],
        "width": 30,
        "height": 20,
        "tile_size": 20,
        "frames": frames,
    } | changes


def change_frame(number: int, **changes: Any) -> list[dict[str, Any]]:
    frames = flac_raster_index()["frames"]
    for key, value in changes.items():
        target = frames[number]
        if key in ("col_off", "row_off", "width", "height"):
            target = target["window"]
        target[key] = value
    return frames


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"frames": flac_raster_index()["frames"][:1]}, "1 tiles"),
        ({"frames": [flac_raster_index()["frames"][0]] * 2}, "second time"),
        ({"frames": change_frame(1, width=20)}, "no tile"),
        ({"frames": change_frame(1, col_off=19)}, "no tile"),
        ({"frames": change_frame(1, col_off=-20)}, "col_off"),
        ({"frames": change_frame(1, byte_size=0)}, "byte_size"),
        ({"frames": change_frame(1, byte_offset=-1)}, "byte_offset"),
        ({"frames": change_frame(1, byte_offset="0")}, "byte_offset"),
        ({"frames": {"0": 1}}, "list"),
        ({"frames": [1, 2]}, "object"),
        ({"width": 31}, "no tile"),
        ({"transform": [1, 0]}, "9"),
        ({"width": 2**31 - 1, "tile_size": 1}, "frames lists"),
    ],
)
def test_a_wrong_flac_raster_index_is_named(changes: dict[str, Any], words: str) -> None:
    head = seal(flac_raster_index(**changes))
    with pytest.raises(LayoutError, match=words):
        layouts.parse(head + b"\0" * 500, len(head) + 500)


def test_flac_raster_tiles_must_be_flac() -> None:
    head = seal(flac_raster_index())
    with pytest.raises(NeedBytes):
        layouts.parse(head, len(head) + 500)
    with pytest.raises(LayoutError, match="first tile"):
        layouts.parse(head + b"\0" * 500, len(head) + 500)


@given(st.integers(1, 500), st.integers(1, 500), st.integers(1, 600))
def test_tiles_cover_the_raster_once(height: int, width: int, tile_size: int) -> None:
    assume(height * width // tile_size**2 < 2000)
    grid = TileGrid(height, width, tile_size, tile_size)
    seen = np.zeros((height, width), dtype=np.uint8)
    for left, top, w, h in grid.windows():
        seen[top : top + h, left : left + w] += 1
    assert (seen == 1).all()


@pytest.mark.parametrize("version", ["1_0", "1_1"])
def test_earlier_versions_are_read(version: str) -> None:
    path = Path(__file__).parents[1] / "golden" / f"layout_{version}.flac"
    assert f'"version":"{version.replace("_", ".")}"'.encode() in path.read_bytes()[:60]
    index = virtual_flac.read_index(path)
    assert "frames" not in index.extra
    assert (index.levels[0].checksums is None) == (version == "1_0")
    assert [(level.width, level.height) for level in index.levels] == [(70, 50), (35, 25)]
    y, x = np.mgrid[:50, :70]
    expected = np.stack([y * 300 + x * 7, (y * x) % 251 + 40000]).astype(np.uint16)
    pixels = TileReader(path, index).read(Window(0, 0, 70, 50))
    np.testing.assert_array_equal(pixels, expected)
    assert index.raster.bands[0].description == "slope"
    assert virtual_flac.verify(path).ok
