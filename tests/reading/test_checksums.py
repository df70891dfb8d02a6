"""Sound tiles in the wrong place: every reader that has the header tells, and names the tile.

Tiles of a raster of noise in row order are of few lengths, so that any two can change places, one
can lie over another, and those of another raster fit: each a complete FLAC stream of the right
size.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasters
import xarray as xr
import zarr
from click.testing import CliRunner
from virtualizarr import open_virtual_dataset
from zarr_flac import crc32, decode_tile

import virtual_flac
from virtual_flac import FLACParser, read_index, registry_for
from virtual_flac.cli.commands import app
from virtual_flac.errors import CorruptFlacError, FlacError
from virtual_flac.layouts import tiled
from virtual_flac.model.index import TileIndex
from virtual_flac.reports.query import read_found

TILE = 32
BANDS = 2
Where = tuple[int, int, int, int]
"""Level, plane, tile row, tile column."""


@pytest.fixture(scope="module", params=["band", "tile", "pixel"])
def flac(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A raster of noise; beside it another.flac, of other noise."""
    folder = tmp_path_factory.mktemp(request.param)
    rng = np.random.default_rng(1)
    for name in ("x", "another"):
        pixels = rng.integers(0, 1 << 16, (BANDS, 5 * TILE, 4 * TILE), np.uint16)
        rasters.write_tif(folder / f"{name}.tif", pixels)
        virtual_flac.write_flac(
            folder / f"{name}.tif", folder / f"{name}.flac", tile_size=TILE, overviews=[2],
            interleave=request.param, resampling="nearest", order="row",
        )  # fmt: skip
    return folder / "x.flac"


def bytes_of(flac: Path, where: Where) -> tuple[int, int]:
    level = read_index(flac).levels[where[0]]
    return int(level.offsets[where[1:]]), int(level.lengths[where[1:]])


def patched(flac: Path, name: str, tiles: dict[Where, bytes]) -> Path:
    """A copy of a file with other bytes of the same length for some tiles."""
    data = bytearray(flac.read_bytes())
    for where, tile in tiles.items():
        start, length = bytes_of(flac, where)
        assert len(tile) == length
        assert tile != data[start : start + length]
        data[start : start + length] = tile
    target = flac.with_name(f"{name}.flac")
    target.write_bytes(data)
    return target


def tile_bytes(flac: Path, where: Where) -> bytes:
    start, length = bytes_of(flac, where)
    return flac.read_bytes()[start : start + length]


def attacks(flac: Path) -> Iterator[tuple[Path, list[Where]]]:
    """Files with tiles in the wrong place, and which tiles these are."""
    index = read_index(flac)
    lengths = index.levels[0].lengths
    plane = lengths.shape[0] - 1
    one: Where = (0, plane, 1, 1)
    same = np.argwhere(lengths == lengths[one[1:]]).tolist()
    other: Where = (0, *next(where for where in reversed(same) if tuple(where) != one[1:]))  # type: ignore[assignment]
    first, second = tile_bytes(flac, one), tile_bytes(flac, other)
    yield patched(flac, "swapped", {one: second, other: first}), [one, other]
    yield patched(flac, "duplicated", {one: second}), [one]
    another = flac.with_name("another.flac")
    theirs = read_index(another).levels[0].lengths
    twin = tuple(np.argwhere(theirs == lengths[one[1:]])[0].tolist())
    yield patched(flac, "foreign", {one: tile_bytes(another, (0, *twin))}), [one]


def readers(flac: Path, folder: Path) -> dict[str, Callable[[], Any]]:
    """Everything that reads the whole raster by its header."""
    url = flac.as_uri()
    registry = registry_for(url)

    def virtual(**options: Any) -> xr.Dataset:
        loaded = ["band_data", "x", "y", "band"]
        return open_virtual_dataset(
            url, parser=FLACParser(**options), registry=registry, loadable_variables=loaded
        )

    def query() -> None:
        for _ in read_found(virtual_flac.query(flac)):
            pass

    def first(path: Path, **options: Any) -> Callable[[], Any]:
        return lambda: virtual_flac.extract(flac, path, **options)

    store = FLACParser()(url, registry)
    return {
        "engine": lambda: xr.open_dataset(flac, engine="flac").band_data.to_numpy(),
        "engine, dask": lambda: xr.open_dataset(flac, engine="flac", chunks={}).compute(),
        "engine, last band": lambda: xr.open_dataset(
            flac, engine="flac", bands=[BANDS], mask_and_scale=False
        ).band_data.to_numpy(),
        "tree": lambda: xr.open_datatree(flac, engine="flac")["full"].to_dataset().compute(),
        "Zarr": lambda: zarr.open_array(store, path="band_data", mode="r", zarr_format=3)[:],
        "virtual dataset": lambda: virtual().band_data.to_numpy(),
        "virtual dataset, last band": lambda: virtual(bands=[BANDS]).band_data.to_numpy(),
        "write_geotiff": lambda: virtual_flac.write_geotiff(flac, folder / "out.tif"),
        "write_flac": lambda: virtual_flac.write_flac(flac, folder / "out.flac"),
        "extract .tif": first(folder / "part.tif"),
        "extract .flac": first(folder / "part.flac", window=(1, 1, 4 * TILE - 1, 5 * TILE - 1)),
        "extract .png": first(folder / "part.png"),
        "preview": lambda: virtual_flac.preview(flac, size=5 * TILE, bands=[BANDS]),
        "compare": lambda: virtual_flac.compare(flac.with_name("x.tif"), flac),
        "query": query,
    }


def names(index: TileIndex, tiles: list[Where]) -> str:
    """The names of tiles as a pattern; `query` has no number of bands to name."""
    words = [index.tile_name(*where) for where in tiles]
    together = [word.replace(f"bands 1 to {BANDS}", "all bands") for word in words]
    return f"({'|'.join(map(re.escape, [*words, *together]))})"


def test_tiles_in_the_wrong_place(flac: Path, tmp_path: Path) -> None:
    index = read_index(flac)
    for path, tiles in attacks(flac):
        # What every check of FLAC's lets pass.
        spec = index.tile_spec(0)
        assert decode_tile(tile_bytes(path, tiles[0]), spec).shape == spec.chunk_shape
        message = f"{re.escape(str(path))}: {names(index, tiles)}: The CRC-32 of these bytes is"
        for reader, read in readers(path, tmp_path).items():
            with pytest.raises(FlacError) as error:
                read()
            assert isinstance(error.value, CorruptFlacError), reader
            assert re.search(message, str(error.value)), f"{reader}: {error.value}"
        assert not list(tmp_path.iterdir())
        found = virtual_flac.verify(path).faults
        assert {fault.name for fault in found} == {
            index.tile_name(*where).replace(f"bands 1 to {BANDS}", "all bands") for where in tiles
        }


def test_the_right_tiles_still_read(flac: Path, tmp_path: Path) -> None:
    for read in readers(flac, tmp_path).values():
        read()
    assert virtual_flac.verify(flac).ok


def test_tiles_of_overviews(flac: Path) -> None:
    lengths = read_index(flac).levels[1].lengths
    one: Where = (1, 0, 0, 0)
    [*_, last] = np.argwhere(lengths == lengths[one[1:]]).tolist()
    bad = patched(flac, "overview", {one: tile_bytes(flac, (1, *last))})
    store = FLACParser()(bad.as_uri(), registry_for(bad.as_uri()))
    for read in (
        lambda: xr.open_dataset(bad, engine="flac", overview=1).band_data.to_numpy(),
        lambda: zarr.open_array(store, path="overview_1/band_data", mode="r", zarr_format=3)[:],
        lambda: (
            FLACParser(overview=1)(bad.as_uri(), registry_for(bad.as_uri()))
            .to_virtual_dataset(loadable_variables=["band_data"])
            .load()
        ),
        lambda: store.to_virtual_datatree(loadable_variables=["band_data"]).load(),
        lambda: virtual_flac.extract(bad, bad.with_name("overview.tif"), level=1),
    ):
        with pytest.raises(CorruptFlacError, match=r"level 1, bands? 1.* tile \(0, 0\): The CRC"):
            read()
    xr.open_dataset(bad, engine="flac").band_data.to_numpy()


def test_a_window_beside_the_tile_reads(flac: Path) -> None:
    """Only what is read is checked."""
    path, _ = list(attacks(flac))[1]
    dataset = xr.open_dataset(path, engine="flac", mask_and_scale=False)
    expected = xr.open_dataset(flac, engine="flac", mask_and_scale=False)
    part = {"y": slice(2 * TILE, None)}
    xr.testing.assert_equal(dataset.isel(part), expected.isel(part))


def test_commands_name_the_tile(flac: Path, tmp_path: Path) -> None:
    path, tiles = list(attacks(flac))[1]
    wanted = names(read_index(flac), tiles)
    for words in (
        ["convert", path, "-o", tmp_path / "x.tif"],
        ["extract", path, "-o", tmp_path / "y.flac"],
        ["query", path, "--format", "data", "-o", tmp_path / "z.flac"],
    ):
        done = CliRunner().invoke(app, [*map(str, words)])
        assert done.exit_code == 1, done.output
        assert re.search(wanted, " ".join(done.output.split())), done.output
    assert not list(tmp_path.iterdir())


def test_query_copies_checked_tiles_in_pieces(flac: Path, monkeypatch: Any) -> None:
    """However small the pieces are; and tells, too, when the file is another one meanwhile."""
    found = virtual_flac.query(flac, window=(0, TILE, 4 * TILE, 2 * TILE), max_gap=1 << 20)
    [whole] = found.ranges
    for most in (1, 10_000, 1 << 20):
        monkeypatch.setattr("virtual_flac.reports.query.COPY_BYTES", most)
        pieces = list(read_found(found))
        assert b"".join(pieces) == flac.read_bytes()[whole.start : whole.end]
        assert len(pieces) == {1: len(found.tiles), 1 << 20: 1}.get(most, len(pieces))
    bad, _ = next(attacks(flac))
    with pytest.raises(CorruptFlacError, match="CRC-32"):
        list(read_found(replace(found, source=bad.as_uri(), version=read_index(bad).version)))


def test_files_without_checksums_still_read(flac: Path, tmp_path: Path) -> None:
    """Those of layout 1.0."""
    index = read_index(flac)
    levels = [replace(level, checksums=None) for level in index.levels]
    head = tiled.pack(index.raster, levels, tile_size=TILE, interleave=index.interleave)
    start = min(int(level.offsets.min()) for level in index.levels)
    old = flac.with_name("old.flac")
    old.write_bytes(head + flac.read_bytes()[start:])
    assert read_index(old).checksum(0, 0, 0, 0) is None
    for read in readers(old, tmp_path).values():
        read()
    pixels = xr.open_dataset(old, engine="flac").band_data
    np.testing.assert_array_equal(pixels, xr.open_dataset(flac, engine="flac").band_data)
    assert virtual_flac.verify(old).with_checksum == 0


def test_tables_say_the_checksums(flac: Path) -> None:
    index = read_index(flac)
    tile = next(iter(virtual_flac.spatial_info(flac)))
    assert tile.checksum == index.checksum(0, 0, 0, 0) == crc32(tile_bytes(flac, (0, 0, 0, 0)))
    assert tile.to_dict()["checksum"] == f"{tile.checksum:08x}"
