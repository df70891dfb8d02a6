"""Bands, levels and options of conversions."""

from __future__ import annotations

import os

import pytest
import rasterio
import rasterio.shutil
from conversions import (
    INTERLEAVES,
    RGB,
    all_levels,
    assert_same_bits,
    bands,
    make_tif,
    set_tags,
    there_and_back,
)
from rasterio.enums import Resampling
from rasterio.io import MemoryFile
from rasterio.vrt import WarpedVRT

from virtual_flac import write_flac, write_geotiff
from virtual_flac.errors import (
    LossyTileError,
    SelectionError,
)
from virtual_flac.reading.header import read_index

pytestmark = pytest.mark.filterwarnings("ignore::rasterio.errors.NotGeoreferencedWarning")


def test_chosen_bands_in_their_order(tmp_path):
    pixels = bands(4, "uint16")
    names = ("one", "two", "three", "four")
    source = make_tif(
        tmp_path / "source.tif",
        pixels,
        after=lambda dataset: setattr(dataset, "descriptions", names),
        overviews=([2], Resampling.nearest),
    )
    for interleave in INTERLEAVES:
        result = there_and_back(source, tmp_path, bands=[4, 2], interleave=interleave)
        with rasterio.open(result) as dataset:
            assert dataset.descriptions == ("four", "two")
        expected = [level[[3, 1]] for level in all_levels(source)]
        for found, wanted in zip(all_levels(result), expected, strict=True):
            assert_same_bits(found, wanted)


def test_the_usual_interleave_depends_on_the_number_of_bands(tmp_path):
    """Not on the pixels: files of a series would come out unlike, and not stack."""
    for count in range(1, 6):
        source = make_tif(tmp_path / "source.tif", bands(count))
        for order in ("predicted", "row"):
            flac = tmp_path / "x.flac"
            index = write_flac(source, flac, tile_size=32, order=order, overwrite=True)
            together = order == "predicted" and count in (3, 4)
            assert index.interleave == ("pixel" if together else "band"), (count, order)
            write_geotiff(flac, tmp_path / "back.tif", overwrite=True)
            assert_same_bits(all_levels(tmp_path / "back.tif")[0], all_levels(source)[0])


@pytest.mark.parametrize("chosen", [[0], [3], [1, 1], []])
def test_bands_that_are_not_there(tmp_path, chosen):
    source = make_tif(tmp_path / "source.tif", bands(2))
    with pytest.raises(SelectionError, match="band"):
        write_flac(source, tmp_path / "x.flac", bands=chosen)
    assert os.listdir(tmp_path) == ["source.tif"]


def test_open_datasets_and_virtual_ones(tmp_path):
    pixels = bands(2)
    source = make_tif(tmp_path / "source.tif", pixels, overviews=([2], Resampling.nearest))
    with rasterio.open(source) as dataset:
        index = write_flac(dataset, tmp_path / "a.flac")
        assert len(index.levels) == 2
        assert not dataset.closed
        with WarpedVRT(dataset, crs="EPSG:3857") as warped:
            write_flac(warped, tmp_path / "b.flac", overviews="none")
            expected = warped.read()
    write_geotiff(tmp_path / "b.flac", tmp_path / "b.tif")
    with rasterio.open(tmp_path / "b.tif") as dataset:
        assert_same_bits(dataset.read(), expected)
    with MemoryFile(source.read_bytes()) as memory, memory.open() as dataset:
        write_flac(dataset, tmp_path / "c.flac", overviews=[2, 4])
    assert len(read_index(tmp_path / "c.flac").levels) == 3


@pytest.mark.parametrize("interleave", INTERLEAVES)
def test_one_level_alone(tmp_path, interleave):
    source = make_tif(tmp_path / "source.tif", bands(2), overviews=([2, 4], Resampling.average))
    write_flac(source, tmp_path / "x.flac", tile_size=16, interleave=interleave)
    write_geotiff(tmp_path / "x.flac", tmp_path / "half.tif", level=1, overviews="none")
    assert_same_bits(all_levels(tmp_path / "half.tif")[0], all_levels(source)[1])
    with (
        rasterio.open(source, overview_level=0) as expected,
        rasterio.open(tmp_path / "half.tif") as found,
    ):
        assert found.transform == expected.transform
        assert found.overviews(1) == []
    with pytest.raises(SelectionError, match="0 to 2"):
        write_geotiff(tmp_path / "x.flac", tmp_path / "no.tif", level=3)


def test_creation_options(tmp_path):
    source = make_tif(tmp_path / "source.tif", bands(3))
    back = {
        "compress": "zstd",
        "creation_options": {"interleave": "pixel", "BIGTIFF": "YES"},
        "workers": 1,
    }
    result = there_and_back(source, tmp_path, back=back)
    with rasterio.open(result) as dataset:
        structure = dataset.tags(ns="IMAGE_STRUCTURE")
        assert structure["COMPRESSION"] == "ZSTD"
        assert structure["INTERLEAVE"] == "PIXEL"
        assert "LAYOUT" not in structure
        assert dataset.block_shapes == [(32, 32)] * 3
    assert result.read_bytes()[:4] == b"II+\0"
    assert_same_bits(all_levels(result)[0], all_levels(source)[0])


def test_what_geotiff_cannot_hold_is_told(tmp_path):
    source = make_tif(tmp_path / "source.tif", bands(2), after=set_tags)
    write_flac(source, tmp_path / "x.flac")
    with pytest.warns(UserWarning, match="changed: CRS, .*tag B, .*STATISTICS_MEAN of band 1"):
        write_geotiff(
            tmp_path / "x.flac",
            tmp_path / "x.tif",
            creation_options={"PROFILE": "BASELINE"},
        )


@pytest.mark.parametrize("compress", ["jpeg", "webp"])
def test_lossy_options_are_found_out(tmp_path, compress):
    source = make_tif(tmp_path / "source.tif", bands(3), interleave="pixel", **RGB)
    write_flac(source, tmp_path / "x.flac", interleave="pixel")
    before = set(os.listdir(tmp_path))
    options = {"COMPRESS": compress, "WEBP_LOSSLESS": False}
    with pytest.raises((LossyTileError, OSError), match=r"x\.tif|raster\.tif"):
        write_geotiff(
            tmp_path / "x.flac", tmp_path / "x.tif", compress="none", creation_options=options
        )
    assert set(os.listdir(tmp_path)) == before


def test_a_result_with_overviews_pretends_no_order(tmp_path):
    source = make_tif(tmp_path / "source.tif", overviews=([2], Resampling.nearest))
    for bigtiff in ("YES", "NO"):
        back = {"creation_options": {"BIGTIFF": bigtiff}}
        result = there_and_back(source, tmp_path, back=back)
        assert b"GDAL_STRUCTURAL_METADATA" not in result.read_bytes()
