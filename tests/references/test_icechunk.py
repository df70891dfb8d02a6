"""Icechunk repositories: changed sources are noticed, cubes grow, keys stay out; requests."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any

import icechunk
import numpy as np
import pytest
import rasterio
import rioxarray  # noqa: F401  (registers the accessor `rio`)
import xarray as xr
from click.testing import CliRunner
from fresh_process import Elsewhere
from rasters import NORTH_UP, write_tif
from virtualizarr import open_virtual_dataset

import virtual_flac
from virtual_flac.cli.commands import app
from virtual_flac.errors import (
    MismatchError,
    ReferencesError,
    SelectionError,
    SourceChangedError,
    SourceError,
    SourceNotFoundError,
    TargetExistsError,
)
from virtual_flac.publish import publish
from virtual_flac.references.locations import check_sources, rebase, source_prefixes

TILE = 64


def write(path: Path, seed: int, *, shape: tuple[int, ...] = (1, 150, 130), **profile: Any) -> Path:
    data = np.random.default_rng(seed).integers(0, 900, shape).astype("uint16")
    path.parent.mkdir(parents=True, exist_ok=True)
    tif = write_tif(path.with_suffix(".tif"), data, **profile)
    virtual_flac.write_flac(tif, path, tile_size=TILE, overwrite=True)
    return path


def stored(paths: list[Path]) -> Any:
    return np.stack([rasterio.open(path.with_suffix(".tif")).read() for path in paths])


@pytest.fixture
def series(tmp_path: Path) -> list[Path]:
    return [write(tmp_path / "in" / f"2026-0{n}-01.flac", n) for n in range(1, 6)]


@pytest.fixture(scope="module")
def day(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write(tmp_path_factory.mktemp("day") / "2026-01-01.flac", 1)


# --- Changed sources ------------------------------------------------------------------------------


def replace_source(path: Path) -> None:
    """Other pixels under the same name, later."""
    before = path.stat().st_mtime
    write(path, 99)
    later = max(time.time(), before) + 2
    os.utime(path, (later, later))


@pytest.mark.parametrize("how", ["stack", "open_virtual_dataset"])
@pytest.mark.parametrize("where", ["local", "http"])
def test_a_changed_source_is_noticed(
    where: str, how: str, series: list[Path], tmp_path: Path, range_server: Callable[..., Any]
) -> None:
    urls = [str(path) for path in series]
    if where == "http":
        server = range_server(series[0].parent)
        urls = [f"{server.url}/{path.name}" for path in series]
    # Long before the repository is written: what counts is the sources' own time.
    for path in series:
        os.utime(path, (1.7e9, 1.7e9 + 0.5))
    target = tmp_path / "cube.icechunk"
    if how == "stack":
        virtual_flac.write_icechunk(virtual_flac.stack(urls), target)
    else:
        registry = virtual_flac.registry_for(urls)
        vds = open_virtual_dataset(urls[1], parser=virtual_flac.FLACParser(), registry=registry)
        virtual_flac.write_icechunk(vds, target)
    cube = virtual_flac.open_references(target, cache=False).band_data
    expected = stored(series) if how == "stack" else stored(series)[1]
    np.testing.assert_array_equal(cube, expected)
    write(series[1], 99)
    # Still long ago, as archives that are unpacked have it, yet not what was scanned.
    os.utime(series[1], (1.7e9 + 100, 1.7e9 + 100))
    if how == "stack":
        np.testing.assert_array_equal(cube[[0, 2, 3, 4]], expected[[0, 2, 3, 4]])
        cube = cube[1]
    with pytest.raises(SourceChangedError, match=r"band_data, chunk .*changed.*2026-02-01\.flac"):
        cube.to_numpy()


def test_a_changed_object_is_noticed_by_its_etag(
    series: list[Path], tmp_path: Path, s3_server: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    files = {f"a/{path.name}": path for path in series}
    options = s3_server.upload("changing", files)
    urls = [f"s3://changing/{key}" for key in files]
    target = tmp_path / "cube.icechunk"
    cube = virtual_flac.stack(urls, registry=virtual_flac.registry_for(urls, **options))
    virtual_flac.write_icechunk(cube, target, store_options=options)
    ours = virtual_flac.open_references(target, store_options=options, cache=False).band_data
    np.testing.assert_array_equal(ours, stored(series))
    # Within the same second; only the etag tells.
    s3_server.client().put_object(
        Bucket="changing", Key=f"a/{series[1].name}", Body=series[2].read_bytes()
    )
    with pytest.raises(SourceChangedError, match=r"band_data, chunk .*changed.*2026-02-01\.flac"):
        ours[1].to_numpy()
    np.testing.assert_array_equal(ours[0], stored(series)[0])
    # What is secret is not in the repository; where things are, is.
    text = b"".join(path.read_bytes() for path in target.rglob("*") if path.is_file())
    assert s3_server.secret_access_key.encode() not in text
    assert s3_server.access_key_id.encode() not in text
    # The environment gives keys to a reader as well.
    for name in ("access_key_id", "secret_access_key"):
        monkeypatch.setenv(f"AWS_{name.upper()}", getattr(s3_server, name))
    again = virtual_flac.open_references(target).band_data[0]
    np.testing.assert_array_equal(again, stored(series)[0])
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "wrong-secret-of-mine")
    with pytest.raises(SourceError) as error:
        virtual_flac.open_references(target).band_data[0].to_numpy()
    assert "wrong-secret-of-mine" not in str(error.value)


def test_a_public_bucket_needs_no_keys(
    day: Path, lenient_s3: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    elsewhere: Elsewhere,
) -> None:  # fmt: skip
    options = lenient_s3.upload("public-object", {day.name: day})
    lenient_s3.client().put_object_acl(Bucket="public-object", Key=day.name, ACL="public-read")
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name, raising=False)
    public = {k: v for k, v in options.items() if "key" not in k} | {"skip_signature": True}
    target = tmp_path / "cube.icechunk"
    result = publish(
        [f"s3://public-object/{day.name}"], target, cube={"dim": "time"}, store_options=public
    )
    np.testing.assert_array_equal(
        virtual_flac.open_references(target, store_options=public).band_data, stored([day])
    )
    assert "s3_anonymous_credentials" in result.snippet
    seen = elsewhere.run(result.snippet)
    np.testing.assert_array_equal(seen["band_data"], stored([day]))


def test_repositories_on_s3(series: list[Path], s3_server: Any) -> None:
    options = s3_server.upload("cubes", {"in/a.flac": series[0], "in/b.flac": series[1]})
    target = "s3://cubes/out/cube"
    urls = ["s3://cubes/in/a.flac", "s3://cubes/in/b.flac"]
    for number, url in enumerate(urls):
        vds = virtual_flac.stack(
            [url], dim="run", values=[number], registry=virtual_flac.registry_for(url, **options)
        )
        virtual_flac.write_icechunk(
            vds, target, append_dim="run" if number else None, store_options=options
        )
    cube = virtual_flac.open_references(target, store_options=options)
    np.testing.assert_array_equal(cube.band_data, stored(series[:2]))
    with pytest.raises(TargetExistsError, match="out/cube exists"):
        virtual_flac.write_icechunk(vds, target, store_options=options)


# --- Appending ------------------------------------------------------------------------------------


def test_cubes_grow(series: list[Path], tmp_path: Path) -> None:
    target = tmp_path / "cube.icechunk"
    virtual_flac.write_icechunk(virtual_flac.stack(series[:1]), target)
    virtual_flac.write_icechunk(virtual_flac.stack(series[1:4]), target, append_dim="time")
    before = icechunk.Repository.open(icechunk.local_filesystem_storage(str(target)))
    # From another folder, and at an hour of the day.
    moved = series[4].parent.parent / "other" / "scene.flac"
    write(moved, 5)
    virtual_flac.write_icechunk(
        virtual_flac.stack([moved], values=[datetime(2026, 5, 1, 10, 30)]), target,
        append_dim="time",
    )  # fmt: skip
    cube = virtual_flac.open_references(target, cache=False)
    np.testing.assert_array_equal(cube.band_data, stored(series))
    assert cube.time.values[-1] == np.datetime64("2026-05-01T10:30")
    assert cube.rio.crs == rasterio.CRS.from_epsg(32633)
    assert set(cube.coords) == {"time", "band", "y", "x", "spatial_ref"}
    assert len(list(before.ancestry(branch="main"))) == 4
    replace_source(moved)
    with pytest.raises(SourceChangedError, match=r"band_data, chunk .*changed.*scene\.flac"):
        cube.band_data[4].to_numpy()


def test_several_dimensions_and_variables_grow(tmp_path: Path) -> None:
    paths = {
        (date, band): write(tmp_path / f"{band}_2026010{date}.flac", 10 * date + number)
        for date in (1, 2)
        for number, band in enumerate(("B04", "B08"))
    }
    pattern = r"(?P<band>B..)_%Y%m%d"
    for as_variables in (False, True):
        target = tmp_path / f"{as_variables}.icechunk"
        for date in (1, 2):
            cube = virtual_flac.stack(
                [path for key, path in paths.items() if key[0] == date],
                pattern=pattern, as_variables=as_variables,
            )  # fmt: skip
            virtual_flac.write_icechunk(cube, target, append_dim="time" if date == 2 else None)
        again = virtual_flac.open_references(target)
        for (date, band), path in paths.items():
            at = ("B04", "B08").index(band)
            found = again[band] if as_variables else again.band_data[:, at]
            np.testing.assert_array_equal(found[date - 1], stored([path])[0, 0])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"shape": (1, 150, 131)}, r"shape of band_data is .*150, 130.* there and .*150, 131"),
        ({"crs": "EPSG:32634"}, r"crs_wkt of spatial_ref is|of spatial_ref is"),
        ({"nodata": 3}, r"_FillValue of band_data is None there and"),
        ({"transform": NORTH_UP @ NORTH_UP.translation(1, 0)}, r"GeoTransform of spatial_ref|x is"),
    ],
)
def test_what_does_not_fit_is_not_appended(
    change: dict[str, Any], message: str, series: list[Path], tmp_path: Path
) -> None:
    target = tmp_path / "cube.icechunk"
    virtual_flac.write_icechunk(virtual_flac.stack(series[:2]), target)
    odd = virtual_flac.stack([write(tmp_path / "2026-09-01.flac", 9, **change)])
    with pytest.raises(MismatchError, match=message):
        virtual_flac.write_icechunk(odd, target, append_dim="time")
    np.testing.assert_array_equal(
        virtual_flac.open_references(target).band_data, stored(series[:2])
    )


def test_overlaps_are_not_appended(series: list[Path], tmp_path: Path) -> None:
    target = tmp_path / "cube.icechunk"
    virtual_flac.write_icechunk(virtual_flac.stack(series[1:3]), target)

    def append(paths: list[Path], **options: Any) -> None:
        virtual_flac.write_icechunk(virtual_flac.stack(paths, **options), target, append_dim="time")

    with pytest.raises(MismatchError, match=r"time 2026-03-01.* is there already \(1 of the 2"):
        append(series[2:4])
    with pytest.raises(MismatchError, match=r"2026-01-01.* comes before 2026-03-01"):
        append(series[:1])
    with pytest.raises(SelectionError, match="no dimension 'run'"):
        virtual_flac.write_icechunk(virtual_flac.stack(series[3:]), target, append_dim="run")
    parser = virtual_flac.FLACParser(coordinates=False)
    with pytest.raises(MismatchError, match="variables is"):
        append(series[3:], parser=parser)
    with pytest.raises(SourceNotFoundError, match="no Icechunk repository"):
        virtual_flac.write_icechunk(
            virtual_flac.stack(series), tmp_path / "none", append_dim="time"
        )
    np.testing.assert_array_equal(
        virtual_flac.open_references(target).band_data, stored(series[1:3])
    )


def test_longer_words_are_not_cut(series: list[Path], tmp_path: Path) -> None:
    target = tmp_path / "cube.icechunk"
    first = virtual_flac.stack(series[:1], dim="run", values=["a"])
    virtual_flac.write_icechunk(first, target)
    second = virtual_flac.stack(series[1:2], dim="run", values=["longer"])
    with pytest.raises(MismatchError, match="of at most 1 letters"):
        virtual_flac.write_icechunk(second, target, append_dim="run")
    third = virtual_flac.stack(series[1:2], dim="run", values=["b"])
    virtual_flac.write_icechunk(third, target, append_dim="run")
    assert virtual_flac.open_references(target).run.values.tolist() == ["a", "b"]


def test_append_on_the_command_line(series: list[Path], tmp_path: Path) -> None:
    target = tmp_path / "cube.icechunk"

    def run(*arguments: Any) -> Any:
        return CliRunner().invoke(app, ["stack", *map(str, arguments), "-o", str(target)])

    missing = run(*series[:2], "--append")
    assert missing.exit_code == 1
    assert "no repository to append to" in missing.stderr
    assert run(*series[:2]).exit_code == 0
    done = run(*series[2:], "--append", "--json")
    assert done.exit_code == 0, done.output
    assert json.loads(done.stdout)["sizes"]["time"] == 5
    assert virtual_flac.open_references(target).sizes["time"] == 5
    again = run(*series[2:], "--append")
    assert again.exit_code == 1
    assert "is there already (3 of the 3" in again.stderr


# --- Other URLs -----------------------------------------------------------------------------------


@pytest.mark.parametrize("suffix", ["json", "parquet", "icechunk"])
def test_references_point_to_where_files_will_be(
    suffix: str, series: list[Path], tmp_path: Path, range_server: Callable[..., Any]
) -> None:
    inner = write(series[0].parent / "more" / "2026-07-01.flac", 7)
    sources = [*series, inner]
    server = range_server(series[0].parent)
    target = tmp_path / f"cube.{suffix}"
    result = publish(sources, target, base_url=server.url)
    assert server.log() == []
    assert result.sources[-1] == f"file://{inner}"
    cube = virtual_flac.open_references(target).band_data
    np.testing.assert_array_equal(cube, stored(sources))
    paths = {request.path for request in server.log()}
    assert paths == {f"/{path.relative_to(series[0].parent)}" for path in sources}
    # Nothing is known of the files there: they may be uploaded later.
    os.utime(inner)
    np.testing.assert_array_equal(virtual_flac.open_references(target).band_data, stored(sources))


def test_files_elsewhere_are_checked(
    series: list[Path], tmp_path: Path, range_server: Callable[..., Any]
) -> None:
    server = range_server(series[0].parent)
    target = tmp_path / "cube.icechunk"
    arguments = ["--base-url", server.url, "--check-base-url", "-o", str(target)]
    done = CliRunner().invoke(app, ["stack", *map(str, series), *arguments])
    assert done.exit_code == 0, done.output
    assert [request.method for request in server.log()] == ["HEAD"] * len(series)
    replace_source(series[2])
    with pytest.raises(SourceChangedError, match=r"band_data, chunk .*changed.*2026-03-01\.flac"):
        virtual_flac.open_references(target).band_data[2].to_numpy()
    cube = rebase(virtual_flac.stack(series), server.url)
    assert source_prefixes(cube) == [f"{server.url}/"]
    registry = virtual_flac.registry_for(server.url)
    series[1].write_bytes(series[1].read_bytes() + b"x")
    with pytest.raises(SourceChangedError, match=r"2026-02-01\.flac: is not the file.*size"):
        check_sources(cube, registry)
    series[0].unlink()
    with pytest.raises(SourceNotFoundError, match=r"2026-01-01\.flac"):
        check_sources(cube, registry)
    done = CliRunner().invoke(app, ["stack", str(series[1]), "--check-base-url", "-o", "a.json"])
    assert done.exit_code == 2


# --- Requests -------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def year(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    folder = tmp_path_factory.mktemp("year")
    shape = (1, 4 * 256, 3 * 256)
    paths = []
    for n in range(24):
        path = folder / f"2026{n // 2 + 1:02}{n % 2 * 14 + 1:02}.flac"
        data = np.random.default_rng(n).integers(0, 900, shape).astype("uint16")
        virtual_flac.write_flac(write_tif(path.with_suffix(".tif"), data), path, tile_size=256)
        paths.append(path)
    return paths


def open_by_snippet(snippet: str) -> xr.Dataset:
    names: dict[str, Any] = {}
    exec(snippet, names)
    dataset: xr.Dataset = names["ds"]
    return dataset


@pytest.mark.parametrize("suffix", ["json", "parquet", "icechunk"])
@pytest.mark.parametrize("reader", ["open_references", "snippet"])
def test_a_window_through_time_costs_its_tiles(
    suffix: str, reader: str, year: list[Path], tmp_path: Path, range_server: Callable[..., Any]
) -> None:
    server = range_server(year[0].parent)
    target = tmp_path / f"cube.{suffix}"
    result = publish([f"{server.url}/{path.name}" for path in year], target)
    opening = server.log()
    assert len(opening) == 24
    server.reset()
    by_snippet = reader == "snippet"
    ds = open_by_snippet(result.snippet) if by_snippet else virtual_flac.open_references(target)
    window = ds.band_data[:, 0, 256:512, 512:768].to_numpy()
    np.testing.assert_array_equal(window, stored(year)[:, 0, 256:512, 512:768])
    log = server.log()
    # One request a tile, no header, nothing that is not there.
    assert sorted(request.path for request in log) == sorted(f"/{path.name}" for path in year)
    assert {(request.method, request.status) for request in log} == {("GET", 206)}
    for request in log:
        level = virtual_flac.read_index(year[0].parent / request.path[1:]).levels[0]
        start = int(level.offsets[0, 1, 2])
        assert request.range == (start, start + int(level.lengths[0, 1, 2]))


def test_references_on_a_server_are_fetched_once(
    year: list[Path], tmp_path: Path, range_server: Callable[..., Any]
) -> None:
    cube = virtual_flac.stack(year)
    virtual_flac.write_kerchunk(cube, tmp_path / "cube.json")
    virtual_flac.write_icechunk(cube, tmp_path / "cube.icechunk")
    server = range_server(tmp_path)
    ds = virtual_flac.open_references(f"{server.url}/cube.json", allow_local=True)
    np.testing.assert_array_equal(ds.band_data[3], stored(year)[3])
    (request,) = server.log()
    assert (request.method, request.path, request.status) == ("GET", "/cube.json", 200)
    server.reset()
    ds = virtual_flac.open_references(f"{server.url}/cube.icechunk", allow_local=True)
    assert ds.x.size == 768
    np.testing.assert_array_equal(ds.band_data[3], stored(year)[3])
    log = server.log()
    # Coordinates come with the manifests, each by one request.
    assert not [request for request in log if "/chunks/" in request.path]
    parts = [request.path for request in log if "/manifests/" in request.path]
    assert len(set(parts)) == len(parts)
    # Icechunk looks for its first format's files, and at the state of the repository twice.
    absent = [request.path.partition(".icechunk/")[2] for request in log if request.status == 404]
    assert sorted(absent) == ["config.yaml", "refs/branch.main/ref.json"]
    assert len(log) <= len(parts) + 5


def test_a_large_chunk_is_one_request(tmp_path: Path, range_server: Callable[..., Any]) -> None:
    # Noise of 2,300 x 2,300 pixels: more than what Icechunk would split by itself.
    path = tmp_path / "2026-01-01.flac"
    data = np.random.default_rng(1).integers(-(2**31), 2**31, (1, 2300, 2300)).astype("int32")
    virtual_flac.write_flac(write_tif(path.with_suffix(".tif"), data), path, tile_size=4096)
    server = range_server(tmp_path)
    publish([f"{server.url}/{path.name}"], tmp_path / "cube.icechunk")
    server.reset()
    ds = virtual_flac.open_references(tmp_path / "cube.icechunk")
    np.testing.assert_array_equal(ds.band_data, data)
    (request,) = server.log()
    assert request.bytes_sent > 16 * 2**20


def test_targets_that_hold_no_references(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "a.json").write_text("{}")
    (tmp_path / "b.json").write_text("{")
    (tmp_path / "c.flac").touch()
    for name, kind, message in (
        ("folder", ReferencesError, "holds no Icechunk repository"),
        ("a.json", ReferencesError, "holds no kerchunk references"),
        ("b.json", ReferencesError, "is not JSON"),
        ("c.flac", SelectionError, r"holds no references: these are \.json"),
        ("https://host/a.parquet", SelectionError, "local folders"),
    ):
        with pytest.raises(kind, match=message):
            virtual_flac.open_references(name if "://" in name else tmp_path / name)
    with pytest.raises(SourceNotFoundError, match=r"none\.json"):
        virtual_flac.open_references(tmp_path / "none.json")
