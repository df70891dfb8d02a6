"""Cubes along bands, several dimensions, names, STAC items, and as mosaics: pixels and places."""

from __future__ import annotations

import json
from datetime import datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import rasterio
import rasterio.merge
import xarray as xr
from hypothesis import given, settings
from hypothesis import strategies as st
from rasters import NORTH_UP, write_tif

import virtual_flac
from virtual_flac.cube.labels import labels_from_names
from virtual_flac.errors import MismatchError, SelectionError

TILE = 32


def write(path: Path, data: Any, *, interleave: Any = "band", **profile: Any) -> Path:
    """A GeoTIFF and its FLAC; bands' descriptions, scales and units through `describe`."""
    tif = write_tif(path.with_suffix(".tif"), data, **profile)
    virtual_flac.write_flac(tif, path, tile_size=TILE, interleave=interleave)
    return path


def scene(*seed: int, shape: tuple[int, ...] = (1, 50, 70), dtype: str = "uint16") -> Any:
    return np.random.default_rng(seed).integers(1, 900, shape).astype(dtype)


def reopen(cube: xr.Dataset, folder: Path) -> xr.Dataset:
    """The cube as a reader of its references sees it, stored values."""
    target = folder / "cube.json"
    virtual_flac.write_kerchunk(cube, target, overwrite=True)
    return xr.open_dataset(str(target), engine="kerchunk", mask_and_scale=False)


@pytest.fixture
def sentinel(tmp_path: Path) -> dict[tuple[str, str], Path]:
    """Two dates of three bands, a file each."""
    return {
        (date, band): write(tmp_path / f"T33_{date}_{band}.flac", scene(int(date), number))
        for date in ("20260714", "20260301")
        for number, band in enumerate(("B02", "B8A", "B08"))
    }


def test_bands_of_several_files(sentinel: dict[tuple[str, str], Path], tmp_path: Path) -> None:
    bands = ("B8A", "B02", "B08")
    paths = [sentinel["20260301", band] for band in bands]
    cube = virtual_flac.stack(paths, dim="band", values=bands)
    again = reopen(cube, tmp_path)
    assert again.band_data.dims == ("band", "y", "x")
    assert again.band.values.tolist() == [1, 2, 3]
    assert again.band_data.attrs["long_name"] == list(bands)
    stored = [rasterio.open(path.with_suffix(".tif")).read(1) for path in paths]
    np.testing.assert_array_equal(again.band_data, np.stack(stored))


def test_numbered_bands(tmp_path: Path) -> None:
    paths = [write(tmp_path / f"B{n:02}.flac", scene(n)) for n in (11, 4)]
    again = reopen(virtual_flac.stack(paths, pattern=r"B(?P<band>\d\d)"), tmp_path)
    assert again.band.values.tolist() == [4, 11]
    assert "long_name" not in again.band_data.attrs
    np.testing.assert_array_equal(again.band_data, np.concatenate([scene(4), scene(11)]))


def test_bands_keep_their_own_scales_and_units(tmp_path: Path) -> None:
    paths = [
        write(tmp_path / f"{name}.flac", scene(n), describe={"scales": (scale,), "units": (unit,)})
        for n, (name, scale, unit) in enumerate((("red", 0.1, "1"), ("lst", 0.02, "K")))
    ]
    cube = virtual_flac.stack(paths, dim="band", values=["red", "lst"])
    assert cube.band_data.attrs["scales"] == [0.1, 0.02]
    assert cube.band_data.attrs["units"] == ["1", "K"]
    assert cube.band_data.attrs["long_name"] == ["red", "lst"]
    assert "scale_factor" not in cube.band_data.attrs
    # What they share is one value, as in a file of several bands.
    cube = virtual_flac.stack([paths[0], paths[0]], dim="band", values=["a", "b"])
    assert cube.band_data.attrs["scale_factor"] == 0.1


def test_time_and_band(sentinel: dict[tuple[str, str], Path], tmp_path: Path) -> None:
    cube = virtual_flac.stack(sentinel.values(), pattern=r"_%Y%m%d_(?P<band>B\w\w)")
    again = reopen(cube, tmp_path)
    assert again.band_data.dims == ("time", "band", "y", "x")
    assert again.band_data.attrs["long_name"] == ["B02", "B08", "B8A"]
    assert again.time.values.astype("M8[D]").astype(str).tolist() == ["2026-03-01", "2026-07-14"]
    for t, date in enumerate(("20260301", "20260714")):
        for b, band in enumerate(("B02", "B08", "B8A")):
            with rasterio.open(sentinel[date, band].with_suffix(".tif")) as source:
                np.testing.assert_array_equal(again.band_data[t, b], source.read(1))


def test_the_order_of_dimensions_is_the_callers(
    sentinel: dict[tuple[str, str], Path], tmp_path: Path
) -> None:
    paths = list(sentinel.values())
    values = {
        "run": [key[0] for key in sentinel], "kind": [key[1] for key in sentinel],
    }  # fmt: skip
    again = reopen(virtual_flac.stack(paths, dim=("kind", "run"), values=values), tmp_path)
    assert again.band_data.dims == ("kind", "run", "band", "y", "x")
    for key, path in sentinel.items():
        found = again.band_data.sel(run=key[0], kind=key[1])
        with rasterio.open(path.with_suffix(".tif")) as source:
            np.testing.assert_array_equal(found, source.read())


def test_bands_as_variables(tmp_path: Path) -> None:
    kinds = {"B04": "uint16", "SCL": "uint8"}
    for date in ("20260714", "20260301"):
        for name, dtype in kinds.items():
            profile = {"nodata": 0} if name == "SCL" else {}
            write(tmp_path / f"{date}_{name}.flac", scene(int(date), dtype=dtype), **profile)
    cube = virtual_flac.stack(
        sorted(tmp_path.glob("*.flac")), pattern=r"%Y%m%d_(?P<band>\w+)", as_variables=True
    )
    again = reopen(cube, tmp_path)
    assert set(again.data_vars) == set(kinds)
    assert "band" not in again.variables
    for name, dtype in kinds.items():
        assert again[name].dims == ("time", "y", "x")
        assert again[name].dtype == dtype
        expected = [scene(20260301, dtype=dtype)[0], scene(20260714, dtype=dtype)[0]]
        np.testing.assert_array_equal(again[name], np.stack(expected))
        # Nodata of one is not that of the other.
        assert again[name].attrs.get("_FillValue") == (0 if name == "SCL" else None)
    virtual_flac.write_icechunk(cube, tmp_path / "cube.icechunk")
    assert virtual_flac.open_references(tmp_path / "cube.icechunk").SCL.shape == (2, 50, 70)
    odd = write(tmp_path / "20260301_B09.flac", scene(1, shape=(1, 50, 64)))
    with pytest.raises(MismatchError, match=r"B09\.flac: shape.*50, 64.*50, 70"):
        virtual_flac.stack(
            [*sorted(tmp_path.glob("*_B04.flac")), odd],
            pattern=r"%Y%m%d_(?P<band>\w+)",
            as_variables=True,
        )
    with pytest.raises(SelectionError, match="names of the variables"):
        virtual_flac.stack([odd], as_variables=True)
    with pytest.raises(SelectionError, match="'x' cannot be the name"):
        virtual_flac.stack([odd], dim="band", values=["x"], as_variables=True)


def test_band_files_hold_one_band(tmp_path: Path) -> None:
    path = write(tmp_path / "rgb.flac", scene(1, shape=(3, 50, 70)), interleave="pixel")
    with pytest.raises(MismatchError, match=r"rgb\.flac: has 3 bands.*bands=\[1\]"):
        virtual_flac.stack([path, path], dim="band", values=["a", "b"])
    parser = virtual_flac.FLACParser(bands=[2])
    cube = virtual_flac.stack([path, path], dim="band", values=["a", "b"], parser=parser)
    expected = scene(1, shape=(3, 50, 70))[[1, 1]]
    np.testing.assert_array_equal(reopen(cube, tmp_path).band_data, expected)


def test_scales_of_a_band_do_not_change_in_time(tmp_path: Path) -> None:
    paths = [
        write(tmp_path / f"B04_2026010{n}.flac", scene(n), describe={"scales": (0.1 * n,)})
        for n in (1, 2)
    ]
    with pytest.raises(MismatchError, match=r"20260102\.flac: scale is 0\.2.*has 0\.1"):
        virtual_flac.stack(paths, pattern=r"(?P<band>B04)_%Y%m%d")


def test_places_without_a_raster(sentinel: dict[tuple[str, str], Path], tmp_path: Path) -> None:
    pattern = r"_%Y%m%d_(?P<band>B\w\w)"
    absent = sentinel.pop(("20260714", "B08"))
    with pytest.raises(MismatchError, match=r"no raster for time 2026-07-14.*, band B08.*--allow"):
        virtual_flac.stack(sentinel.values(), pattern=pattern)
    with pytest.raises(MismatchError, match="has no nodata that could stand there"):
        virtual_flac.stack(sentinel.values(), pattern=pattern, allow_missing=True)
    assert absent.exists()
    for key, path in sentinel.items():
        for file in (path, path.with_suffix(".tif")):
            file.unlink()
        write(path, scene(int(key[0])), nodata=65535)
    cube = virtual_flac.stack(sentinel.values(), pattern=pattern, allow_missing=True)
    expected = np.stack([np.repeat(scene(20260301), 3, 0), np.repeat(scene(20260714), 3, 0)])
    expected[1, 1] = 65535
    np.testing.assert_array_equal(reopen(cube, tmp_path).band_data, expected)
    virtual_flac.write_icechunk(cube, tmp_path / "cube.icechunk")
    again = virtual_flac.open_references(tmp_path / "cube.icechunk", mask_and_scale=False)
    np.testing.assert_array_equal(again.band_data, expected)


# --- Mosaics --------------------------------------------------------------------------------------


def cut(
    folder: Path, data: Any, rows: list[int], cols: list[int], name: str = "part", **profile: Any
) -> list[Path]:
    """One raster cut into files at rows and columns of pixels."""
    paths = []
    for top, bottom in zip([0, *rows], [*rows, data.shape[1]], strict=True):
        for left, right in zip([0, *cols], [*cols, data.shape[2]], strict=True):
            transform = NORTH_UP @ NORTH_UP.translation(left, top)
            path = folder / f"{name}_{top}_{left}.flac"
            paths.append(
                write(path, data[:, top:bottom, left:right], transform=transform, **profile)
            )
    return paths


@pytest.mark.parametrize("interleave", ["band", "pixel"])
def test_a_mosaic_is_what_rasterio_merges(interleave: str, tmp_path: Path) -> None:
    # The last column of files is narrower than a tile.
    data = scene(1, shape=(2, 150, 212))
    paths = cut(tmp_path, data, [64], [96, 192], interleave=interleave)
    cube = virtual_flac.stack(paths[::-1], dim=(), mosaic=True)
    merged, transform = rasterio.merge.merge([path.with_suffix(".tif") for path in paths])
    again = reopen(cube, tmp_path)
    np.testing.assert_array_equal(merged, data)
    np.testing.assert_array_equal(again.band_data, merged)
    assert again.rio.transform() == transform
    whole = write(tmp_path / "whole.flac", data)
    theirs = xr.open_dataset(whole, engine="flac")
    for axis in ("x", "y"):
        np.testing.assert_array_equal(again[axis], theirs[axis])
    virtual_flac.write_icechunk(cube, tmp_path / "cube.icechunk")
    stored = virtual_flac.open_references(tmp_path / "cube.icechunk", mask_and_scale=False)
    np.testing.assert_array_equal(stored.band_data, data)


def test_mosaics_in_time(tmp_path: Path) -> None:
    days = {day: scene(day, shape=(1, 70, 100)) for day in (1, 2)}
    paths = [
        path
        for day, data in days.items()
        for path in cut(tmp_path, data, [], [64], name=f"2026-01-0{day}", nodata=0)
    ]
    with pytest.raises(SelectionError, match=r"2026-01-01.* belongs to 2 rasters.*mosaic=True"):
        virtual_flac.stack(paths)
    again = reopen(virtual_flac.stack(paths, mosaic=True), tmp_path)
    assert again.band_data.dims == ("time", "band", "y", "x")
    np.testing.assert_array_equal(again.band_data, np.stack(list(days.values())))
    with pytest.raises(MismatchError, match=r"time 2026-01-02.*tile \(0, 2\)"):
        virtual_flac.stack(paths[:3], mosaic=True)
    holey = reopen(virtual_flac.stack(paths[:3], mosaic=True, allow_missing=True), tmp_path)
    days[2][:, :, 64:] = 0
    np.testing.assert_array_equal(holey.band_data, np.stack(list(days.values())))


def test_a_mosaic_of_names_without_dates_needs_no_dimension(tmp_path: Path) -> None:
    data = scene(1, shape=(1, 70, 100))
    paths = cut(tmp_path, data, [], [64], name="scene")
    again = reopen(virtual_flac.stack(paths, mosaic=True), tmp_path)
    assert again.band_data.dims == ("band", "y", "x")
    np.testing.assert_array_equal(again.band_data, data)
    dated = cut(tmp_path, data, [], [64], name="2026-01-01")
    with pytest.raises(SelectionError, match="no date in the name"):
        virtual_flac.stack([paths[0], dated[1]], mosaic=True)
    # A pattern that was given has to match.
    with pytest.raises(SelectionError, match="no date in the name"):
        virtual_flac.stack(paths, mosaic=True, pattern="%Y")


@settings(max_examples=12)
@given(
    rows=st.sets(st.integers(1, 3).map(lambda n: n * TILE), max_size=2),
    cols=st.sets(st.integers(1, 3).map(lambda n: n * TILE), max_size=2),
    tail=st.tuples(st.integers(1, 70), st.integers(1, 70)),
)
def test_mosaics_of_any_cut(
    rows: set[int], cols: set[int], tail: tuple[int, int], tmp_path_factory: Any
) -> None:
    folder = tmp_path_factory.mktemp("cut")
    shape = (1, max(rows, default=0) + tail[0], max(cols, default=0) + tail[1])
    paths = cut(folder, scene(7, shape=shape), sorted(rows), sorted(cols))
    again = reopen(virtual_flac.stack(paths, dim=(), mosaic=True), folder)
    np.testing.assert_array_equal(again.band_data, scene(7, shape=shape))


def test_mosaics_that_do_not_fit(tmp_path: Path) -> None:
    data = scene(1, shape=(1, 64, 128))

    def beside(name: str, columns: float, **options: Any) -> Path:
        transform = NORTH_UP @ NORTH_UP.translation(columns, 0)
        return write(tmp_path / f"{name}.flac", data, **{"transform": transform, **options})

    first = beside("first", 0)
    cases = {
        r"between.flac: begins 128.5 columns and 0 rows from .*first.flac, between its": beside(
            "between", 128.5
        ),
        r"off.flac: begins 140 columns behind .*first.flac, which is not a whole number of": beside(
            "off", 140
        ),
        r"twice.flac: covers what .*first.flac covers": beside("twice", 96),
        r"coarse.flac: resolution is .*60": beside(
            "coarse", 0, transform=NORTH_UP @ NORTH_UP.translation(128, 0) @ NORTH_UP.scale(2)
        ),
        r"zone.flac: CRS is": beside("zone", 128, crs="EPSG:32634"),
    }
    for message, path in cases.items():
        with pytest.raises(MismatchError, match=message):
            virtual_flac.stack([first, path], dim=(), mosaic=True)
    narrow = write(tmp_path / "narrow.flac", data[:, :, :100])
    with pytest.raises(MismatchError, match=r"narrow.flac: its 100 columns are not a whole number"):
        virtual_flac.stack([narrow, beside("right", 128)], dim=(), mosaic=True)
    with pytest.raises(SelectionError, match="mosaic=True"):
        virtual_flac.stack([first], dim=())
    with pytest.raises(SelectionError, match="'x' is not a new dimension"):
        virtual_flac.stack([first], dim="x")


# --- Labels ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("pattern", "name", "dims", "expected"),
    [
        (r"%Y%m%dT%H%M%S", "S2_20260714T081609.flac", None,
         {"time": datetime(2026, 7, 14, 8, 16, 9)}),
        (r"_%Y%j", "MOD_2026195.flac", None, {"time": datetime(2026, 7, 14)}),
        (r"(?P<year>\d{4})/(?P<month>\d+)/(?P<day>\d+)/", "2026/7/4/B04.flac", None,
         {"time": datetime(2026, 7, 4)}),
        (r"%Y/%m/.*%Y%m%d", "2026/07/x_20260714.flac", None, {"time": datetime(2026, 7, 14)}),
        (r"(?P<time>[\dT-]+)_(?P<band>\w+)\.", "2026-07-14T0816_nir.flac", None,
         {"time": datetime(2026, 7, 14, 8, 16), "band": "nir"}),
        (r"run(?P<member>\d+)", "run007.flac", None, {"member": 7}),
        (r"z(?P<depth>[\d.]+)m", "z1.5m.flac", None, {"depth": 1.5}),
        (r"(?P<tile>T\d\w+)_%y%m%d", "T33UUP_260714.flac", None,
         {"time": datetime(2026, 7, 14), "tile": "T33UUP"}),
        (r"(?P<tile>T\d\w+)_%y%m%d", "T33UUP_260714.flac", ["tile"], {"tile": "T33UUP"}),
        (r"(\d{4})-(\d\d)-(\d\d)", "2026-07-14.flac", ["date"], {"date": datetime(2026, 7, 14)}),
        (r"100%%_%Y%m%d", "100%_20260714.flac", None, {"time": datetime(2026, 7, 14)}),
    ],
)  # fmt: skip
def test_patterns(pattern: str, name: str, dims: Any, expected: dict[str, Any]) -> None:
    found = labels_from_names([f"file:///data/{name}"], pattern, dims)
    assert found == {dim: [value] for dim, value in expected.items()}
    assert list(found) == list(expected)


@pytest.mark.parametrize(
    ("pattern", "dims", "message"),
    [
        ("(", None, "not a regular expression"),
        ("(a)", None, "1 groups"),
        ("%Q", None, "holds %Q; known are %Y"),
        (r"%Y%m%d", None, "'20261345' is not a date"),
        (r"%Y\d{4}_(?P<band>B)", None, "no match in the name"),
        (r"_%Y(?P<rest>\d+)", ["time", "kind"], r"finds a date, rest; .* for 'kind'"),
        (r"(?P<time>\d+)", None, "'20261345' is not a date"),
        (r"(\d{4})(\d\d)(\d\d)", None, "'20261345' is not a date"),
    ],
)
def test_patterns_that_find_nothing(pattern: str, dims: Any, message: str) -> None:
    with pytest.raises(SelectionError, match=message):
        labels_from_names(["https://host/scene_20261345.flac"], pattern, dims)


@given(st.datetimes(datetime(1900, 1, 1), datetime(2100, 1, 1)), st.integers(0, 999))
def test_names_made_by_strftime_are_read_back(moment: datetime, number: int) -> None:
    moment = moment.replace(microsecond=0)
    name = moment.strftime(f"S{number}_%Y-%m-%d_%H%M%S.flac")
    found = labels_from_names([f"file:///{name}"], r"S(?P<run>\d+)_%Y-%m-%d_%H%M%S", None)
    assert found == {"time": [moment], "run": [number]}


def test_values_that_do_not_fit(sentinel: dict[tuple[str, str], Path]) -> None:
    paths = list(sentinel.values())
    with pytest.raises(SelectionError, match="by name"):
        virtual_flac.stack(paths, dim=("time", "band"), values=[1])
    with pytest.raises(SelectionError, match="2 values of a for 6"):
        virtual_flac.stack(paths, values={"a": [1, 2]})
    with pytest.raises(SelectionError, match="for the dimensions"):
        virtual_flac.stack(paths, dim=("time", "band"), values={"time": [1] * 6})
    with pytest.raises(SelectionError, match="name one twice"):
        virtual_flac.stack(paths, dim=("time", "time"))


def test_moments_with_time_zones_are_utc(tmp_path: Path) -> None:
    path = write(tmp_path / "a.flac", scene(1))
    cube = virtual_flac.stack([path], values=[datetime.fromisoformat("2026-07-14T02:00+02:00")])
    assert cube.time.values[0] == np.datetime64("2026-07-14T00:00")


# --- STAC -----------------------------------------------------------------------------------------


def items(sentinel: dict[tuple[str, str], Path], href: Any) -> dict[str, Any]:
    dates = dict.fromkeys(date for date, _ in sentinel)
    return {
        "type": "FeatureCollection",
        "features": [
            {
                "type": "Feature", "id": date, "links": [],
                "properties": {"datetime": f"{date[:4]}-{date[4:6]}-{date[6:]}T10:00:00+02:00"},
                "assets": {
                    "thumbnail": {"href": "https://example.com/a.png", "type": "image/png"},
                    **{
                        band: {"href": href(path), "type": "audio/flac"}
                        for (other, band), path in sentinel.items()
                        if other == date
                    },
                },
            }
            for date in dates
        ],
    }  # fmt: skip


def test_stac_items(sentinel: dict[tuple[str, str], Path], tmp_path: Path) -> None:
    collection = items(sentinel, str)
    expected = np.stack(
        [
            np.concatenate([
                rasterio.open(sentinel[date, band].with_suffix(".tif")).read()
                for band in ("B02", "B8A", "B08")
            ])
            for date in ("20260301", "20260714")
        ]
    )  # fmt: skip
    relative = tmp_path / "items.json"
    relative.write_text(json.dumps(items(sentinel, lambda path: f"./{path.name}")))
    features = collection["features"]
    pystac_like = [SimpleNamespace(to_dict=lambda item=item: item) for item in features]
    whole = SimpleNamespace(to_dict=lambda: collection)
    for source in (collection, features, pystac_like, whole, relative, str(relative)):
        cube = virtual_flac.stack(source)
        assert cube.band_data.attrs["long_name"] == ["B02", "B8A", "B08"]
        assert cube.time.values[0] == np.datetime64("2026-03-01T08:00")
        np.testing.assert_array_equal(reopen(cube, tmp_path).band_data, expected)
    cube = virtual_flac.stack(collection, assets=["B08", "B02"])
    np.testing.assert_array_equal(reopen(cube, tmp_path).band_data, expected[:, [2, 0]])
    cube = virtual_flac.stack(collection, assets=["B08"])
    assert cube.band_data.sizes["band"] == 1
    cube = virtual_flac.stack(collection, as_variables=True, dim=("acquired", "band"))
    assert cube["B8A"].dims == ("acquired", "y", "x")


def test_stac_items_over_http(
    sentinel: dict[tuple[str, str], Path], tmp_path: Path, range_server: Any
) -> None:
    (tmp_path / "items.json").write_text(json.dumps(items(sentinel, lambda path: path.name)))
    server = range_server(tmp_path)
    cube = virtual_flac.stack(f"{server.url}/items.json", assets=["B02"])
    log = server.log()
    assert log[0].path == "/items.json"
    assert len(log) == 1 + 2
    assert cube.sizes["time"] == 2


def test_stac_items_that_do_not_serve(
    sentinel: dict[tuple[str, str], Path], tmp_path: Path
) -> None:
    collection = items(sentinel, str)
    item = collection["features"][0]
    with pytest.raises(SelectionError, match=r"item 20260714: there is no asset 'B99'; it has"):
        virtual_flac.stack(collection, assets=["B99"])
    with pytest.raises(SelectionError, match="none of its assets"):
        virtual_flac.stack({**item, "assets": {"a": {"href": "a.png"}}})
    with pytest.raises(SelectionError, match="its datetime is None"):
        virtual_flac.stack({**item, "properties": {}})
    with pytest.raises(SelectionError, match="say nothing of 'member'"):
        virtual_flac.stack(collection, dim=("time", "member"))
    with pytest.raises(SelectionError, match="belong to STAC items"):
        virtual_flac.stack(["a.flac"], assets=["B02"])
    for text, message in (("{", "is not JSON"), ("[]", "holds no STAC items")):
        (tmp_path / "bad.json").write_text(text)
        with pytest.raises(SelectionError, match=message):
            virtual_flac.stack(tmp_path / "bad.json")
    with pytest.raises(SelectionError, match="give a list"):
        virtual_flac.stack("scene.flac")
    with pytest.raises(SelectionError, match="no rasters"):
        virtual_flac.stack({"type": "FeatureCollection", "features": []})
