"""The outside judges can tell right from wrong: a judge that always agrees proves nothing."""

from __future__ import annotations

import json

import numpy as np
import pytest
import rasterio
from rasters import write_tif

PIXELS = np.arange(300 * 200, dtype="uint16").reshape(1, 300, 200)


@pytest.fixture
def tif(tmp_path):
    return write_tif(tmp_path / "golden.tif", PIXELS)


def test_gdalcompare_ignores_how_the_bytes_lie(gdalcompare, tif, tmp_path):
    new = write_tif(tmp_path / "new.tif", PIXELS, compress="deflate", tiled=True)
    assert gdalcompare(tif, tif) == []
    assert gdalcompare(tif, new) == []


def test_gdalcompare_sees_a_pixel_and_a_nodata(gdalcompare, tif, tmp_path):
    changed = PIXELS.copy()
    changed[0, 7, 9] += 1
    pixel = write_tif(tmp_path / "pixel.tif", changed)
    assert "Pixels Differing: 1" in gdalcompare(tif, pixel)
    nodata = write_tif(tmp_path / "nodata.tif", PIXELS, nodata=0)
    assert any("nodata" in line.lower() for line in gdalcompare(tif, nodata))


def test_flac_raster_writes_and_reads_streaming_files(flac_raster, tif, tmp_path):
    target = flac_raster.create_streaming(tif, tmp_path / "x.flac", tile_size=128)
    content = target.read_bytes()
    size = int.from_bytes(content[:4], "big")
    index = json.loads(content[4 : 4 + size])
    assert (index["width"], index["height"], len(index["frames"])) == (200, 300, 6)
    assert content[4 + size : 8 + size] == b"fLaC"
    tile = flac_raster.extract_streaming(target, tmp_path / "tile.tif", "--tile-id=0")
    with rasterio.open(tile) as got:
        assert got.shape == (128, 128)


def test_flac_raster_converts_plain_files(flac_raster, tif, tmp_path):
    assert flac_raster.convert(tif, tmp_path / "x.flac").read_bytes()[:4] == b"fLaC"
    with pytest.raises(AssertionError, match="ended with"):
        flac_raster("info", tmp_path / "missing.flac")
