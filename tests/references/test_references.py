"""Published references: small, strict, and read by a process that knows nothing of virtual_flac."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import rasterio
import rasters
import xarray as xr
import zarr
from fresh_process import Elsewhere
from virtualizarr import open_virtual_dataset, open_virtual_datatree

import virtual_flac
from virtual_flac.errors import TargetExistsError

CASES = (
    "uint8",
    "uint8_rgb_nodata",
    "int16_scaled_alike",
    "float32_nan",
    "int64",
    "palette",
    "rotated",
)
#: Rasters whose references are written in every format, with coordinates loaded and virtual.
EVERY = ("int16_scaled_alike", "rotated")


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Any:
    folder = tmp_path_factory.mktemp("references")

    def get(name: str) -> tuple[Path, Path]:
        tif, flac = folder / f"{name}.tif", folder / f"{name}.flac"
        if not flac.exists():
            rasters.make(name, folder)
            virtual_flac.write_flac(tif, flac, tile_size=32)
        return tif, flac

    return get


def test_another_process_reads_them(files: Any, tmp_path: Path, elsewhere: Elsewhere) -> None:
    targets = {}
    for name in CASES:
        for target in write_references(files(name)[1], tmp_path / name, every=name in EVERY):
            targets[target] = name
    for target, name in targets.items():
        seen = elsewhere.read(target)
        tif, _ = files(name)
        with rasterio.open(tif) as source:
            stored, crs, transform = source.read(), source.crs, source.transform
            plain = source.nodata is None and set(source.scales) == {1.0}
        theirs = xr.open_dataset(tif, engine="rasterio")
        assert seen["stored"].dtype == stored.dtype, target
        np.testing.assert_array_equal(seen["stored"], stored, str(target))
        if plain:
            assert seen["decoded"].dtype == stored.dtype, target
        else:
            np.testing.assert_allclose(seen["decoded"], theirs.band_data, 1e-6, err_msg=str(target))
        assert rasterio.CRS.from_wkt(str(seen["crs"])) == crs, target
        assert tuple(seen["transform"]) == transform[:6], target
        assert seen["spatial_ref"] == 0, target
        for axis in ("x", "y"):
            if axis in theirs.coords:
                np.testing.assert_array_equal(seen[axis], theirs[axis], str(target))


def write_references(flac: Path, folder: Path, *, every: bool) -> list[Path]:
    """References of a raster in JSON and Icechunk; or in every format, by us and VirtualiZarr."""
    folder.mkdir()
    registry = virtual_flac.registry_for(flac)
    targets = []
    for loadable in (None, []) if every else (None,):
        vds = open_virtual_dataset(
            str(flac),
            parser=virtual_flac.FLACParser(),
            registry=registry,
            loadable_variables=loadable,
        )
        for how in ("json", "parquet", "icechunk") if every else ("json", "icechunk"):
            target = folder / f"{'virtual' if loadable == [] else 'loaded'}.{how}"
            targets.append(target)
            if how == "icechunk":
                virtual_flac.write_icechunk(vds, target)
                continue
            virtual_flac.write_kerchunk(vds, target)
            if every:
                targets.append(target.with_stem(f"{target.stem}_by_virtualizarr"))
                # By default, a reader parses 100,000 records of each variable.
                options = {"record_size": 10} if how == "parquet" else {}
                vds.vz.to_kerchunk(str(targets[-1]), format=how, **options)
    return targets


def test_parquet_is_no_longer_than_its_chunks(files: Any, tmp_path: Path) -> None:
    _, flac = files("uint8")
    vds = open_virtual_dataset(
        str(flac), parser=virtual_flac.FLACParser(), registry=virtual_flac.registry_for(flac)
    )
    virtual_flac.write_kerchunk(vds, tmp_path / "a.parquet")
    metadata = json.loads((tmp_path / "a.parquet" / ".zmetadata").read_text())
    assert metadata["record_size"] == virtual_flac.read_index(flac).levels[0].lengths.size


def test_json_is_strict_and_says_no_fill_value_without_nodata(files: Any, tmp_path: Path) -> None:
    for name in ("uint8", "float32_nan"):
        _, flac = files(name)
        vds = open_virtual_dataset(
            str(flac), parser=virtual_flac.FLACParser(), registry=virtual_flac.registry_for(flac)
        )
        virtual_flac.write_kerchunk(vds, tmp_path / f"{name}.json")
        text = (tmp_path / f"{name}.json").read_text()

        def refuse(constant: str) -> None:
            raise AssertionError(f"bare {constant}")

        refs = json.loads(text, parse_constant=refuse)["refs"]
        for value in refs.values():
            if isinstance(value, str) and value.startswith("{"):
                json.loads(value, parse_constant=refuse)
        fill = json.loads(refs["band_data/.zarray"])["fill_value"]
        assert fill == {"uint8": None, "float32_nan": "NaN"}[name]


def test_a_sentinel_sized_band_stays_under_25_kb(tmp_path: Path) -> None:
    """121 tiles of 10,980 x 10,980 pixels with coordinates, on a plain and on an awkward grid."""
    from affine import Affine

    from virtual_flac.model.georef import GeoReference
    from virtual_flac.model.index import Level, RasterInfo, TileIndex
    from virtual_flac.virtual.build import build_virtual_zarr

    utm = rasterio.CRS.from_epsg(32636).to_wkt(version="WKT2_2019")
    lengths = np.random.default_rng(0).integers(900_000, 1_300_000, (1, 11, 11)).astype(np.uint64)
    offsets = np.cumsum(lengths, dtype=np.uint64).reshape(lengths.shape)
    for transform in (
        Affine(10, 0, 699960, 0, -10, 3900000),
        Affine(1 / 11, 0, 7.1, 0, -0.0123, 50),
    ):
        raster = RasterInfo(
            width=10_980, height=10_980, dtype=np.dtype("uint16"), nodata=0,
            georef=GeoReference(crs_wkt=utm, transform=transform),
            tags={"": {"AREA_OR_POINT": "Area"}},
        )  # fmt: skip
        level = Level(width=10_980, height=10_980, offsets=offsets, lengths=lengths)
        index = TileIndex(
            layout="virtual-flac", raster=raster, tile_shape=(1024, 1024), levels=(level,)
        )
        url = "https://example.com/sentinel-2/T36RXV_20260714T081609_B04_10m.flac"
        registry = virtual_flac.registry_for(url)
        for loadable in (None, []):
            vds = build_virtual_zarr(index, url, registry).to_virtual_dataset(
                loadable_variables=loadable
            )
            target = tmp_path / "refs.json"
            virtual_flac.write_kerchunk(vds, target, overwrite=True)
            assert target.stat().st_size < 25_000
            x = xr.open_dataset(str(target), engine="kerchunk").x.to_numpy()
            np.testing.assert_array_equal(x, raster.georef.coordinates(width=10_980, height=1)[0])


def test_loaded_times_are_inlined(files: Any, tmp_path: Path) -> None:
    _, flac = files("uint8")
    cube = virtual_flac.stack([flac], values=[pd.Timestamp("2026-07-14 10:20")])
    virtual_flac.write_kerchunk(cube, tmp_path / "cube.json")
    again = xr.open_dataset(str(tmp_path / "cube.json"), engine="kerchunk")
    assert again.time.values[0] == np.datetime64("2026-07-14T10:20")


def test_opening_leaves_the_settings_of_zarr_alone(files: Any, tmp_path: Path) -> None:
    target = tmp_path / "x.json"
    virtual_flac.write_kerchunk(virtual_flac.stack([files("uint8")[1]], values=[0]), target)
    with zarr.config.set({"async.concurrency": 7}):
        virtual_flac.open_references(target).load()
        assert zarr.config.get("async.concurrency") == 7


def test_targets_are_not_overwritten_unless_asked(files: Any, tmp_path: Path) -> None:
    _, flac = files("uint8")
    vds = open_virtual_dataset(
        str(flac), parser=virtual_flac.FLACParser(), registry=virtual_flac.registry_for(flac)
    )
    for name in ("a.json", "a.parquet"):
        target = tmp_path / name
        virtual_flac.write_kerchunk(vds, target)
        with pytest.raises(TargetExistsError, match=name):
            virtual_flac.write_kerchunk(vds, target)
        virtual_flac.write_kerchunk(vds, target, overwrite=True)
        assert xr.open_dataset(str(target), engine="kerchunk").band_data.dtype == "uint8"
    with pytest.raises(ValueError, match=r"expected \.json"):
        virtual_flac.write_kerchunk(vds, tmp_path / "a.txt")
    virtual_flac.write_icechunk(vds, tmp_path / "r.icechunk")
    with pytest.raises(TargetExistsError, match=r"r\.icechunk"):
        virtual_flac.write_icechunk(vds, tmp_path / "r.icechunk")
    assert sorted(p.name for p in tmp_path.iterdir()) == ["a.json", "a.parquet", "r.icechunk"]


def test_zeros_of_rasters_without_nodata_stay_zeros(tmp_path: Path) -> None:
    """On every way to kerchunk references: by VirtualiZarr, of a tree, and after concatenation."""
    zeros = np.zeros((1, 40, 50), np.uint8)
    tif, flac = tmp_path / "zeros.tif", tmp_path / "zeros.flac"
    with rasterio.open(
        tif, "w", driver="GTiff", dtype="uint8", count=1, height=40, width=50, crs="EPSG:32633",
        transform=rasters.NORTH_UP,
    ) as target:  # fmt: skip
        target.write(zeros)
    virtual_flac.write_flac(tif, flac, tile_size=32, overviews=[2])
    registry, parser = virtual_flac.registry_for(flac), virtual_flac.FLACParser()
    vds = open_virtual_dataset(str(flac), parser=parser, registry=registry)
    tree = open_virtual_datatree(str(flac), parser=parser, registry=registry)
    for name, dataset in {
        "dataset": vds,
        "full": tree["full"].to_dataset(),
        "overview": tree["overview_1"].to_dataset(),
    }.items():
        dataset.vz.to_kerchunk(str(tmp_path / f"{name}.json"), format="json")
    twice = xr.concat([vds, vds], xr.Variable("time", [1, 2]), coords="minimal", compat="override")
    virtual_flac.write_kerchunk(twice, tmp_path / "written.json")
    virtual_flac.write_kerchunk(tree["full"].to_dataset(), tmp_path / "written_full.json")
    for path in sorted(tmp_path.glob("*.json")):
        found = xr.open_dataset(str(path), engine="kerchunk").band_data
        assert found.dtype == "uint8", path
        assert (found == 0).all(), path


def test_virtual_trees_show_overviews(files: Any) -> None:
    _, flac = files("overviews")
    tree = open_virtual_datatree(
        str(flac), parser=virtual_flac.FLACParser(), registry=virtual_flac.registry_for(flac)
    )
    assert list(tree.children) == ["full", "overview_1", "overview_2"]
    assert tree["overview_2/band_data"].shape == (2, 38, 48)
    for parser in (
        virtual_flac.FLACParser(overview=2),
        virtual_flac.FLACParser(group="overview_2"),
    ):
        vds = open_virtual_dataset(
            str(flac), parser=parser, registry=virtual_flac.registry_for(flac)
        )
        assert vds.band_data.shape == (2, 38, 48)


def test_parser_options(files: Any) -> None:
    _, flac = files("uint8_rgb_nodata")
    parser = virtual_flac.FLACParser(
        variable="red", bands=[1], coordinates=False, skip_variables=["spatial_ref"]
    )
    vds = open_virtual_dataset(str(flac), parser=parser, registry=virtual_flac.registry_for(flac))
    assert set(vds.variables) == {"red", "band"}
    assert vds.red.shape == (1, 65, 64)
