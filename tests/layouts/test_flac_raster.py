"""flac-raster's streaming files give back the integers that went in, from disk and over HTTP."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import rasterio
import xarray as xr
from rasters import write_tif
from servers import url_of
from virtualizarr import open_virtual_dataset

import virtual_flac


def surface(dtype: str, low: int, high: int, shape: tuple[int, int]) -> npt.NDArray[Any]:
    """Values from `low` to `high`, each tile with a range of its own."""
    rng = np.random.default_rng(high)
    y, x = np.mgrid[0 : shape[0], 0 : shape[1]]
    wave = (np.sin(x / 40) + np.cos(y / 30) + 2) / 4
    values = low + wave * (high - low) + rng.normal(0, (high - low) / 50 + 0.5, shape)
    data: npt.NDArray[Any] = np.clip(np.rint(values), low, high).astype(dtype)
    return data


RASTERS = {
    "uint8": ("uint8", 0, 255),
    "uint8_flat": ("uint8", 9, 9),
    "uint16_narrow": ("uint16", 1000, 8000),
    "uint16_wide": ("uint16", 0, 32_000),
    "int16": ("int16", -400, 4000),
}


@pytest.mark.parametrize(
    ("name", "tile_size"),
    [*((name, 64) for name in RASTERS), ("uint16_narrow", 100), ("uint16_narrow", 512)],
)
def test_streaming_files_are_read_exactly(
    name: str, tile_size: int, flac_raster: Any, range_server: Any, tmp_path: Path
) -> None:
    dtype, low, high = RASTERS[name]
    data = surface(dtype, low, high, (150, 210))
    tif = write_tif(tmp_path / "source.tif", data[None])
    flac = flac_raster.create_streaming(tif, tmp_path / "theirs.flac", tile_size)
    theirs = xr.open_dataset(tif, engine="rasterio", mask_and_scale=False)
    url = url_of(range_server(tmp_path), flac.name)
    for source in (flac, url):
        ours = xr.open_dataset(source, engine="flac", mask_and_scale=False)
        assert ours.band_data.dtype == dtype
        np.testing.assert_array_equal(ours.band_data[0], data)
        for axis in ("x", "y"):
            np.testing.assert_array_equal(ours[axis], theirs[axis])
        assert ours.rio.crs == theirs.rio.crs
        assert ours.rio.transform() == theirs.rio.transform()
    # Through references too: the map needs each tile's own minimum and maximum.
    vds = open_virtual_dataset(
        url, parser=virtual_flac.FLACParser(), registry=virtual_flac.registry_for(url)
    )
    virtual_flac.write_kerchunk(vds, tmp_path / "refs.json")
    again = xr.open_dataset(str(tmp_path / "refs.json"), engine="kerchunk")
    assert again.band_data.dtype == dtype
    np.testing.assert_array_equal(again.band_data[0], data)


@pytest.mark.parametrize(
    "name",
    [
        "flac_raster_sample_dem",
        "sentinel_uint16_549",
        pytest.param("landsat_uint16_2658", marks=pytest.mark.exhaustive),
    ],
)
def test_shared_rasters(name: str, shared_data: Path, flac_raster: Any, tmp_path: Path) -> None:
    tif = shared_data / f"{name}.tif"
    flac = flac_raster.create_streaming(tif, tmp_path / f"{name}.flac", 256)
    with rasterio.open(tif) as source:
        expected = source.read(1)
    found = xr.open_dataset(flac, engine="flac", mask_and_scale=False).band_data[0].to_numpy()
    # Tiles with a range above 32,767 share samples among values: at most the nearest is known.
    for row in range(0, expected.shape[0], 256):
        for col in range(0, expected.shape[1], 256):
            tile = np.s_[row : row + 256, col : col + 256]
            span = int(expected[tile].max()) - int(expected[tile].min())
            error = np.abs(found[tile].astype(int) - expected[tile].astype(int)).max()
            assert error <= (0 if span < 32_767 else 1), (row, col, span)


def test_wide_ranges_are_off_by_one_at_most(flac_raster: Any, tmp_path: Path) -> None:
    data = surface("uint16", 0, 60_000, (90, 90))
    tif = write_tif(tmp_path / "source.tif", data[None], crs=None)
    flac = flac_raster.create_streaming(tif, tmp_path / "theirs.flac", 64)
    ours = xr.open_dataset(flac, engine="flac", mask_and_scale=False)
    assert ours.rio.crs is None
    assert np.abs(ours.band_data[0].to_numpy().astype(int) - data.astype(int)).max() <= 1
