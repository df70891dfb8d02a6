"""The engine ``flac`` shows a FLAC raster as rioxarray shows the GeoTIFF that it was made of."""

from __future__ import annotations

import pickle
import shutil
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio
import rasters
import xarray as xr

import virtual_flac
from virtual_flac.errors import SelectionError, SourceError, SourceNotFoundError


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """Return ``(tif, flac)`` of a case and interleave, made once."""
    folder = tmp_path_factory.mktemp("opening")
    made: dict[tuple[str, str], tuple[Path, Path]] = {}

    def get(name: str, interleave: str = "band") -> tuple[Path, Path]:
        key = (name, interleave)
        if key not in made:
            tif = rasters.make(name, folder)
            flac = folder / f"{name}_{interleave}.flac"
            virtual_flac.write_flac(tif, flac, tile_size=32, interleave=interleave)
            made[key] = (tif, flac)
        return made[key]

    return get


def by_rioxarray(tif: Path, **options: Any) -> xr.Dataset:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of missing georeferencing and of differing scales
        return xr.open_dataset(tif, engine="rasterio", **options)


def assert_same(ours: xr.Dataset, theirs: xr.Dataset) -> None:
    xr.testing.assert_equal(ours, theirs)
    # Attributes as well, but for the WKT: ours is WKT2, rioxarray's WKT1.
    xr.testing.assert_identical(
        ours.drop_vars("spatial_ref").drop_attrs(deep=False).reset_coords(drop=True),
        theirs.drop_vars("spatial_ref").drop_attrs(deep=False).reset_coords(drop=True),
    )
    assert ours.band_data.dtype == theirs.band_data.dtype
    assert ours.rio.crs == theirs.rio.crs
    assert ours.rio.transform() == theirs.rio.transform()
    assert ours.band_data.rio.nodata == pytest.approx(theirs.band_data.rio.nodata, nan_ok=True)
    for key in ("_FillValue", "scale_factor", "add_offset", "scales", "offsets", "grid_mapping"):
        np.testing.assert_equal(
            ours.band_data.encoding.get(key), theirs.band_data.encoding.get(key)
        )


@pytest.mark.parametrize("name", rasters.CASES)
def test_equals_rioxarray(name: str, files: Any) -> None:
    _, bands, *_ = rasters.CASES[name]
    for interleave in ("band", "tile", "pixel") if 1 < bands <= 4 else ("band",):
        tif, flac = files(name, interleave)
        for masked in (True, False):
            theirs = by_rioxarray(tif, mask_and_scale=masked)
            with xr.open_dataset(flac, engine="flac", mask_and_scale=masked) as ours:
                assert_same(ours, theirs)


def test_masked_without_scaling(files: Any) -> None:
    tif, flac = files("int16_scaled")
    theirs = by_rioxarray(tif, mask_and_scale=False, masked=True)
    ours = xr.open_dataset(flac, engine="flac", mask_and_scale=False, masked=True)
    xr.testing.assert_identical(
        ours.band_data.drop_vars("spatial_ref"), theirs.band_data.drop_vars("spatial_ref")
    )


@pytest.mark.parametrize(
    "key",
    [
        {"band": 1, "y": 3, "x": 5},
        {"band": [2, 0], "y": slice(10, 50, 3), "x": [63, 1, 1, 40]},
        {"band": slice(None, None, -1), "y": slice(40, 2, -5), "x": -1},
        {"y": slice(0, 0)},
    ],
)
@pytest.mark.parametrize("interleave", ["band", "pixel"])
def test_selections_equal_rioxarray(key: dict[str, Any], interleave: str, files: Any) -> None:
    tif, flac = files("uint8_rgb_nodata", interleave)
    ours = xr.open_dataset(flac, engine="flac").isel(key)
    xr.testing.assert_equal(ours, by_rioxarray(tif).load().isel(key))


def test_alpha_masks_selected_bands_too(files: Any) -> None:
    tif, flac = files("uint8_rgba")
    for key in ({"band": 1}, {"band": 3}, {"band": [3, 0], "x": slice(7, 30)}, {"y": 3, "x": 5}):
        ours = xr.open_dataset(flac, engine="flac").isel(key)
        xr.testing.assert_equal(ours, by_rioxarray(tif).load().isel(key))


@pytest.mark.parametrize("interleave", ["band", "tile", "pixel"])
def test_bands_can_be_chosen(interleave: str, files: Any) -> None:
    _, flac = files("uint16_six_bands", interleave)
    every = xr.open_dataset(flac, engine="flac")
    for bands in ([2], [6, 1]):
        some = xr.open_dataset(flac, engine="flac", bands=bands)
        assert some.band.values.tolist() == bands
        np.testing.assert_array_equal(some.band_data, every.band_data.sel(band=bands))
        assert some.band_data.attrs["long_name"] == ("B02" if bands == [2] else ("B06", "B01"))
    for wrong in ([0], [7], [], [1, 1]):
        with pytest.raises(SelectionError, match="band"):
            xr.open_dataset(flac, engine="flac", bands=wrong)


def test_overviews(files: Any) -> None:
    tif, flac = files("overviews")
    tree = xr.open_datatree(flac, engine="flac")
    assert list(tree.children) == ["full", "overview_1", "overview_2"]
    assert_same(tree["full"].to_dataset(), by_rioxarray(tif))
    for level in (1, 2):
        theirs = by_rioxarray(tif, open_kwargs={"overview_level": level - 1})
        for ours in (
            tree[f"overview_{level}"].to_dataset(),
            xr.open_dataset(flac, engine="flac", overview=level),
            xr.open_dataset(flac, engine="flac", group=f"overview_{level}"),
        ):
            # GDAL's own tag of overview bands, RESAMPLING, is not the raster's.
            theirs.band_data.attrs.pop("RESAMPLING", None)
            assert_same(ours, theirs)
    for wrong in ({"overview": 3}, {"overview": -1}, {"group": "nope"}):
        with pytest.raises(SelectionError):
            xr.open_dataset(flac, engine="flac", **wrong)


def test_options(files: Any) -> None:
    _, flac = files("uint16")
    ours = xr.open_dataset(flac, engine="flac", variable="dn", coordinates=False)
    assert set(ours.variables) == {"dn", "band", "spatial_ref"}
    assert ours.rio.transform() == rasters.NORTH_UP
    assert "spatial_ref" not in xr.open_dataset(flac, engine="flac", drop_variables=["spatial_ref"])


def test_it_is_lazy_and_chunked_by_tiles(files: Any) -> None:
    _, flac = files("uint16")
    ours = xr.open_dataset(flac, engine="flac", chunks={})
    assert ours.band_data.chunks == ((1,), (32, 32, 32, 4), (32, 32, 32, 32, 2))
    again = pickle.loads(pickle.dumps(xr.open_dataset(flac, engine="flac")))
    xr.testing.assert_equal(again, ours)


def test_engine_is_guessed_for_our_files_only(files: Any, tmp_path: Path) -> None:
    tif, flac = files("uint16")
    renamed = tmp_path / "without_suffix"
    shutil.copy(flac, renamed)
    from virtual_flac.engine.plugin import FlacBackendEntrypoint

    guess = FlacBackendEntrypoint().guess_can_open
    assert guess(flac)
    assert guess(renamed)
    assert guess(f"file://{flac}")
    assert not guess(tif)
    assert not guess(tmp_path)
    assert not guess(tmp_path / "absent.flac")
    assert not guess(3)
    (tmp_path / "audio.flac").write_bytes(b"fLaC" + b"\0" * 100)
    assert not guess(tmp_path / "audio.flac")
    xr.testing.assert_equal(xr.open_dataset(renamed), xr.open_dataset(flac, engine="flac"))


def test_odd_paths(files: Any, tmp_path: Path) -> None:
    _, flac = files("uint16")
    odd = tmp_path / "a b ü %41#?.flac"
    shutil.copy(flac, odd)
    xr.testing.assert_equal(
        xr.open_dataset(odd, engine="flac"), xr.open_dataset(flac, engine="flac")
    )
    xr.testing.assert_equal(
        xr.open_dataset(odd.as_uri(), engine="flac"), xr.open_dataset(flac, engine="flac")
    )
    with pytest.raises(SourceNotFoundError, match=r"absent\.flac"):
        xr.open_dataset(tmp_path / "absent.flac", engine="flac")
    with pytest.raises(SourceError, match="ftp"):
        xr.open_dataset("ftp://example.com/a.flac", engine="flac")


def test_shared_rasters(shared_data: Path, tmp_path: Path) -> None:
    for tif in sorted(shared_data.glob("*.tif")):
        flac = tmp_path / f"{tif.stem}.flac"
        virtual_flac.write_flac(tif, flac, tile_size=256)
        for masked in (True, False):
            with xr.open_dataset(flac, engine="flac", mask_and_scale=masked) as ours:
                assert_same(ours, by_rioxarray(tif, mask_and_scale=masked))
        with rasterio.open(tif) as source:
            count = len(source.overviews(1))
        assert len(xr.open_datatree(flac, engine="flac").children) == 1 + count


def test_paths_with_dots_and_quoted_urls(
    files: Any, tmp_path: Path, range_server: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, flac = files("uint16")
    (tmp_path / "a").mkdir()
    shutil.copy(flac, tmp_path / "höhe 1.flac")
    expected = xr.open_dataset(flac, engine="flac").load()
    monkeypatch.chdir(tmp_path / "a")
    server = range_server(tmp_path)
    for source in (
        "../höhe 1.flac",
        f"{server.url}/h%C3%B6he%201.flac",
        f"{server.url}/höhe 1.flac",
    ):
        xr.testing.assert_equal(xr.open_dataset(source, engine="flac"), expected)


def test_wrong_options_are_explained(files: Any) -> None:
    _, flac = files("overviews")
    xr.testing.assert_equal(
        xr.open_dataset(flac, engine="flac", group="full"), xr.open_dataset(flac, engine="flac")
    )
    for options in ({"bands": 1}, {"bands": "1"}, {"overview": "1"}):
        with pytest.raises(SelectionError, match="give a"):
            xr.open_dataset(flac, engine="flac", **options)
    with pytest.raises(SelectionError, match="list of rasters"):
        virtual_flac.stack(str(flac))
    with pytest.raises(SelectionError, match="wildcards"):
        virtual_flac.stack(["http://localhost/B04_*.flac"])
