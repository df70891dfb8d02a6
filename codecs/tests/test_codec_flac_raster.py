"""flac-raster's tiles: its map undone, judged by tiles that flac-raster itself writes."""

import logging

import numpy as np
import pytest

from zarr_flac import (
    CorruptFlacError,
    TileSpec,
    UnsupportedFlacError,
    decode_tile,
    encode_tile,
    flac_raster_loss,
    read_tile_info,
)
from zarr_flac.flac_raster_map import from_flac_raster


def image(values, low, high, scale=32767):
    """flac-raster's expression, written down once more."""
    kind = values.dtype.type
    with np.errstate(over="ignore", invalid="ignore"):
        stretched = 2.0 * (values - kind(low)) / (kind(high) - kind(low)) - 1.0
        return (stretched * scale).astype(np.int16 if scale == 32767 else np.int32)


def undo(samples, low, high, dtype):
    samples = np.ascontiguousarray(samples, np.int32).reshape(1, -1)
    out = np.empty(samples.shape, np.dtype(dtype).newbyteorder("<"))
    from_flac_raster(samples, low, high, out)
    return out[0]


@pytest.mark.parametrize(
    ("dtype", "low", "high"),
    [
        ("uint8", 0, 255),
        ("uint8", 3, 4),
        ("uint8", 17, 218),
        ("uint16", 0, 7000),
        ("uint16", 100, 32866),
        ("uint16", 60000, 65535),
        ("int16", -32768, -100),
        ("int16", -1000, 8000),
        ("int16", -16383, 16383),
    ],
)
def test_every_value_comes_back_where_the_map_is_one_to_one(dtype, low, high):
    values = np.arange(low, high + 1).astype(dtype)
    np.testing.assert_array_equal(undo(image(values, low, high), low, high, dtype), values)


@pytest.mark.parametrize(("low", "high"), [(0, 32767), (0, 40888), (0, 65535), (5, 50000)])
def test_nearest_where_several_values_share_a_sample(low, high):
    values = np.arange(low, high + 1).astype("uint16")
    samples = image(values, low, high)
    found = undo(samples, low, high, "uint16")
    np.testing.assert_array_equal(image(found, low, high), samples)  # an image of its own
    error = np.abs(found.astype(int) - values)
    assert error.max() <= 1
    shared = np.unique(samples, return_inverse=True, return_counts=True)
    alone = shared[2][shared[1]] == 1
    assert not error[alone].any()  # exact wherever it can be


@pytest.mark.parametrize(
    ("dtype", "low", "high"),
    [
        ("uint32", 0, 1_000_000),
        ("uint32", 4_000_000_000, 4_294_967_295),
        ("int32", -2_000_000, 6_000_000),
        ("int64", -5_000_000, 2**22),
        ("uint64", 2**40, 2**40 + 8_000_000),
        ("int8", -100, 27),
        ("int32", -(2**31), 2**31 - 1),
    ],
)
def test_integers_on_24_bits(dtype, low, high):
    rng = np.random.default_rng(0)
    values = np.append(rng.integers(low, high, 5000), [low, high]).astype(dtype)
    samples = image(values, low, high, 8388607)
    found = undo(samples, low, high, dtype)
    if high - low < 2**23:
        np.testing.assert_array_equal(found, values)
    elif high - low < 2**31:
        np.testing.assert_array_equal(image(found, low, high, 8388607), samples)


def image_of_floats(values):
    with np.errstate(invalid="ignore", over="ignore"):
        return (values * 8388607).astype(np.int32)


@pytest.mark.parametrize("most", [1e-6, 0.01, 1.0, 3.0, 29.8, 255.9])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_floats_come_back_within_the_loss_that_is_stated(dtype, most):
    rng = np.random.default_rng(3)
    values = np.append(rng.uniform(-most, most, 20000), [most, -most, 0, 1e-9]).astype(dtype)
    values = values[np.abs(values) <= most]
    samples = image_of_floats(values)
    found = undo(samples, values.min(), values.max(), dtype)
    np.testing.assert_array_equal(image_of_floats(found), samples)  # nothing better can be known
    loss = flac_raster_loss(values.min(), values.max(), dtype)
    assert not loss.one_to_one
    error = np.abs(found.astype("f8") - values.astype("f8"))
    assert error.max() <= loss.largest_error <= max(most * 1.2e-7, 1.2e-7)
    if dtype == "float32":  # products of 24 bits are whole from 1 on: no other float has that one
        shared = np.unique(samples, return_inverse=True, return_counts=True)
        large = np.abs(values) >= 1
        assert (error[large] == 0).mean() > 0.999 if large.any() else most <= 1
        assert shared[2].max() >= 1


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_floats_that_flac_raster_lost_are_nan(dtype):
    values = np.array([np.nan, np.inf, -np.inf, 257, -9999, -3.4e38, 0.5, -200], dtype)
    found = undo(image_of_floats(values), np.nan, np.nan, dtype)
    assert np.isnan(found[:6]).all()
    np.testing.assert_allclose(found[6:], [0.5, -200], rtol=1e-7)
    for low, high in ((np.nan, np.nan), (-9999, 3), (0, 256.5), (0, np.inf)):
        assert flac_raster_loss(low, high, dtype).largest_error == np.inf


@pytest.mark.parametrize(
    ("low", "high"), [(-32768, 0), (-32768, 1000), (-32768, 32767), (-20000, 20000), (-1, 32767)]
)
def test_wrapped_ranges_of_16_bits_are_undone_where_they_can_be(low, high):
    values = np.arange(low, high + 1).astype("int16")
    samples = image(values, low, high)
    found = undo(samples, low, high, "int16")
    np.testing.assert_array_equal(image(found, low, high), samples)
    _, where, count = np.unique(samples, return_inverse=True, return_counts=True)
    alone = count[where] == 1
    np.testing.assert_array_equal(found[alone], values[alone])
    assert found[0] == low  # the extremes do occur
    assert found[-1] == high
    loss = flac_raster_loss(low, high, "int16")
    assert loss.one_to_one is bool(alone.all())
    assert loss.largest_error == np.abs(found.astype(int) - values.astype(int)).max()


def test_a_surface_above_a_far_off_nodata_comes_back():
    """The usual damage: elevations and -32768. What shares a sample lies among the gap."""
    for top in (300, 2500, 8848):
        values = np.append(np.arange(0, top + 1), -32768).astype("int16")
        found = undo(image(values, -32768, top), -32768, top, "int16")
        # The value next to the largest has the sample of nodata, which surely occurs.
        assert found[-3] == -32768
        np.testing.assert_array_equal(np.delete(found, -3), np.delete(values, -3))
        assert not flac_raster_loss(-32768, top, "int16").one_to_one


@pytest.mark.parametrize(("low", "high"), [(-100, 28), (-128, 127), (-128, 0), (-1, 127)])
def test_wrapped_ranges_of_8_bits(low, high):
    values = np.arange(low, high + 1).astype("int8")
    samples = image(values, low, high, 8388607)
    found = undo(samples, low, high, "int8")
    np.testing.assert_array_equal(image(found, low, high, 8388607), samples)
    loss = flac_raster_loss(low, high, "int8")
    assert loss.largest_error == np.abs(found.astype(int) - values).max()
    assert loss.one_to_one is (len(np.unique(samples)) == len(values))
    with pytest.raises(CorruptFlacError):
        undo([samples.max() + 1], low, high, "int8")


def test_wrapped_ranges_of_32_bits():
    rng = np.random.default_rng(4)
    for low, high in ((-(2**31), 5), (-(2**30), 2**31 - 1), (-(2**31), 2**31 - 2**26)):
        values = np.append(rng.integers(low, high, 5000), [low, high]).astype("int32")
        samples = image(values, low, high, 8388607)
        found = undo(samples, low, high, "int32")
        np.testing.assert_array_equal(image(found, low, high, 8388607), samples)
        loss = flac_raster_loss(low, high, "int32")
        assert np.abs(found.astype("i8") - values).max() <= loss.largest_error < 200
    assert flac_raster_loss(-(2**31), 2**31 - 1, "int32").largest_error == np.inf


@pytest.mark.parametrize(
    ("dtype", "low", "high", "one_to_one"),
    [
        ("uint8", 0, 255, True),
        ("uint16", 9, 9, True),
        ("uint16", 0, 32766, True),
        ("uint16", 0, 32767, False),
        ("uint16", 0, 65535, False),
        ("int16", -16383, 16383, True),
        ("uint32", 0, 8_388_606, True),
        ("uint32", 0, 8_388_609, False),
        ("int32", -9_000_000, 9_000_000, False),
        ("uint64", 2**40, 2**40 + 1000, True),
    ],
)
def test_the_loss_that_is_stated_is_the_loss_there_is(dtype, low, high, one_to_one):
    loss = flac_raster_loss(low, high, dtype)
    middle = (low + high) // 2  # where they meet first
    near = np.arange(max(low, middle - 40_000), min(high, middle + 40_000) + 1)
    values = np.unique(np.append(near, [low, high])).astype(np.int64)
    samples = image(values.astype(dtype), low, high, 32767 if dtype[-1] in "86" else 8388607)
    assert loss.one_to_one is one_to_one is (len(np.unique(samples)) == len(values) or low == high)
    found = undo(samples, low, high, dtype).astype("i8")
    error = int(np.abs(found - values).max())
    assert error <= loss.largest_error
    assert (loss.largest_error == 0) is one_to_one


def test_a_flat_tile():
    assert undo([0, 0], 7, 7, "uint16").tolist() == [7, 7]
    with pytest.raises(CorruptFlacError):
        undo([0, 1], 7, 7, "uint16")


@pytest.mark.parametrize(
    ("low", "high", "dtype", "samples"),
    [
        (0, 100, "uint16", [-32767, -32766]),
        (0, 100, "uint16", [40000]),
        (0, 100, "uint16", [-32768]),
        (0, 100, "uint32", [5]),
        (100, 0, "uint16", [0]),
        (0.5, 100, "uint16", [0]),
        (-1, 100, "uint16", [0]),
        (0, 65536, "uint16", [0]),
        (float("nan"), 1, "uint16", [0]),
        (0, float("inf"), "uint16", [0]),
    ],
)
def test_samples_and_extremes_that_cannot_be(low, high, dtype, samples):
    with pytest.raises(CorruptFlacError):
        undo(samples, low, high, dtype)


def test_dtypes_that_are_not_known():
    for dtype in ("float16", "bool"):
        with pytest.raises(UnsupportedFlacError):
            undo([0], 0, 1, dtype)
    with pytest.raises(UnsupportedFlacError):
        undo([0], 0, 2**60, "int64")


def test_our_own_tiles_are_not_taken_for_flac_rasters():
    array = np.arange(12, dtype="uint16").reshape(3, 4)
    data = encode_tile(
        array, TileSpec(), comments={"GEOSPATIAL_DATA_MIN": "-32768", "ENCODER": "FLAC-Raster"}
    )
    np.testing.assert_array_equal(decode_tile(data, TileSpec()), array)
    with pytest.raises(UnsupportedFlacError, match="exact"):
        decode_tile(data, TileSpec(mapping="flac-raster"))
    with pytest.raises(UnsupportedFlacError, match="only decoded"):
        encode_tile(array, TileSpec(mapping="flac-raster"))


@pytest.fixture(scope="module")
def flac_raster_tile(tmp_path_factory):
    """Writes one tile the way flac-raster's streaming file does: by its own converter."""
    rasterio = pytest.importorskip("rasterio")
    converter = pytest.importorskip("flac_raster.converter")
    folder = tmp_path_factory.mktemp("flac_raster")
    logging.getLogger("flac_raster").setLevel(logging.CRITICAL)

    def write(array):
        bands = array if array.ndim == 3 else array[np.newaxis]
        count, height, width = bands.shape
        tif, flac = folder / "tile.tif", folder / "tile.flac"
        with rasterio.open(
            tif, "w", driver="GTiff", width=width, height=height, count=count, dtype=array.dtype,
            crs="EPSG:32633", transform=rasterio.Affine(10, 0, 500000, 0, -10, 5000000),
        ) as target:  # fmt: skip
            target.write(bands)
        converter.RasterFLACConverter().tiff_to_flac(tif, flac)
        return flac.read_bytes()

    return write


def field(dtype, low, high, shape=(100, 130)):
    rng = np.random.default_rng(11)
    values = rng.integers(low, high, shape, endpoint=True)
    values.flat[:2] = low, high
    return values.astype(dtype)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(
    ("dtype", "low", "high"),
    [
        ("uint8", 0, 255),
        ("uint8", 40, 90),
        ("uint8", 9, 9),
        ("uint16", 200, 7200),
        ("uint16", 60000, 65535),
        ("uint16", 0, 32766),
        ("int16", -500, 9000),
        ("int16", -32768, -100),
        ("uint32", 0, 3_000_000),
        ("int32", -4_000_000, 4_000_000),
    ],
)
def test_real_tiles_come_back_exactly(flac_raster_tile, dtype, low, high):
    array = field(dtype, low, high)
    data = flac_raster_tile(array)
    assert read_tile_info(data).streaminfo.total_samples == 0
    spec = TileSpec((128, 140), dtype, mapping="flac-raster", fill_value=low)
    expected = np.full((128, 140), low, dtype)
    expected[:100, :130] = array
    np.testing.assert_array_equal(decode_tile(data, spec), expected)
    np.testing.assert_array_equal(decode_tile(data, TileSpec(mapping="flac-raster")), array)
    with pytest.raises(UnsupportedFlacError, match="flac-raster"):
        decode_tile(data, TileSpec())


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(("dtype", "low", "high"), [("uint16", 0, 65535), ("uint16", 3, 40891)])
def test_real_tiles_of_wide_range_come_back_within_one(flac_raster_tile, dtype, low, high):
    array = field(dtype, low, high)
    found = decode_tile(flac_raster_tile(array), TileSpec(mapping="flac-raster"))
    difference = np.abs(found.astype(int) - array.astype(int))
    assert difference.max() <= 1
    np.testing.assert_array_equal(image(found, low, high), image(array, low, high))


@pytest.mark.filterwarnings("ignore")
def test_real_tiles_damaged_at_encoding_still_decode(flac_raster_tile):
    array = field("int16", 0, 1000)
    array[0, 0] = -32768
    assert decode_tile(flac_raster_tile(array), TileSpec(mapping="flac-raster")).shape == (100, 130)


@pytest.mark.filterwarnings("ignore")
def test_real_tiles_of_several_bands_and_floats(flac_raster_tile):
    array = field("uint8", 0, 250, (3, 50, 60))
    spec = TileSpec((3, 50, 60), "uint8", 3, mapping="flac-raster")
    np.testing.assert_array_equal(decode_tile(flac_raster_tile(array), spec), array)
    for dtype in ("float32", "float64"):
        unit = (field("int16", -1000, 1000) / 1000).astype(dtype)
        found = decode_tile(flac_raster_tile(unit), TileSpec(mapping="flac-raster"))
        assert np.abs(found.astype(float) - unit).max() <= 1.0 / 8388607 + 1e-7


@pytest.mark.filterwarnings("ignore")
def test_the_damaged_size_of_a_tile_of_unknown_length_is_noticed(flac_raster_tile):
    """STREAMINFO says nothing there: only the frames tell that a smaller size is wrong."""
    data = flac_raster_tile(field("uint16", 0, 7000, (1024, 1024)))
    assert data.count(b"HEIGHT=1024") == 1
    for wrong in (b"HEIGHT=1004", b"HEIGHT=1023"):
        with pytest.raises(CorruptFlacError):
            decode_tile(
                data.replace(b"HEIGHT=1024", wrong),
                TileSpec((1024, 1024), "uint16", mapping="flac-raster"),
            )


@pytest.mark.parametrize("dtype", ["uint8", "int16", "uint16"])
@pytest.mark.parametrize("wrong", [-40000, 40000, 32767 + 65536, -1])
def test_a_sample_without_a_pixel_is_named(dtype, wrong):
    """Wherever it stands; and one that would wrap around to a sound one is none."""
    for at in (0, 5, 11):
        samples = np.full((1, 12), -32767, np.int32)
        samples[0, at] = wrong
        out = np.empty((1, 3, 4), dtype)
        with pytest.raises(CorruptFlacError, match=rf"The sample {wrong} is the image of no"):
            from_flac_raster(samples, 3, 90, out)


@pytest.mark.parametrize("dtype", ["uint8", "int16", "uint16"])
def test_pixels_between_others(dtype):
    """An edge tile: rows with a gap between them."""
    whole = np.full((1, 5, 9), 7, dtype)
    out = whole[:, :3, :4]
    from_flac_raster(np.array([[-32767, 32767] * 6], np.int32), 3, 90, out)
    assert out.ravel().tolist() == [3, 90] * 6
    assert (whole[:, 3:] == 7).all()
    assert (whole[:, :, 4:] == 7).all()
