"""Tiles: shapes, edges, comments, and the configuration."""

import json
import math
import pickle

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from zarr_flac import (
    ConfigurationError,
    CorruptFlacError,
    LossyTileError,
    SampleRangeError,
    TileDecoder,
    TileSpec,
    UnsupportedDtypeError,
    UnsupportedFlacError,
    decode_tile,
    encode_tile,
    read_tile_info,
    tile_encoder,
)
from zarr_flac.blocks import pack_head
from zarr_flac.fill import fill_scalar
from zarr_flac.samples import DTYPES


def pixels(shape, dtype, seed=0):
    raw = np.random.default_rng(seed).bytes(math.prod(shape) * np.dtype(dtype).itemsize)
    if dtype == "bool":
        return (np.frombuffer(raw, "u1") & 1).astype(bool).reshape(shape)
    return np.frombuffer(raw, dtype).reshape(shape)


def retold(data, vendor=None, **changes):
    """The same tile with other comments (None takes one away) or another vendor."""
    head = read_tile_info(data)
    fields = {**head.comments, **changes}
    fields = {key: value for key, value in fields.items() if value is not None}
    vendor = head.vendor if vendor is None else vendor
    tail = data[head.frames_offset :]
    return pack_head(head.streaminfo, fields, vendor, head.description) + tail


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("shape", [(1,), (50,), (1, 1), (7, 9), (1, 5, 6), (3, 5, 6), (2, 3, 4, 5)])
@pytest.mark.parametrize("order", [None, "row"])
def test_round_trip_with_and_without_spec(dtype, shape, order):
    array = pixels(shape, dtype)
    data = encode_tile(array, TileSpec(order=order), verify=True)
    for spec in (TileSpec(), TileSpec(chunk_shape=shape, dtype=dtype)):
        result = decode_tile(data, spec)
        assert result.dtype == array.dtype
        assert result.tobytes() == array.tobytes()
    assert result.shape == shape
    if len(shape) != 3 or shape[0] != 1:  # axes of length 1 in front leave no trace
        assert decode_tile(data, TileSpec()).shape == shape


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("channels", range(2, 9))
def test_planes_as_channels(dtype, channels):
    array = pixels((channels, 6, 7), dtype)
    spec = TileSpec(channels=channels, order="row")
    if np.dtype(dtype).itemsize == 8 and channels > 4:
        with pytest.raises(ConfigurationError, match="at most 4"):
            encode_tile(array, spec)
        with pytest.raises(ConfigurationError):
            TileSpec(dtype=dtype, channels=channels)
        return
    data = encode_tile(array, spec, verify=True)
    per_plane = 2 if np.dtype(dtype).itemsize == 8 else 1
    assert read_tile_info(data).streaminfo.channels == channels * per_plane
    for known in (spec, TileSpec(array.shape, np.dtype(dtype), channels)):
        assert decode_tile(data, known).tobytes() == array.tobytes()


@given(
    chunk=st.tuples(st.integers(1, 3), st.integers(1, 12), st.integers(1, 12)),
    cut=st.tuples(st.integers(0, 11), st.integers(0, 11)),
    dtype=st.sampled_from(DTYPES),
    as_channels=st.booleans(),
    with_out=st.booleans(),
)
def test_edge_tiles_are_padded(chunk, cut, dtype, as_channels, with_out):
    height, width = max(1, chunk[1] - cut[0]), max(1, chunk[2] - cut[1])
    array = pixels((chunk[0], height, width), dtype)
    spec = TileSpec(chunk, dtype, chunk[0] if as_channels else 1, fill_value=1)
    data = encode_tile(array, spec, verify=True)
    out = np.empty(chunk, np.dtype(dtype).newbyteorder("<")) if with_out else None
    result = decode_tile(data, spec, out)
    assert out is None or result is out
    expected = np.ones(chunk, dtype)
    expected[:, :height, :width] = array
    assert result.tobytes() == expected.tobytes()


def test_big_endian_fortran_and_strided_input():
    array = np.arange(600, dtype="uint16").reshape(20, 30)
    views = [array.astype(">u2"), np.asfortranarray(array), array[::2, ::-3], array.T]
    for view in views:
        np.testing.assert_array_equal(decode_tile(encode_tile(view, TileSpec()), TileSpec()), view)


def test_comments_of_a_tile():
    array = np.zeros((3, 4), "int16")
    rows = TileSpec(order="row")
    head = read_tile_info(encode_tile(array, rows, comments={"geospatial_crs": "EPSG:4326"}))
    assert head.vendor == "zarr-flac"
    assert head.comments == {
        "GEOSPATIAL_DTYPE": "int16",
        "GEOSPATIAL_PIXEL_ORDER": "row",
        "GEOSPATIAL_WIDTH": "4",
        "GEOSPATIAL_HEIGHT": "3",
        "GEOSPATIAL_CRS": "EPSG:4326",
    }
    info = head.streaminfo
    assert (info.total_samples, info.bits_per_sample, info.channels) == (12, 16, 1)
    other = encode_tile(array, TileSpec(), comments={"GEOSPATIAL_PIXEL_ORDER": "hilbert"})
    assert read_tile_info(other).comments["GEOSPATIAL_PIXEL_ORDER"] == "hilbert"
    with pytest.raises(UnsupportedFlacError, match="hilbert"):
        decode_tile(other, TileSpec())


def test_foreign_streams_without_comments():
    array = np.arange(12, dtype="int16").reshape(3, 4)
    bare = retold(
        encode_tile(array, TileSpec(order="row")), "someone", GEOSPATIAL_WIDTH=None,
        GEOSPATIAL_HEIGHT=None, GEOSPATIAL_DTYPE=None, GEOSPATIAL_PIXEL_ORDER=None,
    )  # fmt: skip
    np.testing.assert_array_equal(decode_tile(bare, TileSpec((3, 4), "int16")), array)
    assert decode_tile(bare, TileSpec(dtype="int16")).shape == (12,)
    with pytest.raises(ConfigurationError, match="dtype"):
        decode_tile(bare, TileSpec((3, 4)))


def test_fewer_bits_than_the_dtype():
    array = np.array([[0, 4095], [2048, 7]], "uint16")
    spec = TileSpec((2, 2), "uint16", bits_per_sample=12)
    data = encode_tile(array, spec, verify=True)
    assert read_tile_info(data).streaminfo.bits_per_sample == 12
    np.testing.assert_array_equal(decode_tile(data, TileSpec((2, 2), "uint16")), array)
    with pytest.raises(SampleRangeError):
        encode_tile(array + 1, spec)


CONTRADICTIONS = {
    "wider": ({"GEOSPATIAL_WIDTH": "10"}, CorruptFlacError),
    "narrower": ({"GEOSPATIAL_WIDTH": "8"}, CorruptFlacError),
    "one size only": ({"GEOSPATIAL_WIDTH": None}, CorruptFlacError),
    "no number": ({"GEOSPATIAL_HEIGHT": "7.0"}, CorruptFlacError),
    "zero": ({"GEOSPATIAL_HEIGHT": "0"}, CorruptFlacError),
    "huge": ({"GEOSPATIAL_HEIGHT": "999999999", "GEOSPATIAL_WIDTH": "999999999"}, CorruptFlacError),
    "other digits": ({"GEOSPATIAL_HEIGHT": "\u0667"}, CorruptFlacError),
    "shape": ({"GEOSPATIAL_SHAPE": "7,8"}, CorruptFlacError),
    "order": ({"GEOSPATIAL_PIXEL_ORDER": "Row"}, UnsupportedFlacError),
    "dtype": ({"GEOSPATIAL_DTYPE": "int16"}, UnsupportedDtypeError),
    "no dtype": ({"GEOSPATIAL_DTYPE": "uint16,"}, UnsupportedDtypeError),
}


@pytest.mark.parametrize("name", CONTRADICTIONS)
@pytest.mark.parametrize("spec", [TileSpec(), TileSpec((7, 9), "uint16")])
def test_comments_that_contradict(name, spec):
    changes, error = CONTRADICTIONS[name]
    bad = retold(encode_tile(pixels((7, 9), "uint16"), TileSpec(order="row")), **changes)
    if spec == TileSpec() and name == "dtype":
        return  # nothing to contradict
    if spec != TileSpec() and name == "shape":
        return  # the configuration says the shape
    with pytest.raises(error):
        decode_tile(bad, spec)


def test_verify_finds_what_differs(monkeypatch):
    array = np.arange(12, dtype="int16").reshape(3, 4)

    def wrong(data, spec, out=None):
        decoded = decode_tile(data, spec, out)
        decoded[1, 2] += 1
        return decoded

    monkeypatch.setattr(tile_encoder, "decode_tile", wrong)
    with pytest.raises(LossyTileError, match=r"\(1, 2\)"):
        encode_tile(array, TileSpec(), verify=True)


@pytest.mark.parametrize(
    ("shape", "spec"),
    [
        ((0,), TileSpec()),
        ((), TileSpec()),
        ((3, 0), TileSpec()),
        ((3, 4), TileSpec((3, 4, 5))),
        ((3, 4), TileSpec((3, 3))),
        ((2, 3, 4), TileSpec((3, 3, 4))),
        ((9,), TileSpec((10,))),
        ((2, 3, 4), TileSpec(channels=3)),
    ],
)
def test_arrays_that_do_not_fit(shape, spec):
    with pytest.raises(ConfigurationError, match="shape"):
        encode_tile(np.zeros(shape, "int16"), spec)


def test_other_dtypes_are_refused():
    with pytest.raises(UnsupportedDtypeError, match="complex64"):
        encode_tile(np.zeros((2, 2), "complex64"), TileSpec())
    with pytest.raises(UnsupportedDtypeError, match="uint16"):
        encode_tile(np.zeros((2, 2), "int16"), TileSpec(dtype="uint16"))


def test_decoding_into_an_array_that_does_not_fit():
    data = encode_tile(np.zeros((2, 2), "int16"), TileSpec())
    for out in (np.empty((2, 3), "int16"), np.empty((2, 2), "uint16")):
        with pytest.raises(ConfigurationError):
            decode_tile(data, TileSpec(), out)


def test_any_buffer():
    array = np.arange(12, dtype="int16").reshape(3, 4)
    data = encode_tile(array, TileSpec())
    for buffer in (bytearray(data), memoryview(data), np.frombuffer(data, "u1")):
        np.testing.assert_array_equal(decode_tile(buffer, TileSpec()), array)
        assert read_tile_info(buffer) == read_tile_info(data)


# spec, configuration: whoever adds a field adds a case
CONFIGS = [
    (TileSpec(), {"channels": 1, "mapping": "exact", "fill_value": 0}),
    (
        TileSpec((1, 512, 512), np.dtype("uint16"), fill_value=65535),
        {
            "chunk_shape": [1, 512, 512], "dtype": "uint16",
            "channels": 1, "mapping": "exact", "fill_value": 65535,
        },
    ),
    (
        TileSpec((3, 9, 9), np.dtype(">f4"), 3, fill_value=math.nan, compression=8, block_size=192),
        {
            "chunk_shape": [3, 9, 9], "dtype": "float32", "channels": 3, "mapping": "exact",
            "fill_value": "NaN", "level": 8, "block_size": 192,
        },
    ),
    (
        TileSpec(dtype=np.dtype("uint16"), mapping="flac-raster", bits_per_sample=12),
        {
            "dtype": "uint16", "channels": 1, "mapping": "flac-raster", "fill_value": 0,
            "bits_per_sample": 12,
        },
    ),
    (
        TileSpec(order="predicted", md5=False),
        {
            "channels": 1, "mapping": "exact", "fill_value": 0, "order": "predicted",
            "md5": False,
        },
    ),
    (
        TileSpec(dtype=np.dtype("float64"), fill_value=-math.inf),
        {"dtype": "float64", "channels": 1, "mapping": "exact", "fill_value": "-Infinity"},
    ),
    (
        TileSpec(dtype=np.dtype("float32"), fill_value="0x7fc00001"),
        {"dtype": "float32", "channels": 1, "mapping": "exact", "fill_value": "0x7fc00001"},
    ),
]  # fmt: skip


@pytest.mark.parametrize(("spec", "config"), CONFIGS)
def test_configuration_both_ways(spec, config):
    assert spec.to_config() == config
    text = json.dumps(config, allow_nan=False)
    again = TileSpec.from_config(json.loads(text))
    assert again == spec
    assert hash(again) == hash(spec)
    assert again.to_config() == config
    assert pickle.loads(pickle.dumps(spec)) == spec


@pytest.mark.parametrize(
    ("value", "dtype", "same"),
    [
        (0.0, "uint16", 0),
        (np.uint16(7), "uint16", 7),
        (None, "int8", 0),
        (False, "bool", 0),
        (5, "float32", 5.0),
        (2**64 - 1, "uint64", 2**64 - 1),
        (np.float32(-9999), "float32", -9999.0),
        ("Infinity", "float16", math.inf),
    ],
)
def test_fill_values_that_are_the_same(value, dtype, same):
    spec = TileSpec(dtype=dtype, fill_value=value)
    assert spec == TileSpec(dtype=dtype, fill_value=same)
    assert type(spec.fill_value) is type(same)


@pytest.mark.parametrize("bits", [0x7FC00001, 0xFFC00000, 0x7F800001, 0x80000000, 0x7FC00000, 0])
def test_fill_values_bit_for_bit(bits):
    value = np.array(bits, "<u4").view("<f4")[()]
    spec = TileSpec((4, 4), "float32", fill_value=value)
    assert int(fill_scalar(spec.fill_value, np.dtype("<f4")).view("<u4")) == bits
    again = TileSpec.from_config(json.loads(json.dumps(spec.to_config(), allow_nan=False)))
    data = encode_tile(np.ones((3, 3), "float32"), again)
    assert decode_tile(data, again).view("<u4")[3, 3] == bits


def test_different_specs_differ():
    specs = [
        TileSpec(dtype="float32", fill_value=0.0),
        TileSpec(dtype="float32", fill_value=-0.0),
        TileSpec(dtype="float32", fill_value=math.nan),
        TileSpec(dtype="float64", fill_value=0.0),
        TileSpec(compression=1),
        TileSpec(),
    ]
    assert len(set(specs)) == len(specs)


@pytest.mark.parametrize(
    "config",
    [
        {"chunk_shape": [0]},
        {"chunk_shape": []},
        {"chunk_shape": [2.5]},
        {"chunk_shape": "12"},
        {"chunk_shape": [True]},
        {"channels": 0},
        {"channels": 9},
        {"channels": 3, "chunk_shape": [2, 5, 5]},
        {"channels": "1"},
        {"level": 9},
        {"level": -1},
        {"block_size": 15},
        {"bits_per_sample": 3},
        {"bits_per_sample": 17, "dtype": "uint16"},
        {"bits_per_sample": 24, "dtype": "float32"},
        {"fill_value": 0.5, "dtype": "uint8"},
        {"fill_value": 256, "dtype": "uint8"},
        {"fill_value": "NaN", "dtype": "uint8"},
        {"fill_value": "0x7fc0", "dtype": "float32"},
        {"fill_value": "nonsense"},
        {"fill_value": [1]},
        {"fill_value": 1e300, "dtype": "float32"},
        {"fill_value": 10**400, "dtype": "float32"},
        {"newer_key": 1},
    ],
)
def test_configurations_that_cannot_be_right(config):
    with pytest.raises(ConfigurationError):
        TileSpec.from_config(config)


def test_unknown_mapping():
    with pytest.raises(UnsupportedFlacError, match="wavelets"):
        TileSpec(mapping="wavelets")


@pytest.mark.parametrize("dtype", ["uint8", "int16", "int64", "float64"])
def test_planes_can_be_selected(dtype):
    data = np.arange(4 * 5 * 6).reshape(4, 5, 6).astype(dtype)
    tile = encode_tile(data, TileSpec(chunk_shape=(4, 8, 8), dtype=np.dtype(dtype), channels=4))
    for select in ((2,), (3, 0), (0, 1, 2, 3)):
        spec = TileSpec(
            chunk_shape=(len(select), 8, 8), dtype=np.dtype(dtype), channels=4, select=select,
            fill_value=7,
        )  # fmt: skip
        assert TileSpec.from_config(spec.to_config()) == spec
        shown = decode_tile(tile, spec)
        np.testing.assert_array_equal(shown[:, :5, :6], data[list(select)])
        assert (shown[:, 5:] == 7).all()
        with pytest.raises(UnsupportedFlacError, match="only decoded"):
            encode_tile(data[list(select)], spec)


@pytest.mark.parametrize(
    "fields",
    [
        {"channels": 4, "select": ()},
        {"channels": 4, "select": (4,)},
        {"channels": 4, "select": (1, 1)},
        {"channels": 1, "select": (0,)},
        {"channels": 4, "select": (0, 1)},
        {"channels": 4, "select": "0"},
    ],
)
def test_a_wrong_selection_is_refused(fields):
    with pytest.raises(ConfigurationError):
        TileSpec(chunk_shape=(1, 8, 8), dtype=np.dtype("uint8"), **fields)


def test_a_decoder_remembers_no_more_than_is_right():
    """What is worked out for one kind of tile serves no other, and is no part of the spec."""
    spec = TileSpec((20, 30), "uint16", fill_value=9)
    decoder = TileDecoder(spec)
    whole, edge = pixels((20, 30), "uint16"), pixels((7, 11), "uint16", 1)
    rows = TileSpec((20, 30), "uint16", fill_value=9, order="row")
    tiles = [encode_tile(array, rows) for array in (whole, edge)]
    wrong = retold(tiles[0], GEOSPATIAL_DTYPE="int16")
    for _ in range(3):
        np.testing.assert_array_equal(decoder.decode(tiles[0]), whole)
        np.testing.assert_array_equal(decoder.decode(tiles[1])[:7, :11], edge)
        assert (decoder.decode(tiles[1])[7:] == 9).all()
        np.testing.assert_array_equal(decoder.of_shape((7, 11)).decode(tiles[1]), edge)
        with pytest.raises(UnsupportedDtypeError):
            decoder.decode(wrong)
    assert decoder.of_shape((7, 11)) is decoder.of_shape((7, 11))
    assert decoder.of_shape((20, 30)) is decoder
    assert vars(spec) == vars(TileSpec((20, 30), "uint16", fill_value=9))
    assert pickle.loads(pickle.dumps(spec)) == spec
    assert pickle.dumps(decoder) == pickle.dumps(TileDecoder(spec))
    np.testing.assert_array_equal(pickle.loads(pickle.dumps(decoder)).decode(tiles[0]), whole)
    for number in range(200):
        decoder.decode(retold(tiles[0], NUMBER=str(number)))
        decoder.of_shape((1, number + 1))
    assert len(decoder._plans) <= 64
    assert len(decoder._others) <= 64


def test_comments_of_one_tile_are_not_those_of_another():
    data = encode_tile(pixels((4, 4), "uint8"), TileSpec(order="row"))
    read_tile_info(data).comments["GEOSPATIAL_DTYPE"] = "int8"
    assert read_tile_info(data).comments["GEOSPATIAL_DTYPE"] == "uint8"
