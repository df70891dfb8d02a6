"""Every pixel returns from FLAC, whatever its dtype and wherever it lies: GDAL is the judge."""

from __future__ import annotations

import pytest
import rasterio
import rasterio.shutil
from conversions import (
    DTYPES,
    INTERLEAVES,
    any_pixels,
    assert_same_bits,
    make_tif,
    there_and_back,
)
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

pytestmark = pytest.mark.filterwarnings("ignore::rasterio.errors.NotGeoreferencedWarning")


@pytest.mark.parametrize(
    "first", [0, *(pytest.param(n, marks=pytest.mark.exhaustive) for n in (1, 2))]
)
@pytest.mark.parametrize("dtype", DTYPES)
def test_every_bit_of_every_dtype_returns(tmp_path, dtype, first):
    for number, (width, height) in enumerate(
        [(1, 1), (7, 3), (1, 40), (31, 33), (32, 32), (33, 31), (100, 67)]
    ):
        count = (1, 2, 3, 4)[number % 4]
        interleave = INTERLEAVES[(number + first) % 3]
        pixels = any_pixels(dtype, (count, height, width))
        source = make_tif(tmp_path / "source.tif", pixels)
        result = there_and_back(source, tmp_path, interleave=interleave)
        with rasterio.open(result) as dataset:
            assert_same_bits(dataset.read(), pixels)


def test_float16_returns(tmp_path):
    pixels = any_pixels("float16", (2, 40, 50))
    try:
        source = make_tif(tmp_path / "source.tif", pixels)
    except (TypeError, KeyError, ValueError):
        pytest.skip("skipped: this rasterio has no float16")
    with rasterio.open(there_and_back(source, tmp_path)) as dataset:
        assert_same_bits(dataset.read(), pixels)


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    dtype=st.sampled_from(DTYPES),
    shape=st.tuples(st.integers(1, 4), st.integers(1, 90), st.integers(1, 90)),
    tile_size=st.integers(16, 70),
    block=st.sampled_from([None, 16, 48]),
    source_interleave=st.sampled_from(["pixel", "band"]),
    interleave=st.sampled_from(INTERLEAVES),
    compression=st.integers(0, 8),
    block_size=st.sampled_from([16, 100, 4096, 65_535]),
)
def test_any_shape_returns(
    tmp_path, dtype, shape, tile_size, block, source_interleave, interleave, compression, block_size
):
    pixels = any_pixels(dtype, shape)
    tiled = {} if block is None else {"tiled": True, "blockxsize": block, "blockysize": block}
    source = make_tif(tmp_path / "source.tif", pixels, interleave=source_interleave, **tiled)
    with rasterio.open(source) as dataset:
        # GDAL writes a block of zeros alone as +0.0, whatever their signs.
        pixels = dataset.read()
    result = there_and_back(
        source,
        tmp_path,
        tile_size=tile_size,
        interleave=interleave,
        compression=compression,
        block_size=block_size,
    )
    with rasterio.open(result) as dataset:
        assert_same_bits(dataset.read(), pixels)


def test_edges_of_2667_pixels(tmp_path, gdalcompare, shared_data):
    source = shared_data / "landsat_uint16_2658.tif"
    result = there_and_back(source, tmp_path, tile_size=1024)
    assert gdalcompare(source, result) == []


def test_shared_rasters_return(tmp_path, gdalcompare, shared_data):
    for number, source in enumerate(sorted(shared_data.glob("*.tif"))):
        interleave = INTERLEAVES[number % 3]
        result = there_and_back(source, tmp_path, tile_size=256, interleave=interleave)
        assert gdalcompare(source, result) == [], source.name
