"""Overviews of the source, and new ones, which are GDAL's to the pixel."""

from __future__ import annotations

import os
import shutil
import subprocess

import pytest
import rasterio
import rasterio.shutil
from conversions import (
    RNG,
    all_levels,
    assert_same_bits,
    bands,
    make_tif,
    set_colormap,
    there_and_back,
)
from rasterio.enums import Resampling

from virtual_flac import write_flac, write_geotiff
from virtual_flac.errors import (
    SelectionError,
)
from virtual_flac.reading.header import read_index

pytestmark = pytest.mark.filterwarnings("ignore::rasterio.errors.NotGeoreferencedWarning")


@pytest.mark.parametrize(
    ("resampling", "interleave"),
    [
        ("nearest", "band"),
        ("average", "pixel"),
        ("cubicspline", "band"),
        ("mode", "pixel"),
        ("RMS", "tile"),
    ],
)
def test_built_overviews_are_gdals(tmp_path, resampling, interleave):
    pixels = bands(3, "int16")
    source = make_tif(tmp_path / "source.tif", pixels, nodata=5)
    write_flac(
        source,
        tmp_path / "x.flac",
        tile_size=16,
        overviews=[4, 2],
        resampling=resampling,
        interleave=interleave,
    )
    names = {"cubicspline": "cubic_spline"}
    method = Resampling[names.get(resampling, resampling.lower())]
    # Beside the file, as `gdaladdo -ro`; inside it, GDAL takes "nearest" from the level before.
    with rasterio.Env(TIFF_USE_OVR=True), rasterio.open(source, "r+") as dataset:
        dataset.build_overviews([2, 4], method)
    write_geotiff(tmp_path / "x.flac", tmp_path / "x.tif", overviews="all", tile_size=16)
    for found, expected in zip(all_levels(tmp_path / "x.tif"), all_levels(source), strict=True):
        assert_same_bits(found, expected)
    # Those that were built on the way are not the source's.
    write_geotiff(tmp_path / "x.flac", tmp_path / "y.tif", tile_size=16)
    assert len(all_levels(tmp_path / "y.tif")) == 1
    made = {"source.tif", "source.tif.ovr", "x.flac", "x.tif", "y.tif"}
    assert set(os.listdir(tmp_path)) == made


def test_overviews_equal_those_of_gdaladdo(tmp_path):
    program = shutil.which("gdaladdo")
    if program is None:
        pytest.skip("skipped: no gdaladdo (Debian: gdal-bin)")
    source = make_tif(tmp_path / "source.tif", bands(1, "uint16"), nodata=0)
    write_flac(source, tmp_path / "x.flac", tile_size=16, overviews=[2, 4, 8])
    subprocess.run([program, "-q", "-r", "average", str(source), "2", "4", "8"], check=True)
    write_geotiff(tmp_path / "x.flac", tmp_path / "x.tif", overviews="all")
    for found, expected in zip(all_levels(tmp_path / "x.tif"), all_levels(source), strict=True):
        assert_same_bits(found, expected)


def test_factors_replace_what_the_source_has(tmp_path):
    source = make_tif(tmp_path / "source.tif", overviews=([2, 3], Resampling.nearest))
    bare = make_tif(tmp_path / "bare.tif", all_levels(source)[0])
    for path in (source, bare):
        write_flac(path, path.with_suffix(".flac"), tile_size=16, overviews=[2, 4])
        write_geotiff(path.with_suffix(".flac"), path.with_suffix(".all.tif"), overviews="all")
    found, expected = (all_levels(tmp_path / f"{name}.all.tif") for name in ("source", "bare"))
    for ours, theirs in zip(found, expected, strict=True):
        assert_same_bits(ours, theirs)


def test_which_overviews(tmp_path):
    bare = make_tif(tmp_path / "bare.tif", bands(1))
    reduced = make_tif(tmp_path / "reduced.tif", bands(1), overviews=([3], Resampling.nearest))

    def sizes(source, overviews):
        index = write_flac(
            source, tmp_path / "x.flac", tile_size=32, overviews=overviews, overwrite=True
        )
        assert read_index(tmp_path / "x.flac").source_overviews == index.source_overviews
        return [level.width for level in index.levels], index.source_overviews

    assert sizes(bare, "source") == ([93], False)
    assert sizes(bare, "auto") == ([93, 47, 24], False)
    assert sizes(bare, "none") == ([93], False)
    assert sizes(bare, [8, 2]) == ([93, 47, 12], False)
    assert sizes(reduced, "source") == ([93, 31], True)
    assert sizes(reduced, "auto") == ([93, 31], True)
    assert sizes(reduced, "none") == ([93], False)
    assert sizes(reduced, [2]) == ([93, 47], False)


def test_palettes_are_not_averaged(tmp_path):
    source = make_tif(tmp_path / "source.tif", after=set_colormap)
    write_flac(source, tmp_path / "x.flac", tile_size=32, overviews="auto")
    write_geotiff(tmp_path / "x.flac", tmp_path / "x.tif", overviews="all")
    full, half, _ = all_levels(tmp_path / "x.tif")
    with rasterio.open(source, "r+") as dataset:
        dataset.build_overviews([2], Resampling.nearest)
    assert_same_bits(half, all_levels(source)[1])
    assert_same_bits(full, all_levels(source)[0])


def test_sizes_that_no_factor_gives(tmp_path):
    # As other programs make them: 93 // 2 and 71 // 2, not rounded up.
    base = make_tif(tmp_path / "base.tif", bands(1, "uint16"))
    half = make_tif(tmp_path / "half.tif", RNG.integers(0, 9, (1, 35, 46)).astype("uint16"))
    (tmp_path / "source.vrt").write_text(
        '<VRTDataset rasterXSize="93" rasterYSize="71"><VRTRasterBand dataType="UInt16" band="1">'
        f"<SimpleSource><SourceFilename>{base}</SourceFilename></SimpleSource>"
        f"<Overview><SourceFilename>{half}</SourceFilename><SourceBand>1</SourceBand></Overview>"
        "</VRTRasterBand></VRTDataset>"
    )
    result = there_and_back(tmp_path / "source.vrt", tmp_path)
    levels = all_levels(result)
    assert_same_bits(levels[0], all_levels(base)[0])
    assert_same_bits(levels[1], all_levels(half)[0])


@pytest.mark.parametrize("overviews", [[1], [0], [-2], [94], ["x"], "some", [80, 90]])
def test_overviews_that_cannot_be(tmp_path, overviews):
    source = make_tif(tmp_path / "source.tif")
    with pytest.raises(SelectionError):
        write_flac(source, tmp_path / "x.flac", overviews=overviews)
    assert os.listdir(tmp_path) == ["source.tif"]


@pytest.mark.parametrize("overviews", ["best", ["x"]])
def test_words_for_overviews_are_named(tmp_path, overviews):
    source = make_tif(tmp_path / "source.tif")
    with pytest.raises(SelectionError, match="expected 'source', 'auto', 'none' or factors"):
        write_flac(source, tmp_path / "x.flac", overviews=overviews)


def test_resampling_must_be_known(tmp_path):
    source = make_tif(tmp_path / "source.tif")
    with pytest.raises(SelectionError, match="cubicspline"):
        write_flac(source, tmp_path / "x.flac", overviews="auto", resampling="best")
