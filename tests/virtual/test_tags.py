"""Tags of any name and value: shown as rioxarray shows them, and never taken for instructions."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import xarray as xr
from rasters import write_tif
from virtualizarr import open_virtual_dataset

import virtual_flac

#: Each makes xarray, when it decodes references, fail or change pixels.
OF_PIXELS = {
    "add_offset": "{1,2}",
    "scale_factor": "m",
    "units": "days since foo",
    "dtype": "bool",
    "_Encoding": "latin",
    "coordinates": "{1,2}",
    "_FillValue": "3",
    "missing_value": "x",
    "_ARRAY_DIMENSIONS": "z",
    "limits": "{nan,1}",
    "many": "9" * 30,
}
OF_COORDINATES = {
    "x#scale_factor": "{1,2}",
    "x#_FillValue": "m",
    "x#dtype": "bool",
    "y#missing_value": "m",
    "y#add_offset": "5",
    "y#units": "days since foo",
    "band#_FillValue": "1",
    "band#coordinates": "0",
    "spatial_ref#_FillValue": "0",
    "spatial_ref#GeoTransform": "1 2",
}


def write(folder: Path, tags: dict[str, str], **describe: Any) -> tuple[Path, Path]:
    """A GeoTIFF with these tags, and the FLAC raster of it."""
    pixels = np.arange(40, dtype="u1").reshape(1, 4, 10)
    tif = write_tif(
        folder / "a.tif", pixels, after=lambda target: target.update_tags(**tags), describe=describe
    )
    virtual_flac.write_flac(tif, folder / "a.flac", tile_size=16)
    return tif, folder / "a.flac"


def references(flac: Path, target: Path) -> Path:
    """References to a raster."""
    parser, registry = virtual_flac.FLACParser(), virtual_flac.registry_for(flac)
    with open_virtual_dataset(flac.as_uri(), parser=parser, registry=registry) as vds:
        virtual_flac.write_kerchunk(vds, target)
    return target


@pytest.mark.parametrize("masked", [True, False])
def test_the_engine_shows_them_as_rioxarray_does(masked: bool, tmp_path: Path) -> None:
    tif, flac = write(tmp_path, OF_PIXELS)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # numpy's, of what is no list of numbers
        theirs = xr.open_dataset(tif, engine="rasterio", mask_and_scale=masked).band_data
    ours = xr.open_dataset(flac, engine="flac", mask_and_scale=masked).band_data
    xr.testing.assert_identical(
        ours.drop_vars("spatial_ref"), theirs.drop_vars("spatial_ref").rename("band_data")
    )
    for key in ("scale_factor", "add_offset"):
        assert ours.encoding.get(key) == theirs.encoding.get(key)


@pytest.mark.parametrize("tags", [OF_PIXELS, OF_COORDINATES])
def test_references_have_the_pixels_and_coordinates_of_the_raster(
    tags: dict[str, str], tmp_path: Path
) -> None:
    _, flac = write(tmp_path, tags)
    expected = xr.open_dataset(flac, engine="flac", mask_and_scale=False)
    path = references(flac, tmp_path / "a.json")
    for options in ({}, {"mask_and_scale": False}):
        found = virtual_flac.open_references(path, **options)
        xr.testing.assert_equal(found.drop_attrs(), expected.drop_attrs())
        for name in ("band_data", "x", "y", "band"):
            assert found[name].dtype == expected[name].dtype
    cube = virtual_flac.stack([flac], values=[0], dim="n")
    virtual_flac.write_kerchunk(cube, tmp_path / "cube.json")
    found = virtual_flac.open_references(tmp_path / "cube.json").isel(n=0, drop=True)
    xr.testing.assert_equal(found.drop_attrs(), expected.drop_attrs())


def test_what_is_no_instruction_is_kept_in_references(tmp_path: Path) -> None:
    kept = {"note": "x", "limits": "{nan,1}", "pair": "{1,2}", "many": "9" * 30, "x#note": "1"}
    _, flac = write(tmp_path, kept, units=["days since 2000-01-01"], scales=[0.5])
    found = virtual_flac.open_references(references(flac, tmp_path / "a.json"))
    attributes = found.band_data.attrs
    assert {key: attributes[key] for key in ("note", "limits", "pair", "many", "units")} == {
        "note": "x",
        "limits": "{nan,1.0}",
        "pair": [1.0, 2.0],
        "many": "9" * 30,
        "units": ["days since 2000-01-01"],
    }
    assert found.x.attrs["note"] == 1
    np.testing.assert_array_equal(found.band_data[0, 0], np.arange(10) / 2)
