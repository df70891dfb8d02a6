"""`verify`: every flipped bit is found and its tile named; sound files are sound."""

from __future__ import annotations

import zlib
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasters
import servers
from rasters import write_tif

from virtual_flac import read_index, verify, write_flac
from virtual_flac.errors import LayoutError, SourceNotFoundError
from virtual_flac.reports.spatial_info import Tile, TileTable
from virtual_flac.reports.tile_check import check_tile

#: Dtype, bands, interleave: one channel and several, samples and pairs of them.
KINDS = {
    "uint16": ("uint16", 1, "band"),
    "float32": ("float32", 2, "tile"),
    "int64": ("int64", 2, "pixel"),
    "uint8": ("uint8", 3, "pixel"),
}


@pytest.fixture(scope="module", params=KINDS)
def flac(request: Any, tmp_path_factory: Any) -> Path:
    dtype, bands, interleave = KINDS[request.param]
    folder = tmp_path_factory.mktemp("verify")
    data = rasters.pixels(dtype, bands, 100, 90)
    write_tif(folder / "x.tif", data)
    write_flac(
        folder / "x.tif", folder / "x.flac", tile_size=32, interleave=interleave, overviews=[2],
        resampling="nearest", md5=True,
    )  # fmt: skip
    return folder / "x.flac"


def tiles(index: Any) -> list[tuple[int, int, Tile]]:
    """Offset, length and all of every tile."""
    return [(tile.offset, tile.length, tile) for tile in TileTable(source="", index=index)]


def at(listed: list[tuple[int, int, Tile]], byte: int) -> Tile:
    [place] = [place for start, length, place in listed if start <= byte < start + length]
    return place


def named(found: Any) -> tuple[Any, ...]:
    """Which tile: of a `Tile` or of what was found of it."""
    return found.level, found.band, found.row, found.col


@pytest.mark.parametrize("name", sorted(rasters.CASES))
def test_what_we_write_is_whole(name: str, tmp_path: Path) -> None:
    source = rasters.make(name, tmp_path)
    index = write_flac(source, tmp_path / "x.flac", tile_size=32)
    report = verify(tmp_path / "x.flac")
    assert report.ok
    assert not report.faults + report.losses
    assert report.tiles == report.with_checksum == index.tile_count
    assert report.with_md5 == 0
    head = 4 + int.from_bytes((tmp_path / "x.flac").read_bytes()[:4], "big")
    assert report.bytes_read == report.file_size - head


def test_tiles_have_an_md5_where_it_was_asked_for(flac: Path) -> None:
    report = verify(flac)
    assert report.ok
    assert report.tiles == report.with_checksum == report.with_md5


def test_every_bit_counts(flac: Path) -> None:
    """500 flips for each of four kinds of file: 2,000."""
    index = read_index(flac)
    whole = flac.read_bytes()
    listed = tiles(index)
    first = min(start for start, _, _ in listed)
    rng = np.random.default_rng(8)
    for bit in rng.integers(first * 8, len(whole) * 8, 500).tolist():
        byte = bit // 8
        place = at(listed, byte)
        [(start, length)] = [(s, n) for s, n, p in listed if p == place]
        data = bytearray(whole[start : start + length])
        assert not check_tile(index, place, bytes(data)).damage
        data[byte - start] ^= 1 << bit % 8
        assert check_tile(index, place, bytes(data)).damage, f"bit {bit % 8} of byte {byte}"


def test_every_bit_of_one_tiles_head_counts(flac: Path) -> None:
    index = read_index(flac)
    start, length, place = tiles(index)[0]
    data = flac.read_bytes()[start : start + length]
    for bit in range(8 * min(400, length)):
        changed = bytearray(data)
        changed[bit // 8] ^= 1 << bit % 8
        assert check_tile(index, place, bytes(changed)).damage


def test_the_tile_is_named(flac: Path, tmp_path: Path) -> None:
    whole = flac.read_bytes()
    listed = tiles(read_index(flac))
    first = min(start for start, _, _ in listed)
    rng = np.random.default_rng(9)
    for bit in rng.integers(first * 8, len(whole) * 8, 50).tolist():
        data = bytearray(whole)
        data[bit // 8] ^= 1 << bit % 8
        (tmp_path / "bad.flac").write_bytes(data)
        report = verify(tmp_path / "bad.flac", workers=1)
        [fault] = report.faults
        assert not report.ok
        place = at(listed, bit // 8)
        assert named(fault) == named(place)
        assert fault.offset <= bit // 8 < fault.offset + fault.length
        assert f"tile ({place.row}, {place.col})" in str(fault)


def test_it_goes_on_behind_the_first_fault(flac: Path, tmp_path: Path) -> None:
    data = bytearray(flac.read_bytes())
    listed = tiles(read_index(flac))
    for start, length, _ in listed[::3]:
        data[start + length // 2] ^= 4
    (tmp_path / "bad.flac").write_bytes(data)
    found = verify(tmp_path / "bad.flac").faults
    assert [named(fault) for fault in found] == [named(place) for _, _, place in listed[::3]]


def without_checksums(index: Any) -> Any:
    return replace(index, levels=tuple(replace(lev, checksums=None) for lev in index.levels))


def test_samples_need_no_checksum_in_the_index(flac: Path) -> None:
    """Files of layout 1.0 and of others: FLAC's own checksums guard frames, the MD5 samples."""
    index = without_checksums(read_index(flac))
    whole = flac.read_bytes()
    rng = np.random.default_rng(10)
    for start, length, place in tiles(index):
        data = bytearray(whole[start : start + length])
        assert not check_tile(index, place, bytes(data)).damage
        # Behind STREAMINFO's sizes: from its number of samples on, MD5 included.
        for byte in [*range(22, 42), *rng.integers(length * 3 // 4, length, 5)]:
            data[byte] ^= 1
            assert check_tile(index, place, bytes(data)).damage, byte
            data[byte] ^= 1


@pytest.mark.parametrize(
    ("what", "change"),
    [
        ("frames have", lambda tile: tile[:12] + b"\0\0\1" + tile[15:]),
        ("GEOSPATIAL_WIDTH", lambda tile: tile.replace(b"_WIDTH=32", b"_WIDTH=31")),
        ("GEOSPATIAL_DTYPE", lambda tile: tile.replace(b"_DTYPE=", b"_DTYPF=")),
        ("fLaC", lambda tile: b"flac" + tile[4:]),
    ],
)
def test_heads_are_compared_with_the_index(
    flac: Path, tmp_path: Path, what: str, change: Any
) -> None:
    """In row order: a predicted tile has other words for its size and dtype."""
    row = tmp_path / "row.flac"
    write_flac(flac.with_suffix(".tif"), row, tile_size=32, order="row")
    index = without_checksums(read_index(row))
    start, length, place = tiles(index)[0]
    found = check_tile(index, place, change(row.read_bytes()[start : start + length]))
    assert what in " ".join(found.damage)


def test_a_tile_of_another_place_is_found(flac: Path, tmp_path: Path) -> None:
    index = read_index(flac)
    (one, size, first), *rest = tiles(index)
    data = bytearray(flac.read_bytes())
    for start, length, place in rest:
        if length == size:
            data[one : one + size], data[start : start + length] = (
                data[start : start + length], data[one : one + size],
            )  # fmt: skip
            (tmp_path / "bad.flac").write_bytes(data)
            assert [named(f) for f in verify(tmp_path / "bad.flac").faults] == [
                *map(named, (first, place))
            ]
            return
    # No two of equal length: then the checksum alone must tell.
    assert zlib.crc32(data[one : one + size]) == index.levels[0].checksums[0, 0, 0]


def test_bytes_of_no_tile(flac: Path, tmp_path: Path) -> None:
    data = flac.read_bytes()
    (tmp_path / "long.flac").write_bytes(data + b"more")
    report = verify(tmp_path / "long.flac")
    assert report.unclaimed == ((len(data), len(data) + 4),)
    assert not report.ok
    assert not report.faults


def test_no_file_no_head(flac: Path, tmp_path: Path) -> None:
    with pytest.raises(SourceNotFoundError):
        verify(tmp_path / "none.flac")
    data = bytearray(flac.read_bytes())
    (tmp_path / "cut.flac").write_bytes(data[:-1])
    with pytest.raises(LayoutError, match="cut short"):
        verify(tmp_path / "cut.flac")
    data[100] ^= 1
    (tmp_path / "bad.flac").write_bytes(data)
    with pytest.raises(LayoutError):
        verify(tmp_path / "bad.flac")


def test_over_http_in_few_requests(tmp_path: Path, range_server: Any) -> None:
    data = rasters.pixels("uint16", 1, 500, 700)
    write_tif(tmp_path / "x.tif", data)
    index = write_flac(tmp_path / "x.tif", tmp_path / "x.flac", tile_size=32, overviews="auto")
    url = servers.url_of(range_server(tmp_path), "x.flac")
    registry, trace = servers.counting_registry(url)
    seen: list[tuple[int, int]] = []
    report = verify(url, registry=registry, progress=lambda done, total: seen.append((done, total)))
    assert report.ok
    assert report.tiles == index.tile_count > 400
    # The head, its size, and all tiles in one piece.
    assert trace.total_requests <= 4
    assert trace.total_bytes <= 80 * 1024 + 4 + report.bytes_read
    assert seen[-1] == (report.bytes_read, report.bytes_read)


def test_memory_is_bounded_by_pieces(flac: Path, monkeypatch: Any) -> None:
    """However small the pieces are, all tiles are checked once."""
    monkeypatch.setattr("virtual_flac.reports.tile_pass.READ_BYTES", 1000)
    steps: list[int] = []
    report = verify(flac, progress=lambda done, total: steps.append(done))
    assert report.ok
    assert len(steps) > 5
    assert steps == sorted(set(steps))


@pytest.mark.parametrize(
    ("dtype", "low", "high", "lossy"),
    [
        ("uint8", 0, 255, False),
        ("uint16", 100, 7100, False),
        ("uint16", 0, 60_000, False),
        ("uint16", 0, 59_999, True),
        ("int16", -400, 4000, False),
        ("int32", 0, 1_000_000, False),
        ("uint32", 0, 4_000_000_000, True),
        ("float32", 0, 30, True),
    ],
)
def test_what_flac_raster_lost(
    dtype: str, low: int, high: int, lossy: bool, flac_raster: Any, tmp_path: Path
) -> None:
    rng = np.random.default_rng(3)
    data = rng.integers(low, high, (90, 80), endpoint=True).astype(dtype)
    # Around the middle two values share a sample, when the range is wide.
    middle = (low + high) // 2
    data[:, 0], data[:, 1], data[:, 2], data[:, 3] = low, high, middle, middle + 1
    write_tif(tmp_path / "x.tif", data[None])
    theirs = flac_raster.create_streaming(tmp_path / "x.tif", tmp_path / "theirs.flac", 64)
    report = verify(theirs)
    assert report.ok, report.faults
    assert report.with_checksum == report.with_md5 == 0
    assert bool(report.losses) is lossy


def test_the_count_of_lost_pixels_is_right(flac_raster: Any, tmp_path: Path) -> None:
    """Against flac-raster's expression itself: pixels whose sample another value has, too."""
    data = np.arange(50_000, dtype="uint16").reshape(200, 250)
    write_tif(tmp_path / "x.tif", data[None])
    theirs = flac_raster.create_streaming(tmp_path / "x.tif", tmp_path / "theirs.flac", 256)
    [loss] = verify(theirs).losses
    images = ((2.0 * data.ravel() / 49_999 - 1.0) * 32767).astype(np.int16)
    _, counts = np.unique(images, return_counts=True)
    # Of each group only the value that was chosen is counted as often as the group is large.
    assert int(loss.what.split()[0]) == counts[counts > 1].sum()
