"""Stacks along one dimension: the right pixels in the right order, misfits told apart by name."""

from __future__ import annotations

import contextlib
import gc
import json
import re
import sys
import warnings
from concurrent.futures import Executor, ProcessPoolExecutor, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio
import xarray as xr
from rasters import NORTH_UP, write_tif
from virtualizarr import open_virtual_mfdataset
from virtualizarr.manifests import ManifestArray

import virtual_flac
from virtual_flac.cube import SkippedWarning
from virtual_flac.errors import MismatchError, SelectionError

DATES = ("2026-07-14", "2026-03-01", "2026-05-20")


def write(folder: Path, name: str, data: Any, **profile: Any) -> Path:
    flac = folder / f"{name}.flac"
    virtual_flac.write_flac(write_tif(folder / f"{name}.tif", data, **profile), flac, tile_size=32)
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
    with pytest.raises(SelectionError, match="not a date"):
        virtual_flac.stack([bad])


@pytest.mark.parametrize("case", ["plain", "nodata", "scaled", "pixel"])
@pytest.mark.parametrize("bands", [None, [2]])
def test_the_result_is_that_of_open_virtual_mfdataset(
    case: str, bands: list[int] | None, tmp_path: Path
) -> None:
    profile: dict[str, Any] = {"nodata": 7} if case == "nodata" else {}
    flacs = []
    for number, date in enumerate(sorted(DATES)):
        tif = write(tmp_path, date, scene(number), **profile).with_suffix(".tif")
        with rasterio.open(tif, "r+") as target:
            target.update_tags(ACQUIRED=date, SATELLITE="A")
            if case == "scaled":
                target.scales, target.offsets = (0.1, 0.2), (1, 2)
        flacs.append(tif.with_suffix(".flac"))
        interleave: Any = "pixel" if case == "pixel" else "band"
        virtual_flac.write_flac(tif, flacs[-1], tile_size=32, interleave=interleave, overwrite=True)
    parser = virtual_flac.FLACParser(bands=bands)
    ours = virtual_flac.stack(flacs, parser=parser)
    theirs = open_virtual_mfdataset(
        [str(flac) for flac in flacs], registry=virtual_flac.registry_for(flacs), parser=parser,
        combine="nested", concat_dim=ours.time, data_vars=["band_data"], coords="minimal",
        compat="override", join="override", combine_attrs="drop_conflicts",
    )  # fmt: skip
    assert_same_virtual(ours, theirs)
    assert "SATELLITE" in ours.band_data.attrs
    assert "ACQUIRED" not in ours.band_data.attrs


def assert_same_virtual(ours: xr.Dataset, theirs: xr.Dataset) -> None:
    assert set(ours.variables) == set(theirs.variables)
    assert dict(ours.sizes) == dict(theirs.sizes)
    assert ours.attrs == theirs.attrs
    for name, variable in ours.variables.items():
        other = theirs.variables[name]
        assert variable.dims == other.dims, name
        assert variable.attrs == other.attrs, name
        data: Any = variable._data
        if not isinstance(data, ManifestArray):
            xr.testing.assert_identical(variable.to_base_variable(), other.to_base_variable())
            continue
        judge: Any = other._data
        assert data.manifest.dict() == judge.manifest.dict()
        left, right = data.metadata.to_dict(), judge.metadata.to_dict()
        for document in (left, right):
            # What a dataset knows better; of no use in the arrays.
            document.pop("attributes")
            document.pop("dimension_names", None)
        assert left == right


class OneProcess(ProcessPoolExecutor):
    """With one worker, which takes seconds to start."""

    def __init__(self, **options: Any) -> None:
        super().__init__(1, **options)


EXECUTORS: dict[str, Any] = {
    "threads": lambda: "threads",
    "serial": lambda: False,
    "a class": lambda: ThreadPoolExecutor,
    "dask": lambda: "dask",
    "spawned processes": lambda: OneProcess,
    "an executor": lambda: ThreadPoolExecutor(1),
    "lithops": lambda: "lithops",
}
SLOW_EXECUTORS = ("spawned processes", "lithops")


# lithops leaves /dev/null open.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.parametrize(
    "name",
    [
        pytest.param(name, marks=pytest.mark.exhaustive) if name in SLOW_EXECUTORS else name
        for name in EXECUTORS
    ],
)
def test_executors(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    if name == "lithops":
        # lithops settles on its folders when it is imported, and in its workers.
        monkeypatch.setenv("HOME", str(tmp_path))
        monkeypatch.setenv("TMPDIR", str(tmp_path))
        monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
        pytest.importorskip("lithops")
        if not re.fullmatch("[A-Za-z0-9_/.:-]+", sys.executable):
            pytest.skip("skipped: lithops refuses a Python whose path has such characters")
        # Its workers are processes of any Python that it finds, unless told.
        config = {
            "lithops": {"backend": "localhost", "storage": "localhost"},
            "localhost": {"runtime": sys.executable},
        }
        monkeypatch.delenv("LITHOPS_CONFIG_FILE", raising=False)
        monkeypatch.setenv("LITHOPS_CONFIG", json.dumps(config))
    flacs = [write(tmp_path, date, scene(number)) for number, date in enumerate(sorted(DATES))]
    bad = tmp_path / "2026-08-01.flac"
    bad.write_bytes(b"no raster")
    parallel = EXECUTORS[name]()
    report: list[Any] = []
    with warnings.catch_warnings():
        if name == "lithops":
            warnings.simplefilter("ignore")  # its own, of forks and of its logging
        cube = virtual_flac.stack(
            [*flacs, bad], parallel=parallel, workers=2, on_error="skip", report=report
        )
        gc.collect()
    assert_same_virtual(cube, virtual_flac.stack(flacs))
    assert [skipped.url for skipped in report] == [f"file://{bad}"]
    with contextlib.ExitStack() as stack:
        if isinstance(parallel, Executor):
            # It is the caller's, and still open.
            assert stack.enter_context(parallel).submit(len, "ab").result() == 2


def test_lithops_is_asked_by_its_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What lithops itself does takes long: `test_executors`, exhaustive."""
    asked = []

    class Lithops(ThreadPoolExecutor):
        def __init__(self) -> None:
            asked.append(self)
            super().__init__(1)

    monkeypatch.setattr("virtualizarr.parallel.LithopsEagerFunctionExecutor", Lithops)
    flacs = [write(tmp_path, date, scene(number)) for number, date in enumerate(DATES)]
    assert_same_virtual(virtual_flac.stack(flacs, parallel="lithops"), virtual_flac.stack(flacs))
    assert len(asked) == 1


def test_executors_that_there_are_not() -> None:
    with pytest.raises(SelectionError, match="'spark'; expected threads, dask, lithops"):
        virtual_flac.stack(["2026-01-01.flac"], parallel="spark")  # type: ignore[arg-type]


def test_skipping_is_told(tmp_path: Path) -> None:
    good = [write(tmp_path, date, scene(number)) for number, date in enumerate(sorted(DATES))]
    odd = write(tmp_path, "2026-09-01", scene(3, "int16"))
    absent = tmp_path / "2026-10-01.flac"
    with pytest.warns(SkippedWarning, match=r"2 of 5 rasters were skipped") as told:
        cube = virtual_flac.stack([*good, odd, absent], on_error="skip")
    assert len(told) == 1
    assert "2026-09-01.flac: dtype is int16" in str(told[0].message)
    assert "2026-10-01.flac: no such file" in str(told[0].message)
    assert_same_virtual(cube, virtual_flac.stack(good))
    report: list[Any] = []
    virtual_flac.stack([*good, odd, absent], on_error="skip", report=report)
    assert [(Path(item.url).name, item.reason.split(": ")[1][:5]) for item in report] == [
        ("2026-09-01.flac", "dtype"), ("2026-10-01.flac", "no su"),
    ]  # fmt: skip
    with pytest.raises(MismatchError, match=r"none of the 1.*no such file"):
        virtual_flac.stack([absent], on_error="skip")
    with pytest.raises(SelectionError, match="on_error is 'ignore'"):
        virtual_flac.stack(good, on_error="ignore")  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("change", "option"),
    [
        ({"nodata": 7}, "nodata"),
        ({"crs": "EPSG:32634"}, "crs"),
        ({"transform": NORTH_UP @ NORTH_UP.translation(1, 0)}, "transform"),
    ],
)
def test_some_misfits_can_be_ignored(change: dict[str, Any], option: str, tmp_path: Path) -> None:
    flacs = [
        write(tmp_path, "2026-01-01", scene(0)), write(tmp_path, "2026-01-02", scene(1), **change),
    ]  # fmt: skip
    with pytest.raises(MismatchError, match=rf'ignore=\["{option}"\] \(--ignore {option}\)'):
        virtual_flac.stack(flacs)
    cube = virtual_flac.stack(flacs, ignore=[option])
    virtual_flac.write_kerchunk(cube, tmp_path / "cube.json")
    again = xr.open_dataset(str(tmp_path / "cube.json"), engine="kerchunk")
    np.testing.assert_array_equal(again.band_data, np.stack([scene(0), scene(1)]))
    first = xr.open_dataset(flacs[0], engine="flac")
    assert again.rio.crs == first.rio.crs
    assert again.rio.transform() == first.rio.transform()
    with pytest.raises(
        SelectionError, match="'dtype': only these can be ignored: crs, transform, no"
    ):
        virtual_flac.stack(flacs, ignore=["dtype"])
