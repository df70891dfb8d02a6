"""Pixels <-> samples: exact for every bit pattern of every dtype."""

import hypothesis.extra.numpy as npst
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from zarr_flac import (
    ConfigurationError,
    SampleRangeError,
    UnsupportedDtypeError,
    frame_decoder,
    frame_encoder,
)
from zarr_flac.blocks import pack_head, parse_head
from zarr_flac.samples import (
    DTYPES,
    channels_per_plane,
    check_dtype,
    default_bits_per_sample,
    from_samples,
)

NUMBERS = [name for name in DTYPES if name != "bool"]

# dtype, depth, pixels, samples by channel
CASES = [
    ("int16", 16, [-32768, -1, 0, 32767], [[-32768, -1, 0, 32767]]),
    ("uint16", 16, [0, 32768, 65535], [[-32768, 0, 32767]]),
    ("uint16", 12, [0, 2048, 4095], [[-2048, 0, 2047]]),
    ("uint8", 8, [0, 128, 255], [[-128, 0, 127]]),
    ("uint8", 4, [0, 15], [[-8, 7]]),
    ("int8", 8, [-128, 127], [[-128, 127]]),
    ("bool", 8, [False, True], [[-128, -127]]),
    ("int32", 32, [-(2**31), 2**31 - 1], [[-(2**31), 2**31 - 1]]),
    ("uint32", 32, [0, 2**31, 2**32 - 1], [[-(2**31), 0, 2**31 - 1]]),
    ("uint32", 31, [0, 2**30, 2**31 - 1], [[-(2**30), 0, 2**30 - 1]]),
    ("int64", 32, [-1, 0, 2**32], [[-1, 0, 1], [2**31 - 1, -(2**31), -(2**31)]]),
    ("uint64", 32, [0, 2**64 - 1], [[-(2**31), 2**31 - 1], [-(2**31), 2**31 - 1]]),
    ("float16", 16, [0.0, -0.0, 1.0, -1.0], [[0, -1, 0x3C00, -0x3C01]]),
    ("float32", 32, [0.0, -0.0, 1.0, -1.0], [[0, -1, 0x3F800000, -0x3F800001]]),
    ("float64", 32, [0.0, -0.0], [[0, -1], [-(2**31), 2**31 - 1]]),
]


def to_samples(planes, bits):
    """The samples that an encoder makes of pixels."""
    info, frames = frame_encoder.encode(planes, bits, compression=0)
    samples = np.empty((info.channels, info.total_samples), np.int32)
    data = pack_head(info, {}, "") + frames
    frame_decoder.decode(data, parse_head(data), samples)
    return samples


def back(samples, bits, dtype, shape):
    out = np.empty(shape, check_dtype(dtype))
    from_samples(samples, bits, out)
    return out


@pytest.mark.parametrize(("dtype", "bits", "pixels", "samples"), CASES)
def test_both_ways(dtype, bits, pixels, samples):
    planes = np.array([pixels], dtype)
    made = to_samples(planes, bits)
    assert made.tolist() == samples
    assert (
        back(np.array(samples, np.int32), bits, dtype, planes.shape).tobytes() == planes.tobytes()
    )


@pytest.mark.parametrize("name", DTYPES)
@settings(max_examples=30)
@given(data=st.data())
def test_every_bit_pattern(name, data):
    dtype = np.dtype(name)
    shape = (data.draw(st.integers(1, 3)), *data.draw(npst.array_shapes(max_dims=3, max_side=6)))
    size = int(np.prod(shape))
    if name == "bool":
        planes = np.array(data.draw(st.lists(st.booleans(), min_size=size, max_size=size)))
    else:
        raw = data.draw(st.binary(min_size=size * dtype.itemsize, max_size=size * dtype.itemsize))
        planes = np.frombuffer(raw, dtype)
    planes = planes.reshape(shape)
    bits = default_bits_per_sample(dtype)
    samples = to_samples(planes, bits)
    assert samples.shape == (shape[0] * channels_per_plane(dtype), size // shape[0])
    assert back(samples, bits, dtype, shape).tobytes() == planes.tobytes()


@pytest.mark.parametrize("name", NUMBERS)
def test_strides_and_byte_orders(name):
    base = np.random.default_rng(3).integers(0, 120, (3, 8, 10)).astype(name)
    bits = default_bits_per_sample(base.dtype)
    views = [
        base[:, ::2, 1::3],
        base.transpose(0, 2, 1),
        base[::-1, :, ::-1],
        np.asfortranarray(base),
    ]
    for view in views:
        for order in "<>":
            planes = view.astype(view.dtype.newbyteorder(order))
            planes = planes if view.flags.c_contiguous else planes[...]
            made = back(to_samples(planes, bits), bits, name, view.shape)
            np.testing.assert_array_equal(made, view)


@pytest.mark.parametrize("name", DTYPES)
def test_into_a_part_of_a_larger_array(name):
    planes = np.random.default_rng(4).integers(0, 2, (2, 3, 4)).astype(name)
    bits = default_bits_per_sample(planes.dtype)
    out = np.zeros((2, 6, 7), check_dtype(name))
    from_samples(to_samples(planes, bits), bits, out[:, :3, :4])
    np.testing.assert_array_equal(out[:, :3, :4], planes)
    assert not out[:, 3:].any()
    assert not out[:, :, 4:].any()


@pytest.mark.parametrize("name", ["float16", "float32", "float64"])
def test_floats_keep_their_order(name):
    values = np.sort(np.random.default_rng(5).normal(size=500)).astype(name)
    samples = to_samples(values[np.newaxis], default_bits_per_sample(values.dtype))
    key = samples[0].astype(np.int64)
    if name == "float64":
        key = (key << 32) + samples[1].astype(np.int64)
    assert (np.diff(key) >= 0).all()


@pytest.mark.parametrize(
    ("dtype", "bits", "values"),
    [
        ("uint16", 12, [0, 4096]),
        ("int16", 12, [-2049, 0]),
        ("int16", 12, [2048]),
        ("int32", 31, [2**30]),
        ("uint32", 16, [65536]),
    ],
)
def test_values_that_need_more_bits(dtype, bits, values):
    with pytest.raises(SampleRangeError, match=str(bits)):
        to_samples(np.array([values], dtype), bits)


@pytest.mark.parametrize(
    ("dtype", "bits", "values"),
    [
        ("uint8", 16, [-32769 + 0]),
        ("uint8", 16, [-32768 + 256]),
        ("int8", 16, [128]),
        ("int16", 24, [-32769]),
        ("bool", 8, [-126]),
        ("float32", 24, [0]),
        ("int64", 16, [0, 0]),
    ],
)
def test_samples_of_another_dtype(dtype, bits, values):
    planes = channels_per_plane(np.dtype(dtype))
    samples = np.array(values, np.int32).reshape(planes, -1)
    with pytest.raises(SampleRangeError):
        back(samples, bits, dtype, (1, samples.shape[1]))


def test_depths_that_floats_do_not_have():
    with pytest.raises(ConfigurationError):
        to_samples(np.zeros((1, 4), np.float32), 24)


@pytest.mark.parametrize(
    "dtype", ["complex64", "U3", "O", "M8[s]", [("a", "i4")], "no dtype", "uint16,", "f16", ""]
)
def test_dtypes_without_a_place(dtype):
    with pytest.raises(UnsupportedDtypeError, match="uint16"):
        check_dtype(dtype)
