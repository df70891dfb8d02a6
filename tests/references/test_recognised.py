"""References are recognised wherever a raster could stand: info and preview show them."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio
import rasters
import xarray as xr
from click.testing import CliRunner

import virtual_flac
from virtual_flac.cli.commands import app
from virtual_flac.errors import FlacError, MissingExtraError, SelectionError
from virtual_flac.publish import publish

DATES = ("2026-07-01", "2026-07-11")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two rasters, and cubes of them in three kinds of references."""
    folder = tmp_path_factory.mktemp("recognised")
    for number, date in enumerate(DATES):
        tif = folder / f"{date}.tif"
        with rasterio.open(
            tif, "w", driver="GTiff", dtype="int16", count=2, height=40, width=50, nodata=-1,
            crs="EPSG:32633", transform=rasters.NORTH_UP,
        ) as target:  # fmt: skip
            target.write(np.arange(4000, dtype=np.int16).reshape(2, 40, 50) + number)
        virtual_flac.write_flac(tif, tif.with_suffix(".flac"), tile_size=32)
    for suffix in ("json", "parquet", "icechunk"):
        publish([folder / f"{date}.flac" for date in DATES], folder / f"cube.{suffix}")
    return folder


def run(*words: Any) -> Any:
    return CliRunner().invoke(app, [str(word) for word in words])


def test_info_and_preview_show_them(folder: Path, tmp_path: Path) -> None:
    for suffix, kind in (
        ("json", "kerchunk JSON"), ("parquet", "kerchunk parquet"), ("icechunk", "Icechunk")
    ):  # fmt: skip
        cube = folder / f"cube.{suffix}"
        told = json.loads(run("info", cube, "--json").stdout)
        assert json.loads(json.dumps(virtual_flac.info(cube).to_dict())) == told
        assert told["kind"] == kind
        assert told["sizes"] == {"time": 2, "band": 2, "y": 40, "x": 50}
        assert told["variables"]["band_data"] == {
            "dims": ["time", "band", "y", "x"], "dtype": "int16", "chunks": [1, 1, 32, 32],
        }  # fmt: skip
        assert (told["references"], told["files"]) == (2 * 2 * 4, 2), kind
        assert told["crs"].startswith("EPSG:32633")
        names: dict[str, Any] = {}
        exec(told["snippet"], names)
        assert names["ds"].band_data.shape == (2, 2, 40, 50)
        shown = run("info", cube).stdout
        assert kind in shown
        assert "16 byte ranges in 2 files" in shown
        picture = tmp_path / f"{suffix}.png"
        done = run("preview", cube, "-o", picture, "--bands", "2")
        assert done.exit_code == 0, done.output
        assert done.stderr == "time 2026-07-01\n"
        assert virtual_flac.preview(cube, bands=[2]).to_png() == picture.read_bytes()
        expected = tmp_path / f"{suffix}_raster.png"
        run("preview", folder / f"{DATES[0]}.flac", "-o", expected, "--bands", "2")
        assert picture.read_bytes() == expected.read_bytes()


def test_what_needs_a_raster_refuses_them(folder: Path, tmp_path: Path) -> None:
    for suffix in ("json", "parquet", "icechunk"):
        cube = folder / f"cube.{suffix}"
        for read in (
            lambda cube=cube: virtual_flac.write_flac(cube, tmp_path / "a.flac"),
            lambda cube=cube: virtual_flac.extract(cube, tmp_path / "a.tif", bbox=(0, 0, 1, 1)),
            lambda cube=cube: virtual_flac.query(cube),
            lambda cube=cube: xr.open_dataset(cube, engine="flac"),
        ):
            with pytest.raises(FlacError, match="references, not a raster") as error:
                read()
            assert "open_references" in str(error.value)
            assert ('engine="kerchunk"' in str(error.value)) == (suffix != "icechunk")
    with pytest.raises(FlacError, match="kerchunk references; stack the rasters"):
        virtual_flac.stack(folder / "cube.json")
    with pytest.raises(SelectionError, match=r'flac: holds no references.*engine="flac"'):
        virtual_flac.open_references(folder / f"{DATES[0]}.flac")
    assert not list(tmp_path.iterdir())


def test_what_is_written_is_counted_as_it_is(folder: Path, tmp_path: Path) -> None:
    """One byte range is no plural; after appending, the whole cube is told."""
    tif = tmp_path / "2026-07-21.tif"
    rasters_of = {"driver": "GTiff", "dtype": "int16", "count": 1, "height": 8, "width": 9}
    with rasterio.open(tif, "w", **rasters_of, transform=rasters.NORTH_UP) as target:
        target.write(np.ones((1, 8, 9), np.int16))
    virtual_flac.write_flac(tif, tif.with_suffix(".flac"))
    done = run("virtualize", tif.with_suffix(".flac"), "-o", tmp_path / "one.json")
    assert "1 byte range in" in done.stdout
    cube = tmp_path / "cube.icechunk"
    publish([folder / f"{DATES[0]}.flac"], cube, cube={"dim": "time"})
    result = publish([folder / f"{DATES[1]}.flac"], cube, append=True)
    assert result.sizes["time"] == 2


def test_snippets_say_where_buckets_are() -> None:
    from virtual_flac.references.snippet import snippet

    urls = ["s3://bucket/folder/2026-07-01.flac"]
    options = {"endpoint": "https://s3.example.com", "region": "xy-1", "skip_signature": True}
    words = {
        "anon": True, "endpoint_url": "https://s3.example.com",
        "client_kwargs": {"region_name": "xy-1"},
    }  # fmt: skip
    for target, expected in {
        "cube.json": {"remote_protocol": "s3", "remote_options": words},
        "s3://b/cube.parquet": {
            "remote_protocol": "s3", "remote_options": words, "target_options": words,
        },
    }.items():  # fmt: skip
        assert f'engine="kerchunk", storage_options={expected!r})' in snippet(target, urls, options)
    secret = {**options, "access_key_id": "AKIA", "secret_access_key": "hidden"}
    assert "hidden" not in snippet("cube.json", urls, secret)


def test_icechunk_makes_no_folders(folder: Path, tmp_path: Path) -> None:
    cube = virtual_flac.stack([folder / f"{DATES[0]}.flac"])
    with pytest.raises(FileNotFoundError, match="no such folder"):
        virtual_flac.write_icechunk(cube, tmp_path / "missing" / "cube.icechunk")
    assert not list(tmp_path.iterdir())


def test_what_to_install_is_said(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    flac = folder / f"{DATES[0]}.flac"
    cube = virtual_flac.stack([flac])
    for module, extra, use in (
        (
            "icechunk",
            "icechunk",
            lambda: virtual_flac.write_icechunk(cube, tmp_path / "a.icechunk"),
        ),
        ("icechunk", "icechunk", lambda: virtual_flac.open_references(folder / "cube.icechunk")),
        ("dask", "dask", lambda: virtual_flac.stack([flac], parallel="dask")),
        ("lithops", "lithops", lambda: virtual_flac.stack([flac], parallel="lithops")),
    ):
        with monkeypatch.context() as patch:
            patch.setitem(sys.modules, module, None)
            with pytest.raises(MissingExtraError, match=rf"pip install .virtual-flac\[{extra}\]"):
                use()
    with monkeypatch.context() as patch:
        patch.setattr("virtual_flac.references.target.find_spec", lambda name: None)
        with pytest.raises(MissingExtraError, match=r"virtual-flac\[kerchunk\]"):
            virtual_flac.write_kerchunk(cube, tmp_path / "a.parquet")
    assert not list(tmp_path.iterdir())
