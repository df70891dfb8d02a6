"""Where references go: text of our own, buckets, and manifests that large cubes share out."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio
import xarray as xr
from click.testing import CliRunner
from fresh_process import Elsewhere
from hypothesis import given
from hypothesis import strategies as st
from rasters import write_tif
from virtualizarr.manifests import ChunkManifest, ManifestArray
from virtualizarr.manifests.utils import create_v3_array_metadata

import virtual_flac
from virtual_flac.cli.commands import app
from virtual_flac.errors import SelectionError, SourceError, TargetExistsError
from virtual_flac.publish import publish
from virtual_flac.references import icechunk_settings, icechunk_write
from virtual_flac.references.icechunk_settings import split_sizes
from virtual_flac.references.kerchunk import kerchunk_json
from virtual_flac.virtual.arrays import inline_loaded

DATES = [f"2026-0{month}-01" for month in range(1, 7)]
TILE = 32


@pytest.fixture(scope="module")
def series(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    folder = tmp_path_factory.mktemp("series")
    paths = []
    for number, date in enumerate(DATES):
        data = np.random.default_rng(number).integers(0, 900, (2, 100, 90)).astype("uint16")
        tif = write_tif(folder / f"{date}.tif", data, nodata=901)
        virtual_flac.write_flac(tif, tif.with_suffix(".flac"), tile_size=TILE)
        paths.append(tif.with_suffix(".flac"))
    return paths


def stored(paths: list[Path]) -> Any:
    return np.stack([rasterio.open(path.with_suffix(".tif")).read() for path in paths])


# --- Text -----------------------------------------------------------------------------------------


def assert_same_references(vds: xr.Dataset) -> None:
    """Ours are VirtualiZarr's, and of strict JSON without a key twice."""

    def once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        found = dict(pairs)
        assert len(found) == len(pairs)
        return found

    virtual = inline_loaded(vds)
    ours = json.loads("".join(kerchunk_json(virtual)), object_pairs_hook=once)
    assert ours == virtual.vz.to_kerchunk(format="dict")


def test_text_is_what_virtualizarr_says(series: list[Path], tmp_path: Path) -> None:
    assert_same_references(virtual_flac.stack(series))
    assert_same_references(virtual_flac.stack(series, mosaic=True))
    # Holes, in planes and in mosaics; several variables; one raster without new dimensions.
    labels = {"time": [1, 1, 2], "band": ["a", "b", "a"]}
    parser = virtual_flac.FLACParser(bands=[1], coordinates=False)
    for as_variables in (False, True):
        cube = virtual_flac.stack(
            series[:3], values=labels, parser=parser, allow_missing=True, as_variables=as_variables
        )
        assert_same_references(cube)
    virtual_flac.write_kerchunk(cube, tmp_path / "cube.json")
    again = virtual_flac.open_references(tmp_path / "cube.json", mask_and_scale=False)
    np.testing.assert_array_equal(again.a, stored([series[0], series[2]])[:, 0])
    assert (again.b[1] == 901).all()


@given(
    st.lists(st.integers(1, 3), min_size=1, max_size=4).flatmap(
        lambda shape: st.tuples(
            st.just(tuple(shape)),
            st.lists(
                st.sampled_from(["", "s3://b/ä \"1\".flac", "file:///a/b.flac", "http://h/x\\y"]),
                min_size=int(np.prod(shape)), max_size=int(np.prod(shape)),
            ),
            st.integers(0, 2**63),
        )
    )
)  # fmt: skip
def test_any_table_of_chunks(drawn: tuple[tuple[int, ...], list[str], int]) -> None:
    shape, paths, seed = drawn
    rng = np.random.default_rng(seed)
    offsets, lengths = rng.integers(0, 2**40, (2, *shape)).astype(np.uint64)
    text = np.array(paths, dtype=np.dtypes.StringDType()).reshape(shape)
    manifest = ChunkManifest.from_arrays(
        paths=text, offsets=np.asarray(offsets), lengths=np.asarray(lengths), validate_paths=False
    )
    metadata = create_v3_array_metadata(
        shape=shape, data_type=np.dtype("uint8"), chunk_shape=(1,) * len(shape)
    )
    dims = "abcd"[: len(shape)]
    array = ManifestArray(metadata, manifest)
    assert_same_references(xr.Dataset({'a "name" ö': xr.Variable(tuple(dims), array)}))


# --- Buckets --------------------------------------------------------------------------------------


def run(server: Any, *arguments: Any) -> Any:
    options = [
        f"--store-option={name}={getattr(server, name)}"
        for name in ("endpoint", "access_key_id", "secret_access_key", "region")
    ]
    options.append("--store-option=client_options.allow_http=true")
    words = [str(argument) for argument in (*arguments, *options)]
    return CliRunner().invoke(app, words)


@pytest.mark.parametrize("suffix", ["json", "parquet", "icechunk"])
def test_cubes_in_buckets(
    suffix: str, series: list[Path], s3_server: Any, elsewhere: Elsewhere
) -> None:
    bucket = f"out-{suffix}"
    options = s3_server.upload(bucket, {f"in/{path.name}": path for path in series})
    urls = [f"s3://{bucket}/in/{path.name}" for path in series]
    target = f"s3://{bucket}/cubes/cube.{suffix}"
    done = run(s3_server, "stack", *urls[:3], "-o", target, "--json")
    assert done.exit_code == 0, done.output
    told = json.loads(done.stdout)
    assert told["target"] == target
    assert s3_server.secret_access_key not in done.output
    client = s3_server.client()
    listed = client.list_objects_v2(Bucket=bucket, Prefix="cubes/")["Contents"]
    assert told["bytes"] == sum(item["Size"] for item in listed)

    def cube() -> Any:
        return virtual_flac.open_references(target, store_options=options, cache=False).band_data

    np.testing.assert_array_equal(cube(), stored(series[:3]))
    refused = run(s3_server, "stack", *urls, "-o", target)
    assert refused.exit_code == 1
    assert "--force" in refused.stderr
    np.testing.assert_array_equal(cube(), stored(series[:3]))
    # What cannot be read costs nothing that is there.
    absent = f"s3://{bucket}/in/2026-12-01.flac"
    assert run(s3_server, "stack", absent, "-o", target, "--force").exit_code == 1
    np.testing.assert_array_equal(cube(), stored(series[:3]))
    assert run(s3_server, "stack", *urls[3:5], "-o", target, "--force").exit_code == 0
    np.testing.assert_array_equal(cube(), stored(series[3:5]))
    appended = run(s3_server, "stack", urls[5], "-o", target, "--append")
    if suffix != "icechunk":
        assert "only to Icechunk" in appended.stderr
        return
    assert appended.exit_code == 0, appended.output
    np.testing.assert_array_equal(cube(), stored(series[3:]))
    # The snippet, with keys from the environment, where this package is not.
    keys = {
        f"AWS_{name.upper()}": getattr(s3_server, name)
        for name in ("access_key_id", "secret_access_key")
    }
    seen = elsewhere.run(told["snippet"], environment={**keys, "PATH": ""})
    np.testing.assert_array_equal(seen["band_data"], stored(series[3:]))


def test_what_stands_in_a_bucket_is_kept(series: list[Path], s3_server: Any) -> None:
    files: dict[str, Any] = {
        "photos.parquet/me.jpg": b"me",
        "photos.icechunk/me.jpg": b"me",
        "in/2026-01-01.flac": series[0],
    }
    options = s3_server.upload("kept", files)
    urls = ["s3://kept/in/2026-01-01.flac"]
    for suffix in ("parquet", "icechunk"):
        target = f"s3://kept/photos.{suffix}"
        with pytest.raises(TargetExistsError, match="remove it yourself"):
            publish(urls, target, overwrite=True, store_options=options)
        with pytest.raises(TargetExistsError, match="exists"):
            publish(urls, target, store_options=options)
    # A repository that could not be written leaves nothing behind, nor takes anything with it.
    cube = virtual_flac.stack(urls, store_options=options)
    with pytest.raises(SourceError):
        publish(urls, "s3://nowhere/a.json", store_options=options)
    client = s3_server.client()

    def fail(*arguments: Any) -> None:
        raise OSError("the network is gone")

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(icechunk_write, "set_references", fail)
        with pytest.raises(OSError, match="the network is gone"):
            virtual_flac.write_icechunk(cube, "s3://kept/new.icechunk", store_options=options)
    listed = client.list_objects_v2(Bucket="kept")["Contents"]
    assert sorted(item["Key"] for item in listed) == sorted(files)


def test_nothing_is_written_over_http(series: list[Path]) -> None:
    with pytest.raises(SelectionError, match="nothing is written over HTTP"):
        publish(series, "http://localhost/cube.json")


# --- Manifests ------------------------------------------------------------------------------------


def test_shares_of_manifests() -> None:
    assert split_sizes((365, 1, 11, 11), 100_000) == (826, 1, 11, 11)
    assert split_sizes((365, 4, 11, 11), 400) == (1, 3, 11, 11)
    assert split_sizes((10, 1, 700, 700), 100_000) == (1, 1, 142, 700)
    assert split_sizes((1, 3, 500_000), 100_000) == (1, 1, 100_000)
    assert split_sizes((5,), 100) == (100,)
    assert split_sizes((), 100) == ()


@given(st.lists(st.integers(1, 60), min_size=1, max_size=5), st.integers(1, 5000))
def test_no_share_is_too_large(grid: list[int], limit: int) -> None:
    sizes = split_sizes(grid, limit)
    assert np.prod(sizes) <= limit
    # Nor needlessly small: one more along the axis that is cut would be too large.
    cut = next((a for a in reversed(range(len(grid))) if sizes[a] < grid[a]), 0)
    assert np.prod(sizes[cut + 1 :]) * (sizes[cut] + 1) > limit
    assert all(size == 1 for size in sizes[:cut])


def test_one_step_of_a_large_cube_loads_one_manifest(
    series: list[Path],
    tmp_path: Path,
    range_server: Callable[..., Any],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(icechunk_settings, "MANIFEST_CHUNKS", 60)  # a step has 24
    cube = virtual_flac.stack(series[:5])
    target = tmp_path / "cube.icechunk"
    virtual_flac.write_icechunk(cube, target)
    virtual_flac.write_icechunk(virtual_flac.stack(series[5:]), target, append_dim="time")
    np.testing.assert_array_equal(
        virtual_flac.open_references(target, mask_and_scale=False).band_data, stored(series)
    )
    server = range_server(tmp_path)

    def manifests(step: int) -> dict[str, int]:
        server.reset()
        again = virtual_flac.open_references(
            f"{server.url}/cube.icechunk", mask_and_scale=False, cache=False, allow_local=True
        )
        np.testing.assert_array_equal(again.band_data[step], stored([series[step]])[0])
        log = [request for request in server.log() if "/manifests/" in request.path]
        paths = [request.path for request in log]
        assert len(set(paths)) == len(paths)
        return {request.path: request.bytes_sent for request in log}

    found = [manifests(step) for step in range(6)]
    coordinates = set.intersection(*map(set, found))
    own = [{path for path in step if path not in coordinates} for step in found]
    assert [len(paths) for paths in own] == [1] * 6
    assert own[0] == own[1] != own[2] == own[3] != own[4] == own[5]
