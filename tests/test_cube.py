"""Stacks: the right pixels in the right order, and misfits told apart by name."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio
import xarray as xr
from rasters import NORTH_UP

import virtual_flac
from virtual_flac.errors import MismatchError, SelectionError

DATES = ("2026-07-14", "2026-03-01", "2026-05-20")


def write(folder: Path, name: str, data: Any, **profile: Any) -> Path:
    options: dict[str, Any] = {
        "driver": "GTiff", "dtype": data.dtype, "count": len(data), "crs": "EPSG:32633",
        "height": data.shape[1], "width": data.shape[2], "transform": NORTH_UP,
    }  # fmt: skip
    tif = folder / f"{name}.tif"
    with rasterio.open(tif, "w", **options | profile) as target:
        target.write(data)
    flac = folder / f"{name}.flac"
    virtual_flac.write_flac(tif, flac, tile_size=32)
    return flac


def scene(number: int, dtype: str = "uint16") -> Any:
    return np.random.default_rng(number).integers(0, 200, (2, 50, 70)).astype(dtype)


def test_stack_sorts_by_the_dates_in_names(tmp_path: Path) -> None:
    flacs = [
        write(tmp_path, name, scene(i))
        for i, name in enumerate(
            (DATES[0], f"B04_{DATES[1].replace('-', '')}_x", DATES[2].replace("-", "_"))
        )
    ]
    seen: list[tuple[int, int]] = []
    cube = virtual_flac.stack(flacs, progress=lambda done, total: seen.append((done, total)))
    assert seen == [(1, 3), (2, 3), (3, 3)]
    assert cube.band_data.dims == ("time", "band", "y", "x")
    virtual_flac.write_kerchunk(cube, tmp_path / "cube.json")
    again = xr.open_dataset(str(tmp_path / "cube.json"), engine="kerchunk")
    assert [str(t)[:10] for t in again.time.values] == sorted(DATES)
    assert again.band_data.dtype == "uint16"
    np.testing.assert_array_equal(again.band_data, np.stack([scene(1), scene(2), scene(0)]))
    assert again.rio.crs == rasterio.CRS.from_epsg(32633)


def test_values_and_other_dimensions(tmp_path: Path) -> None:
    flacs = [write(tmp_path, f"s{i}", scene(i)) for i in range(2)]
    cube = virtual_flac.stack(flacs, dim="run", values=["b", "a"])
    assert cube["run"].values.tolist() == ["a", "b"]
    cube = virtual_flac.stack(
        flacs, dim="run", values=[20, 10], parser=virtual_flac.FLACParser(bands=[2])
    )
    virtual_flac.write_kerchunk(cube, tmp_path / "cube.json")
    again = xr.open_dataset(str(tmp_path / "cube.json"), engine="kerchunk")
    assert again["run"].values.tolist() == [10, 20]
    np.testing.assert_array_equal(again.band_data, np.stack([scene(1)[1:], scene(0)[1:]]))


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"dtype": "int16"}, "dtype"),
        ({"nodata": 7}, "nodata"),
        ({"crs": "EPSG:32634"}, "CRS"),
        ({"transform": NORTH_UP @ NORTH_UP.translation(1, 0)}, "transform"),
        ({"crop": True}, "shape"),
        ({"bands": 1}, "shape"),
    ],
)
def test_misfits_name_the_file_and_the_property(
    change: dict[str, Any], words: str, tmp_path: Path
) -> None:
    first = write(tmp_path, "2026-01-01", scene(0))
    data = scene(1, change.pop("dtype", "uint16"))
    if change.pop("crop", False):
        data = data[:, :-1]
    if "bands" in change:
        data = data[: change.pop("bands")]
    other = write(tmp_path, "2026-01-02", data, **change)
    with pytest.raises(MismatchError, match=words) as error:
        virtual_flac.stack([first, other])
    assert "2026-01-02.flac" in str(error.value)
    assert "2026-01-01.flac" in str(error.value)


def test_names_without_dates_and_twice_the_same_date(tmp_path: Path) -> None:
    flac = write(tmp_path, "scene", scene(0))
    with pytest.raises(SelectionError, match=r"scene\.flac.*values"):
        virtual_flac.stack([flac])
    with pytest.raises(SelectionError, match="belongs to 2"):
        virtual_flac.stack([flac, flac], values=[1, 1])
    with pytest.raises(SelectionError, match="1 values"):
        virtual_flac.stack([flac, flac], values=[1])
    with pytest.raises(SelectionError, match="no rasters"):
        virtual_flac.stack([])
    bad = write(tmp_path, "2026-13-45", scene(0))
    with pytest.raises(SelectionError, match="no date"):
        virtual_flac.stack([bad])
