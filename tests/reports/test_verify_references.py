"""`verify` of references: each is to the tile that belongs there; what is not is named."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasters
import xarray as xr
from affine import Affine
from click.testing import CliRunner
from rasters import write_tif
from virtualizarr import open_virtual_dataset

import virtual_flac
from virtual_flac.cli.commands import app
from virtual_flac.errors import SelectionError, SourcePermissionError
from virtual_flac.publish import publish
from virtual_flac.references.locations import rebase
from virtual_flac.virtual.manifests import ChunkTables, chunk_tables, with_tables

KINDS = ("json", "parquet", "icechunk")
#: Shape (band, tile row, tile column) of every raster here but those of mosaics.
GRID = (2, 4, 3)
DATES = ("2026-01-01", "2026-02-01", "2026-03-01")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Rasters of noise, whose tiles are often of equal length: three dates, and two neighbours."""
    folder = tmp_path_factory.mktemp("placed")
    for seed, date in enumerate(DATES):
        write(folder / f"{date}.flac", seed)
        write(folder / f"{date}_B{seed + 3}.flac", seed + 10, bands=1)
        write(folder / f"{date}_pixel.flac", seed + 20, interleave="pixel")
    for name, left in (("west", 0), ("east", 64)):
        place = rasters.NORTH_UP @ Affine.translation(left, 0)
        write(folder / f"{name}.flac", left, width=64, transform=place)
    return folder


def write(
    path: Path, seed: int, *, bands: int = 2, height: int = 100, width: int = 90,
    transform: Affine = rasters.NORTH_UP, tile_size: int = 32, **options: Any,
) -> Path:  # fmt: skip
    pixels = np.random.default_rng(seed).integers(0, 256, (bands, height, width)).astype("uint8")
    write_tif(path.with_suffix(".tif"), pixels, transform=transform, nodata=0)
    virtual_flac.write_flac(
        path.with_suffix(".tif"), path, tile_size=tile_size, overviews=[2], overwrite=True,
        resampling="nearest", md5=True, **options,
    )  # fmt: skip
    return path


def virtual(path: Path, **options: Any) -> xr.Dataset:
    return open_virtual_dataset(
        str(path), parser=virtual_flac.FLACParser(**options),
        registry=virtual_flac.registry_for(path),
    )  # fmt: skip


def series(folder: Path, **options: Any) -> xr.Dataset:
    return virtual_flac.stack([folder / f"{date}.flac" for date in DATES], **options)


def mosaic(folder: Path) -> xr.Dataset:
    return virtual_flac.stack([folder / "east.flac", folder / "west.flac"], mosaic=True)


def by_band(folder: Path, **options: Any) -> xr.Dataset:
    return virtual_flac.stack(
        sorted(folder.glob("*_B?.flac")), pattern=r"_B(?P<band>\d)", **options
    )


#: How cubes are made, and of overviews and bands in any order.
CUBES: dict[str, Callable[[Path], xr.Dataset]] = {
    "raster": lambda folder: virtual(folder / f"{DATES[0]}.flac"),
    "bands": lambda folder: virtual(folder / f"{DATES[0]}.flac", bands=[2]),
    "bands, turned": lambda folder: virtual(folder / f"{DATES[0]}.flac", bands=[2, 1]),
    "overview": lambda folder: virtual(folder / f"{DATES[0]}.flac", overview=1),
    "no coordinates": lambda folder: virtual(folder / "east.flac", coordinates=False),
    "pixel": lambda folder: virtual(folder / f"{DATES[0]}_pixel.flac"),
    "pixel, bands": lambda folder: virtual(folder / f"{DATES[0]}_pixel.flac", bands=[2]),
    "series": series,
    "series of a band": lambda folder: series(folder, parser=virtual_flac.FLACParser(bands=[2])),
    "by band": by_band,
    "variables": lambda folder: by_band(folder, as_variables=True),
    "mosaic": mosaic,
    "part of a mosaic": lambda folder: mosaic(folder).isel(x=slice(64, 128)),
    "joined along band": lambda folder: xr.concat(
        [virtual(folder / f"{date}.flac") for date in DATES], dim="band"
    ),
    "bands of several": lambda folder: xr.concat(
        [virtual(folder / f"{DATES[band - 1]}.flac", bands=[band]) for band in (1, 2)], dim="band"
    ),
}


def published(vds: xr.Dataset, target: Path) -> Path:
    if target.suffix == ".icechunk":
        virtual_flac.write_icechunk(vds, target)
    else:
        virtual_flac.write_kerchunk(vds, target)
    return target


@pytest.mark.parametrize("how", CUBES)
def test_what_is_right_passes(how: str, folder: Path, tmp_path: Path) -> None:
    vds = CUBES[how](folder)
    report: Any = virtual_flac.verify(published(vds, tmp_path / "a.json"), headers_only=True)
    assert not report.faults
    tables = chunk_tables(vds).values()
    assert report.references == sum(np.count_nonzero(found.lengths) for found in tables)
    assert (report.tiles, report.bytes_read, report.absent) == (0, 0, 0)


def test_tiles_are_read_by_default(folder: Path, tmp_path: Path) -> None:
    for kind in KINDS:
        target = tmp_path / f"a.{kind}"
        publish(folder / f"{DATES[0]}.flac", target)
        report: Any = virtual_flac.verify(target)
        index = virtual_flac.read_index(folder / f"{DATES[0]}.flac")
        # Overviews are in Icechunk only.
        levels = index.levels if kind == "icechunk" else index.levels[:1]
        tiles = sum(level.lengths.size for level in levels)
        assert report.ok
        assert report.references == report.tiles == tiles
        assert report.with_checksum == report.with_md5 == tiles
        assert report.bytes_read == sum(int(level.lengths.sum()) for level in levels)


# --- What is wrong --------------------------------------------------------------------------------


def changed(vds: xr.Dataset, change: Callable[[Any, Any, Any], None]) -> xr.Dataset:
    """The same with other paths, offsets and lengths for its pixels."""
    tables = chunk_tables(vds)["band_data"]
    parts = [np.array(part) for part in (tables.paths, tables.offsets, tables.lengths)]
    change(*parts)
    return with_tables(vds, {"band_data": ChunkTables(*parts)})


def pair_of_equal_length(lengths: Any) -> list[tuple[int, ...]]:
    """Two chunks that only their place tells apart."""
    first: dict[int, tuple[int, ...]] = {}
    for cell in np.ndindex(lengths.shape):
        other = first.setdefault(int(lengths[cell]), cell)
        if other != cell:
            return [other, cell]
    raise AssertionError("no tiles of equal length")


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("how", ["raster", "series", "by band", "mosaic"])
def test_swapped_tiles(how: str, kind: str, folder: Path, tmp_path: Path) -> None:
    swapped: list[tuple[int, ...]] = []

    def swap(paths: Any, offsets: Any, lengths: Any) -> None:
        a, b = swapped[:] = pair_of_equal_length(lengths)
        for table in (paths, offsets, lengths):
            table[a], table[b] = table[b], table[a]

    vds = changed(CUBES[how](folder), swap)
    target = published(vds, tmp_path / f"a.{kind}")
    # Nobody who reads it can tell.
    virtual_flac.open_references(target).band_data.load()
    report: Any = virtual_flac.verify(target, headers_only=True)
    assert [fault.chunk for fault in report.faults] == swapped
    for fault in report.faults:
        assert re.search(
            r"band_data, chunk \([\d, ]+\), file://.*\.flac, bytes \d+ to \d+: is level 0, band "
            r"\d, tile \(\d, \d\), expected level 0, band \d, tile \(\d, \d\)",
            str(fault),
        )
    assert not virtual_flac.verify(target).ok


def elsewhere(folder: Path, name: str, number: tuple[int, ...] = (0, 0, 0), level: int = 0) -> Any:
    """Path, offset and length of a tile of another raster."""
    there = virtual_flac.read_index(folder / f"{name}.flac").levels[level]
    return f"file://{folder / f'{name}.flac'}", there.offsets[number], there.lengths[number]


def put(cell: tuple[int, ...], entry: Callable[[Any], Any]) -> Callable[..., None]:
    """Another entry for a chunk, made of what is there."""

    def change(*tables: Any) -> None:
        new = entry([table[cell] for table in tables])
        for table, value in zip(tables, new, strict=True):
            table[cell] = value

    return change


#: Cube, the chunk that is changed, the change, and what is said of it.
WRONG: dict[str, tuple[str, tuple[int, ...], Callable[[Path, Any], Any], str]] = {
    "longer": ("raster", (0, 1, 1), lambda f, e: (e[0], e[1], e[2] + 1), "is no tile of the file"),
    "moved": ("raster", (0, 1, 1), lambda f, e: (e[0], e[1] + 1, e[2]), "is no tile of the file"),
    "absent": ("raster", (1, 3, 2), lambda f, e: ("", 0, 0), "is absent, expected level 0, band 2"),
    "absent in a series": ("series", (1, 0, 3, 2), lambda f, e: ("", 0, 0), "is absent, expected"),
    "of another level": (
        "raster", (0, 0, 0), lambda f, e: elsewhere(f, DATES[0], level=1),
        r"is level 1, band 1, tile \(0, 0\), expected level 0, band 1",
    ),
    "of the full resolution": (
        "overview", (0, 0, 0), lambda f, e: elsewhere(f, DATES[0]),
        r"is level 0, band 1, tile \(0, 0\), expected level 1, band 1",
    ),
    "of another raster": (
        "raster", (0, 0, 0), lambda f, e: elsewhere(f, DATES[1]),
        rf"is level 0, band 1, tile \(0, 0\), expected .* of file://.*{DATES[0]}\.flac",
    ),
    "of another time": (
        "series", (1, 1, 2, 1), lambda f, e: elsewhere(f, DATES[2], (1, 2, 1)),
        rf"expected .* of file://.*{DATES[1]}\.flac",
    ),
    "of another band's file": (
        "by band", (1, 2, 1), lambda f, e: elsewhere(f, f"{DATES[0]}_B3", (0, 2, 1)),
        r"expected .* of file://.*_B4\.flac",
    ),
    "of a neighbour": (
        "mosaic", (0, 0, 3), lambda f, e: elsewhere(f, "west", (0, 0, 1)),
        r"expected level 0, band 1, tile \(0, 1\) of file://.*east\.flac",
    ),
    "of another band": (
        "series of a band", (2, 0, 0, 0), lambda f, e: elsewhere(f, DATES[2]),
        r"is level 0, band 1, tile \(0, 0\), expected level 0, band 2",
    ),
}  # fmt: skip


@pytest.mark.parametrize("what", WRONG)
def test_a_wrong_reference_is_named(what: str, folder: Path, tmp_path: Path) -> None:
    how, cell, entry, said = WRONG[what]
    vds = changed(CUBES[how](folder), put(cell, lambda old: entry(folder, old)))
    report: Any = virtual_flac.verify(published(vds, tmp_path / "a.json"), headers_only=True)
    assert [fault.chunk for fault in report.faults] == [cell]
    assert re.search(said, report.faults[0].what), report.faults[0]
    assert report.absent == (what.startswith("absent"))


def test_a_whole_plane_in_the_wrong_place(folder: Path, tmp_path: Path) -> None:
    def take_band(paths: Any, offsets: Any, lengths: Any) -> None:
        offsets[0], lengths[0] = offsets[1].copy(), lengths[1].copy()

    def swap_times(*tables: Any) -> None:
        for table in tables:
            table[:2, 0] = table[1::-1, 0].copy()

    def drop_band(paths: Any, offsets: Any, lengths: Any) -> None:
        paths[1], offsets[1], lengths[1] = "", 0, 0

    def swap_files(paths: Any, offsets: Any, lengths: Any) -> None:
        for table in (paths, offsets, lengths):
            table[..., :2], table[..., 2:] = table[..., 2:].copy(), table[..., :2].copy()

    rows = GRID[1] * GRID[2]
    for number, (how, change, wrong) in enumerate((
        ("raster", take_band, rows), ("series", swap_times, 2 * rows), ("raster", drop_band, rows),
        # Each lies where the coordinates say that the other is.
        ("mosaic", swap_files, 2 * GRID[1] * 4),
    )):  # fmt: skip
        vds = changed(CUBES[how](folder), change)
        target = published(vds, tmp_path / f"{number}.json")
        report: Any = virtual_flac.verify(target, headers_only=True)
        assert len(report.faults) == wrong, (how, report.faults[:3])


def test_overviews_are_in_their_groups(folder: Path, tmp_path: Path) -> None:
    flac = folder / f"{DATES[0]}.flac"
    for level in (0, 1):
        target = tmp_path / f"{level}.icechunk"
        virtual_flac.write_icechunk(
            virtual(flac), target, groups={"overview_1": virtual(flac, overview=level)}
        )
        report: Any = virtual_flac.verify(target, headers_only=True)
        assert report.ok == (level == 1)
        assert {fault.array for fault in report.faults} <= {"overview_1/band_data"}


def test_tiles_inside_the_references(folder: Path, tmp_path: Path) -> None:
    target = published(CUBES["raster"](folder), tmp_path / "a.json")
    document = json.loads(target.read_text())
    document["refs"]["band_data/0.1.2"] = "base64:AAAA"
    target.write_text(json.dumps(document))
    [fault] = virtual_flac.verify(target, headers_only=True).faults
    assert str(fault).startswith("band_data, chunk (0, 1, 2): is inside the references")


@pytest.mark.parametrize("kind", ["json", "icechunk"])
def test_files_that_were_replaced(kind: str, tmp_path: Path) -> None:
    def reason() -> str:
        report: Any = virtual_flac.verify(target, headers_only=True)
        assert report.faults
        return "\n".join(map(str, report.faults))

    flac = write(tmp_path / "a.flac", 0)
    target = published(virtual(flac), tmp_path / f"a.{kind}")
    original, moment = flac.read_bytes(), os.stat(flac)
    write(flac, 0, tile_size=64)
    assert "its tiles are (64, 64), the chunks of the references (32, 32)" in reason()
    write(flac, 0, bands=1)
    assert "expected" in reason() or "is no tile of the file" in reason()
    flac.write_bytes(b"garbage" * 1000)
    assert f"band_data, file://{flac}: " in reason()
    flac.unlink()
    assert "no such file" in reason()
    # The same again: right for kerchunk, and for Icechunk, which compares times, another file.
    flac.write_bytes(original)
    later = moment.st_mtime + 10
    os.utime(flac, (later, later))
    if kind == "icechunk":
        assert re.search(r"chunk \(0, 0, 0\), .*: .*changed", reason())
        os.utime(flac, ns=(moment.st_atime_ns, moment.st_mtime_ns))
    assert virtual_flac.verify(target).ok


def test_damaged_tiles_are_named_by_their_chunks(tmp_path: Path) -> None:
    flac = write(tmp_path / "2026-01-01.flac", 0)
    target = published(virtual_flac.stack([flac]), tmp_path / "a.json")
    level = virtual_flac.read_index(flac).levels[0]
    data = bytearray(flac.read_bytes())
    data[int(level.offsets[1, 2, 1]) + 60] ^= 1
    flac.write_bytes(data)
    assert virtual_flac.verify(target, headers_only=True).ok
    [fault] = virtual_flac.verify(target).faults
    assert isinstance(fault, virtual_flac.reports.verify_references.ReferenceFinding)
    assert fault.chunk == (0, 1, 2, 1)
    assert "The CRC-32 of these bytes is" in str(fault)


# --- Requests, trust, commands --------------------------------------------------------------------


def test_one_request_a_header_and_few_for_tiles(
    folder: Path, tmp_path: Path, range_server: Callable[..., Any]
) -> None:
    server = range_server(folder)
    local = published(rebase(series(folder), server.url), tmp_path / "a.json")
    for headers_only, requests in ((True, 3), (False, 6)):
        server.reset()
        assert virtual_flac.verify(local, headers_only=headers_only).ok
        assert len(server.log()) == requests


def test_files_of_this_machine_only_if_allowed(
    folder: Path, tmp_path: Path, range_server: Callable[..., Any]
) -> None:
    (tmp_path / "www").mkdir()
    server = range_server(tmp_path / "www")
    for kind in ("json", "icechunk"):
        published(CUBES["raster"](folder), tmp_path / "www" / f"a.{kind}")
        url = f"{server.url}/a.{kind}"
        with pytest.raises(SourcePermissionError, match="allow_local=True"):
            virtual_flac.verify(url)
        assert virtual_flac.verify(url, allow_local=True, headers_only=True).ok
        done = CliRunner().invoke(app, ["verify", url])
        assert done.exit_code == 1
        assert "--allow-local" in done.stderr
        assert CliRunner().invoke(app, ["verify", url, "--allow-local"]).exit_code == 0


def test_command(folder: Path, tmp_path: Path) -> None:
    def run(*words: Any, code: int = 0) -> Any:
        done = CliRunner().invoke(app, ["verify", *map(str, words)])
        assert done.exit_code == code, done.output
        return done

    good = published(CUBES["series"](folder), tmp_path / "good.json")
    shown = run(good).stdout
    assert "72 byte ranges in 3 files" in shown
    assert "72 by a checksum of all bytes" in shown
    assert "not read" in run(good, "--headers-only").stdout
    assert run(good, "--quiet").output == ""
    report = json.loads(run(good, "--json").stdout)
    assert (report["ok"], report["kind"], report["tiles"]) == (True, "kerchunk JSON", 72)
    cell, entry = (0, 0, 1, 1), elsewhere(folder, DATES[0], (0, 1, 2))
    bad = published(changed(series(folder), put(cell, lambda _: entry)), tmp_path / "bad.json")
    shown = run(bad, "--headers-only", code=1).stdout
    assert "0, 0, 1, 1" in shown
    assert "expected level 0, band 1, tile (1, 1)" in shown
    report = json.loads(run(bad, "--json", "--headers-only", code=1).stdout)
    [fault] = report["faults"]
    assert (fault["array"], fault["chunk"], fault["url"]) == ("band_data", list(cell), entry[0])
    assert "band_data, chunk (0, 0, 1, 1)" in run(bad, "-q", code=1).stderr
    with pytest.raises(SelectionError, match="is for references"):
        virtual_flac.verify(folder / f"{DATES[0]}.flac", headers_only=True)
