"""`compare`: nothing that differs is missed, and what it counts is what numpy counts."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import rasterio
import rasters
import servers
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from rasterio.crs import CRS
from rasterio.enums import ColorInterp, Resampling
from rasters import write_tif

from virtual_flac import compare, write_flac, write_geotiff
from virtual_flac.errors import CorruptFlacError, SourceNotFoundError
from virtual_flac.reports.pixel_statistics import BandDifference

Array = npt.NDArray[Any]


@pytest.mark.parametrize("name", sorted(rasters.CASES))
def test_a_raster_is_identical_to_its_flac_and_back(
    name: str, tmp_path: Path, gdalcompare: Any
) -> None:
    tif = rasters.make(name, tmp_path)
    write_flac(tif, tmp_path / "x.flac", tile_size=32)
    write_geotiff(tmp_path / "x.flac", tmp_path / "back.tif")
    for a, b in [("x.flac", tif), (tif, "x.flac"), ("x.flac", "x.flac")]:
        found = compare(tmp_path / a, tmp_path / b)
        assert found.identical, found
        json.dumps(found.to_dict(), allow_nan=False)
    assert compare(tif, tmp_path / "back.tif").identical
    # GDAL's own comparison agrees, but that a nodata of NaN is not equal to itself there.
    found_by_gdal = gdalcompare(tif, tmp_path / "back.tif")
    assert [
        line for line in found_by_gdal if not line.endswith(("nodata values differ.", "nan"))
    ] == []


@pytest.mark.parametrize("kind", ["tif", "flac"])
@pytest.mark.parametrize("dtype", ["uint8", "int16", "uint32", "int64", "uint64", "float32"])
def test_differing_pixels_are_counted_as_numpy_counts_them(
    dtype: str, kind: str, tmp_path: Path
) -> None:
    a = rasters.pixels(dtype, 3, 70, 90)
    b = a.copy()
    rng = np.random.default_rng(1)
    b[1].flat[rng.choice(6300, 40, replace=False)] = 7
    b[2, :, 3] = 9
    write_tif(tmp_path / "a.tif", a)
    write_tif(tmp_path / "b.tif", b, tiled=True, blockxsize=32, blockysize=16, interleave="band")
    if kind == "flac":
        write_flac(tmp_path / "b.tif", tmp_path / "b.flac", tile_size=32)
    found = compare(tmp_path / "a.tif", tmp_path / f"b.{kind}")
    assert not found.identical
    assert not found.pixels_identical
    for band, ours, theirs in zip(found.bands, a, b, strict=True):
        differs = (ours != theirs) & ~((ours != ours) & (theirs != theirs))
        assert band.differing == np.count_nonzero(differs)
        assert band.share == np.count_nonzero(differs) / 6300
        valid = (ours == ours) & (theirs == theirs)
        if dtype == "float32":
            with np.errstate(invalid="ignore"):
                error = np.abs(ours[valid].astype(float) - theirs[valid])
            error[ours[valid] == theirs[valid]] = 0
            assert band.max_error == error.max()
            np.testing.assert_allclose(band.rmse, np.sqrt(np.mean(error**2)), rtol=1e-12)
        else:
            exact = [abs(int(x) - int(y)) for x, y in zip(ours.flat, theirs.flat, strict=True)]
            assert band.max_error == max(exact)
            expected = np.sqrt(np.mean(np.asarray(exact, float) ** 2))
            np.testing.assert_allclose(band.rmse, expected, rtol=1e-12)
            np.testing.assert_allclose(band.mean_error, np.mean(exact, dtype=float), rtol=1e-12)
        assert band.b.valid == np.count_nonzero(theirs == theirs)
        assert band.b.minimum == np.nanmin(theirs)
        assert band.b.maximum == np.nanmax(theirs)


def test_nodata_and_nan_count_in_no_error(tmp_path: Path) -> None:
    a = np.full((1, 4, 5), 10.0, "float32")
    b = a.copy()
    a[0, 0] = np.nan
    b[0, 0] = np.nan  # equal
    a[0, 1, 0] = np.nan  # in one only
    a[0, 1, 1] = -9999  # likewise
    b[0, 2, 2] = 13
    write_tif(tmp_path / "a.tif", a, nodata=-9999)
    write_tif(tmp_path / "b.tif", b, nodata=-9999)
    [band] = compare(tmp_path / "a.tif", tmp_path / "b.tif").bands
    assert (band.differing, band.valid_in_one, band.max_error) == (3, 2, 3.0)
    assert band.rmse == pytest.approx(np.sqrt(9 / 13))
    assert (band.a.valid, band.b.valid) == (13, 15)
    assert band.a.mean == 10


def test_infinities_are_strict_json(tmp_path: Path) -> None:
    a = np.zeros((1, 3, 3), "float64")
    b = a.copy()
    a[0, 0, 0] = np.inf
    found = compare(write_tif(tmp_path / "a.tif", a), write_tif(tmp_path / "b.tif", b))
    assert found.bands[0].max_error == np.inf
    content = json.loads(json.dumps(found.to_dict(), allow_nan=False))
    assert content["bands"][0]["max_error"] == "Infinity"


def changed(tmp_path: Path, change: Any, **profile: Any) -> list[tuple[str, str, str]]:
    """What differs after a change to a copy of a GeoTIFF, against its FLAC."""
    tif = write_tif(tmp_path / "a.tif", rasters.pixels("uint8", 2, 40, 50), **profile)
    with rasterio.open(tif, "r+") as target:
        target.colorinterp = [ColorInterp.gray, ColorInterp.undefined]
    write_flac(tif, tmp_path / "a.flac", tile_size=32)
    shutil.copy(tif, tmp_path / "b.tif")
    with rasterio.open(tmp_path / "b.tif", "r+") as target:
        change(target)
    found = compare(tmp_path / "a.flac", tmp_path / "b.tif")
    assert found.pixels_identical
    assert not found.identical
    return [(each.name, each.a, each.b) for each in found.metadata]


@pytest.mark.parametrize(
    ("name", "a", "b", "change"),
    [
        ("nodata", "none", "3", lambda t: setattr(t, "nodata", 3)),
        (
            "CRS", "EPSG:32633, WGS 84 / UTM zone 33N", "EPSG:32634, WGS 84 / UTM zone 34N",
            lambda t: setattr(t, "crs", "EPSG:32634"),
        ),
        ("band 2 description", "none", "red", lambda t: t.set_band_description(2, "red")),
        ("band 1 unit", "none", "m", lambda t: t.set_band_unit(1, "m")),
        ("band 1 scale", "1.0", "0.5", lambda t: setattr(t, "scales", (0.5, 1))),
        ("band 2 offset", "0.0", "7.0", lambda t: setattr(t, "offsets", (0, 7))),
        ("tag n", "none", "1", lambda t: t.update_tags(n="1")),
        ("band 1 tag q", "none", "x", lambda t: t.update_tags(1, q="x")),
        ("overviews", "none", "25 x 20", lambda t: t.build_overviews([2], Resampling.nearest)),
        ("transform", ..., ..., lambda t: setattr(t, "transform", rasters.NORTH_UP * 2)),
        (
            "band 2 color interpretation", "undefined", "alpha",
            lambda t: setattr(t, "colorinterp", [ColorInterp.gray, ColorInterp.alpha]),
        ),
    ],
)  # fmt: skip
def test_each_metadata_difference_is_named(
    name: str, a: Any, b: Any, change: Any, tmp_path: Path
) -> None:
    if name == "transform":
        change = lambda t: setattr(t, "transform", rasters.NORTH_UP.translation(1, 2))  # noqa: E731
    found = changed(tmp_path, change)
    assert name in [each[0] for each in found]
    [(_, ours, theirs)] = [each for each in found if each[0] == name]
    if a is not ...:
        assert (ours, theirs) == (a, b)


def test_colour_maps(tmp_path: Path) -> None:
    tif = rasters.make("palette", tmp_path)
    shutil.copy(tif, tmp_path / "b.tif")
    with rasterio.open(tmp_path / "b.tif", "r+") as target:
        target.write_colormap(1, {i: (i, i, i, 255) for i in range(256)})
    found = compare(tif, tmp_path / "b.tif")
    assert [each.name for each in found.metadata] == ["band 1 colour map"]


def test_crs_of_one_name_are_told_apart(tmp_path: Path) -> None:
    tifs = []
    for name in ("a", "b"):
        crs = f'LOCAL_CS["mine",UNIT["{name}",{ord(name)}]]'
        pixels = rasters.pixels("uint8", 1, 40, 50)
        tifs.append(write_tif(tmp_path / f"{name}.tif", pixels, crs=CRS.from_wkt(crs)))
    [found] = compare(*tifs).metadata
    assert (found.name, "97" in found.a, "98" in found.b) == ("CRS", True, True)


def test_one_crs_in_two_spellings_is_the_same(flac_raster: Any, tmp_path: Path) -> None:
    tif = write_tif(tmp_path / "a.tif", rasters.pixels("uint8", 1, 40, 50))
    theirs = flac_raster.create_streaming(tif, tmp_path / "theirs.flac", 32)
    found = compare(tif, theirs)
    assert found.pixels_identical
    assert "CRS" not in [each.name for each in found.metadata]


@pytest.mark.parametrize(
    ("shape", "names"),
    [((1, 20, 30), {"size"}), ((2, 30, 30), {"bands"}), ((1, 31, 30), {"size"})],
)
def test_other_shapes(shape: tuple[int, int, int], names: set[str], tmp_path: Path) -> None:
    a = write_tif(tmp_path / "a.tif", np.zeros((1, 30, 30), "uint8"))
    b = write_tif(tmp_path / "b.tif", np.zeros(shape, "uint8"))
    found = compare(a, b)
    assert {each.name for each in found.metadata} >= names
    assert not found.pixels_identical
    assert len(found.bands) == (0 if "size" in names else 1)


def test_other_dtypes_are_compared_by_value(tmp_path: Path) -> None:
    a = write_tif(tmp_path / "a.tif", np.full((1, 9, 9), 200, "uint8"))
    b = write_tif(tmp_path / "b.tif", np.full((1, 9, 9), -56, "int16"))
    found = compare(a, b)
    assert found.bands[0].max_error == 256
    assert [each.name for each in found.metadata] == ["dtype"]


def test_overviews_count(tmp_path: Path) -> None:
    tif = rasters.make("overviews", tmp_path)
    write_flac(tif, tmp_path / "x.flac", overviews=[2, 4], resampling="nearest", tile_size=64)
    found = compare(tif, tmp_path / "x.flac")
    assert found.pixels_identical
    with rasterio.open(tif, overview_level=0) as source:
        averaged = source.read()
    with rasterio.open(tif) as source:
        # GDAL's nearest takes the first pixel of each square.
        nearest = source.read()[:, ::2, ::2]
    [first, _] = found.overviews
    assert first.differing == np.count_nonzero(averaged != nearest)
    assert not found.identical


@given(
    hnp.arrays(np.int64, 20, elements=st.integers(-(2**63), 2**63 - 1)),
    hnp.arrays(np.int64, 20, elements=st.integers(-(2**63), 2**63 - 1)),
    st.integers(1, 20),
)
def test_errors_of_64_bit_integers_are_exact(a: Array, b: Array, cut: int) -> None:
    gathered = BandDifference(None, None)
    gathered.add(a[:cut], b[:cut])
    if cut < 20:
        gathered.add(a[cut:], b[cut:])
    found = gathered.result(1)
    assert found.max_error == max(abs(int(x) - int(y)) for x, y in zip(a, b, strict=True))
    assert found.differing == int((a != b).sum())
    assert found.a.maximum == int(a.max())


def test_memory_is_bounded_by_pieces(tmp_path: Path, monkeypatch: Any) -> None:
    """Small pieces find the same as one, and progress goes up to the end."""
    a = rasters.pixels("int16", 2, 150, 130)
    b = a.copy()
    b[:, 77, 100] += 1
    write_tif(tmp_path / "a.tif", a, tiled=True, blockxsize=16, blockysize=16)
    write_tif(tmp_path / "b.tif", b)
    write_flac(tmp_path / "b.tif", tmp_path / "b.flac", tile_size=32)
    for other in ("b.tif", "b.flac"):
        whole = compare(tmp_path / "a.tif", tmp_path / other)
        monkeypatch.setattr("virtual_flac.reports.compare.PIECE_BYTES", 2000)
        steps: list[tuple[int, int]] = []
        pieces = compare(
            tmp_path / "a.tif", tmp_path / other,
            progress=lambda done, total, steps=steps: steps.append((done, total)),
        )  # fmt: skip
        monkeypatch.undo()
        assert [band.differing for band in pieces.bands] == [1, 1]
        assert [band.max_error for band in pieces.bands] == [b.max_error for b in whole.bands]
        assert len(steps) >= 5
        assert steps[-1] == (a.size, a.size)


def test_urls(tmp_path: Path, range_server: Any) -> None:
    tif = rasters.make("overviews", tmp_path)
    write_flac(tif, tmp_path / "x.flac", tile_size=32)
    server = range_server(tmp_path)
    flac, remote = (servers.url_of(server, name) for name in ("x.flac", tif.name))
    for a, b in [(tif, flac), (remote, flac), (remote, tmp_path / "x.flac")]:
        assert compare(a, b).identical


def test_bad_files_are_errors(tmp_path: Path) -> None:
    tif = rasters.make("uint8", tmp_path)
    index = write_flac(tif, tmp_path / "x.flac", tile_size=32)
    with pytest.raises(SourceNotFoundError):
        compare(tif, tmp_path / "none.tif")
    data = bytearray((tmp_path / "x.flac").read_bytes())
    data[int(index.levels[0].offsets[0, 1, 1] + index.levels[0].lengths[0, 1, 1]) - 5] ^= 1
    (tmp_path / "bad.flac").write_bytes(data)
    with pytest.raises(CorruptFlacError):
        compare(tif, tmp_path / "bad.flac")
