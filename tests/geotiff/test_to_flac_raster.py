"""FLAC to FLAC, and flac-raster's own layout: it and we read the same exact pixels."""

from __future__ import annotations

import json
import logging
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import rasterio
import rasters
import servers
import xarray as xr
from rasters import write_tif

from virtual_flac import compare, read_index, verify, write_flac, write_geotiff
from virtual_flac.errors import (
    FlacError,
    LayoutError,
    RasterError,
    SelectionError,
    UnsupportedDtypeError,
)

RANGES = {
    "uint8": (0, 255),
    "int8": (-128, 127),
    "uint16": (0, 65_535),
    "int16": (-32_768, 32_767),
    "uint32": (0, 65_535),
    "int32": (-32_768, 32_767),
}


def noise(dtype: str, height: int = 70, width: int = 90) -> npt.NDArray[Any]:
    """All values from the least to the most that 16 bits hold."""
    low, high = RANGES[dtype]
    data = np.random.default_rng(4).integers(low, high, (1, height, width), endpoint=True)
    data[0, 0, :2] = low, high
    return data.astype(dtype)


def extract(path: Path, number: int) -> Path:
    """One tile as flac-raster's decoder gives it, found in the index as flac-raster does."""
    from flac_raster.converter import RasterFLACConverter

    logging.getLogger("flac_raster").setLevel(logging.CRITICAL)
    data = path.read_bytes()
    size = int.from_bytes(data[:4], "big")
    frame = json.loads(data[4 : 4 + size])["frames"][number]
    assert frame["frame_id"] == number
    start = 4 + size + frame["byte_offset"]
    tile, out = path.with_name("tile.flac"), path.with_name(f"{number}.tif")
    tile.write_bytes(data[start : start + frame["byte_size"]])
    RasterFLACConverter().flac_to_tiff(tile, out)
    return out


def test_its_own_command_extracts_a_tile(flac_raster: Any, tmp_path: Path) -> None:
    data = noise("int16")
    tif = write_tif(tmp_path / "x.tif", data)
    write_flac(tif, tmp_path / "x.flac", tile_size=64, layout="flac-raster")
    flac_raster.extract_streaming(tmp_path / "x.flac", tmp_path / "last.tif", "--last")
    with rasterio.open(tmp_path / "last.tif") as tile:
        np.testing.assert_array_equal(tile.read(), data[:, 64:, 64:])


@pytest.mark.parametrize("nodata", [None, 0, -7])
@pytest.mark.parametrize("dtype", RANGES)
def test_flac_raster_extracts_every_tile_exactly(
    dtype: str, nodata: int | None, tmp_path: Path
) -> None:
    if nodata == -7 and dtype.startswith("u"):
        nodata = 7
    data = noise(dtype)
    tif = write_tif(tmp_path / "x.tif", data, nodata=nodata)
    index = write_flac(tif, tmp_path / "x.flac", tile_size=64, layout="flac-raster")
    for number, window in enumerate(index.grid(0).windows()):
        out = extract(tmp_path / "x.flac", number)
        with rasterio.open(out) as tile, rasterio.open(tif) as source:
            col, row, width, height = window
            assert tile.dtypes == (dtype,)
            np.testing.assert_array_equal(
                tile.read(1), data[0, row : row + height, col : col + width]
            )
            assert tile.crs == source.crs
            assert tile.nodata == nodata
            assert tile.bounds == pytest.approx(
                rasterio.windows.bounds(rasterio.windows.Window(*window), source.transform)
            )


@pytest.mark.parametrize("dtype", RANGES)
def test_we_read_it_exactly_too(dtype: str, tmp_path: Path, gdalcompare: Any) -> None:
    data = noise(dtype)
    tif = write_tif(tmp_path / "x.tif", data, nodata=3)
    written = write_flac(tif, tmp_path / "x.flac", tile_size=64, layout="flac-raster")
    found = read_index(tmp_path / "x.flac")
    assert found.layout == written.layout == "flac-raster streaming"
    assert found.mapping == "exact"
    np.testing.assert_array_equal(found.levels[0].offsets, written.levels[0].offsets)
    ours = xr.open_dataset(tmp_path / "x.flac", engine="flac", mask_and_scale=False)
    np.testing.assert_array_equal(ours.band_data, data)
    assert ours.band_data.dtype == dtype
    report = verify(tmp_path / "x.flac")
    assert report.ok, report.faults
    assert not report.losses
    write_geotiff(tmp_path / "x.flac", tmp_path / "back.tif")
    assert gdalcompare(tif, tmp_path / "back.tif") == []


def test_the_head_is_the_one_flac_raster_writes(flac_raster: Any, tmp_path: Path) -> None:
    tif = write_tif(tmp_path / "x.tif", noise("uint16"))
    write_flac(tif, tmp_path / "ours.flac", tile_size=64, layout="flac-raster")
    flac_raster.create_streaming(tif, tmp_path / "theirs.flac", 64)
    heads = []
    for name in ("ours.flac", "theirs.flac"):
        data = (tmp_path / name).read_bytes()
        size = int.from_bytes(data[:4], "big")
        heads.append(json.loads(data[4 : 4 + size]))
        assert data[4 : 4 + size] == json.dumps(heads[-1], separators=(",", ":")).encode()
    for head in heads:
        for frame in head["frames"]:
            del frame["byte_offset"], frame["byte_size"]
    assert heads[0] == heads[1]
    assert list(heads[0]) == list(heads[1])


def test_no_crs(tmp_path: Path) -> None:
    tif = write_tif(tmp_path / "x.tif", noise("uint8"), crs=None)
    write_flac(tif, tmp_path / "x.flac", tile_size=128, layout="flac-raster")
    extract(tmp_path / "x.flac", 0)
    with rasterio.open(tmp_path / "0.tif") as tile:
        assert tile.crs is None
    assert read_index(tmp_path / "x.flac").raster.georef.crs_wkt is None


def test_a_crs_without_a_code(tmp_path: Path) -> None:
    tif = rasters.make("custom_crs", tmp_path)
    write_flac(tif, tmp_path / "x.flac", layout="flac-raster")
    extract(tmp_path / "x.flac", 0)
    with rasterio.open(tmp_path / "0.tif") as tile, rasterio.open(tif) as source:
        np.testing.assert_array_equal(tile.read(), source.read())
        assert tile.crs == source.crs


@pytest.mark.parametrize(
    ("dtype", "value"), [("uint32", 65_536), ("int32", 32_768), ("int32", -32_769)]
)
def test_values_beyond_16_bits_are_refused(dtype: str, value: int, tmp_path: Path) -> None:
    data = noise(dtype)
    data[0, 69, 89] = value
    tif = write_tif(tmp_path / "x.tif", data)
    with pytest.raises(RasterError, match=f"{value}.*--to flac-raster"):
        write_flac(tif, tmp_path / "x.flac", tile_size=64, layout="flac-raster")
    assert not (tmp_path / "x.flac").exists()


@pytest.mark.parametrize("dtype", ["float32", "float64", "int64", "uint64", "float16"])
def test_other_dtypes_are_refused(dtype: str, tmp_path: Path) -> None:
    tif = write_tif(tmp_path / "x.tif", np.zeros((1, 20, 20), dtype))
    with pytest.raises(UnsupportedDtypeError, match=dtype):
        write_flac(tif, tmp_path / "x.flac", layout="flac-raster")


def test_one_band_and_no_overviews(tmp_path: Path) -> None:
    tif = rasters.make("overviews", tmp_path)
    with pytest.raises(SelectionError, match=r"--bands 1"):
        write_flac(tif, tmp_path / "x.flac", layout="flac-raster")
    with pytest.raises(SelectionError, match="overviews"):
        write_flac(
            write_tif(tmp_path / "one.tif", noise("uint8")), tmp_path / "x.flac", overviews=[2],
            layout="flac-raster",
        )  # fmt: skip
    with pytest.raises(SelectionError, match="layout is 'their'"):
        write_flac(tif, tmp_path / "x.flac", layout="their")  # type: ignore[arg-type]
    with pytest.warns(UserWarning, match="overviews"):
        write_flac(tif, tmp_path / "x.flac", bands=[2], layout="flac-raster")
    with rasterio.open(tif) as source:
        ours = xr.open_dataset(tmp_path / "x.flac", engine="flac", mask_and_scale=False)
        np.testing.assert_array_equal(ours.band_data[0], source.read(2))


@pytest.mark.parametrize(
    ("name", "lost"),
    [("int16_scaled", "scale"), ("palette", "colour map"), ("tags", "tags"), ("point", "Point")],
)
def test_what_is_lost_is_said(name: str, lost: str, tmp_path: Path) -> None:
    with pytest.warns(UserWarning, match=lost):
        write_flac(
            rasters.make(name, tmp_path), tmp_path / "x.flac", bands=[1], layout="flac-raster"
        )


def test_a_damaged_head_of_ours_is_not_taken_for_theirs(tmp_path: Path) -> None:
    """Without its own keys, an index of ours looked like flac-raster's before version 1.2."""
    data = (Path(__file__).parents[1] / "golden" / "layout_1_1.flac").read_bytes()
    head = json.loads(data[4 : 4 + int.from_bytes(data[:4], "big")])
    head = {
        key: head[key] for key in ("crs", "transform", "width", "height", "tile_size", "frames")
    }
    text = json.dumps(head).encode()
    tiles = data[4 + int.from_bytes(data[:4], "big") :]
    (tmp_path / "bad.flac").write_bytes(len(text).to_bytes(4, "big") + text + tiles)
    with pytest.raises(LayoutError, match="damaged"):
        read_index(tmp_path / "bad.flac")


# --- FLAC to FLAC ---------------------------------------------------------------------------------


@pytest.mark.parametrize("name", sorted(rasters.CASES))
def test_cut_anew_nothing_changes(name: str, tmp_path: Path) -> None:
    tif = rasters.make(name, tmp_path)
    index = write_flac(tif, tmp_path / "a.flac", tile_size=32)
    interleave = "pixel" if index.raster.count <= 4 else "tile"
    again = write_flac(
        tmp_path / "a.flac", tmp_path / "b.flac", tile_size=48, interleave=interleave
    )
    assert again.tile_shape == (48, 48)
    assert compare(tif, tmp_path / "b.flac").identical
    # And back to where it began, byte for byte.
    write_flac(tmp_path / "b.flac", tmp_path / "c.flac", tile_size=32)
    assert (tmp_path / "c.flac").read_bytes() == (tmp_path / "a.flac").read_bytes()


def test_bands_and_overviews_of_flac(tmp_path: Path) -> None:
    tif = rasters.make("overviews", tmp_path)
    write_flac(tif, tmp_path / "a.flac", tile_size=32)
    for options in (
        {"bands": [2]},
        {"overviews": "none"},
        {"overviews": "auto"},
        {"overviews": [2, 3], "resampling": "mode"},
        {"overviews": [4], "bands": [2, 1], "interleave": "tile"},
    ):
        write_flac(tif, tmp_path / "direct.flac", tile_size=64, overwrite=True, **options)
        write_flac(
            tmp_path / "a.flac", tmp_path / "b.flac", tile_size=64, overwrite=True, **options
        )
        found = compare(tmp_path / "direct.flac", tmp_path / "b.flac")
        assert found.identical, (options, found.metadata)
    for bands in ([], [3], [1, 1]):
        with pytest.raises(SelectionError):
            write_flac(tmp_path / "a.flac", tmp_path / "c.flac", bands=bands)
    assert not (tmp_path / "c.flac").exists()


def test_flac_raster_to_ours_and_from_a_url(
    flac_raster: Any, tmp_path: Path, range_server: Any
) -> None:
    data = np.random.default_rng(1).integers(100, 5000, (1, 130, 150)).astype("uint16")
    tif = write_tif(tmp_path / "x.tif", data)
    flac_raster.create_streaming(tif, tmp_path / "theirs.flac", 64)
    url = servers.url_of(range_server(tmp_path), "theirs.flac")
    index = write_flac(url, tmp_path / "ours.flac", tile_size=100, overviews="auto")
    assert index.layout == "virtual-flac"
    assert len(index.levels) > 1
    assert compare(tif, tmp_path / "ours.flac").pixels_identical
    # And back to theirs, which can be extracted exactly now.
    write_flac(
        tmp_path / "ours.flac", tmp_path / "again.flac", tile_size=256, layout="flac-raster",
        overviews="none",
    )  # fmt: skip
    extract(tmp_path / "again.flac", 0)
    with rasterio.open(tmp_path / "0.tif") as tile:
        np.testing.assert_array_equal(tile.read(), data)


def test_damage_in_the_source_stops_the_work(tmp_path: Path) -> None:
    index = write_flac(
        write_tif(tmp_path / "x.tif", noise("uint16")), tmp_path / "x.flac", tile_size=32
    )
    data = bytearray((tmp_path / "x.flac").read_bytes())
    data[int(index.levels[0].offsets[0, 1, 1]) + 300] ^= 1
    (tmp_path / "x.flac").write_bytes(data)
    with pytest.raises(FlacError, match=r"x\.flac"):
        write_flac(tmp_path / "x.flac", tmp_path / "y.flac")
    assert sorted(p.name for p in tmp_path.iterdir()) == ["x.flac", "x.tif"]
