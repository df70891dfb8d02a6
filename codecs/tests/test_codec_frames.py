"""Chunks made of bare frames: rows of one long stream, found by the numbers of its frames."""

from dataclasses import replace

import bitwriter
import numpy as np
import pytest
import zarr
from hypothesis import given, settings
from hypothesis import strategies as st
from numcodecs.registry import get_codec

import zarr_flac
from zarr_flac import (
    ConfigurationError,
    CorruptFlacError,
    FlacCodec,
    FlacError,
    StreamFacts,
    TileSpec,
    UnsupportedFlacError,
    decode,
    decode_tile,
    encode_tile,
    iter_frames,
    read_info,
)


def cut(data, frames, first, behind):
    """The bytes of all frames that hold a sample from `first` to in front of `behind`."""
    touched = [
        f for f in frames if f.first_sample < behind and f.first_sample + f.block_size > first
    ]
    return data[touched[0].offset : touched[-1].offset + touched[-1].length]


def spec_for(array, rows, facts, **options):
    planes, _, width = array.shape
    return TileSpec((planes, rows, width), array.dtype, planes, stream=facts, **options)


def facts_of(data):
    info = read_info(data).streaminfo
    return StreamFacts(
        total_samples=info.total_samples,
        bits_per_sample=info.bits_per_sample,
        min_block_size=info.max_block_size,
        max_block_size=info.max_block_size,
    )


def image(planes, height, width, dtype="int16"):
    rng = np.random.default_rng(height * width)
    base = rng.integers(-500, 500, (height, width))
    return np.stack(
        [base + plane * 3 + rng.integers(0, 2, base.shape) for plane in range(planes)]
    ).astype(dtype)


@settings(max_examples=60)
@given(st.data())
def test_every_chunk_is_its_rows(data):
    block_size = data.draw(st.integers(16, 300))
    width = data.draw(st.integers(1, 90))
    height = data.draw(st.integers(1, 70))
    planes = data.draw(st.integers(1, 3))
    dtype = data.draw(st.sampled_from(["int16", "uint8", "float64"]))
    rows = data.draw(st.integers(min(-(-block_size // width), height), height))
    array = image(planes, height, width, dtype)
    stream = encode_tile(array, TileSpec(channels=planes, block_size=block_size))
    frames = list(iter_frames(stream))
    facts = facts_of(stream)
    spec = spec_for(array, rows, facts, fill_value=7)
    for top in range(0, height, rows):
        behind = min(top + rows, height)
        chunk = cut(stream, frames, top * width, behind * width)
        found = decode_tile(chunk, spec)
        np.testing.assert_array_equal(found[:, : behind - top], array[:, top:behind])
        assert (found[:, behind - top :] == 7).all()
        if planes > 1:
            some = TileSpec.from_config(
                {**spec.to_config(), "select": [1], "chunk_shape": [1, rows, width]}
            )
            np.testing.assert_array_equal(decode_tile(chunk, some), found[1:2])


@settings(max_examples=25)
@given(st.lists(st.integers(16, 90), min_size=2, max_size=12), st.integers(1, 2), st.data())
def test_frames_of_any_sizes(sizes, planes, data):
    total = sum(sizes)
    rng = np.random.default_rng(total)
    samples = rng.integers(-900, 900, (planes, total))
    ends = np.cumsum(sizes)
    parts = np.split(samples, ends[:-1], axis=1)
    stream = bitwriter.Stream(
        tuple(bitwriter.Frame(part.tolist()) for part in parts), variable=True
    )
    encoded = bytes(stream)
    np.testing.assert_array_equal(decode(encoded), samples)
    frames = list(iter_frames(encoded))
    assert [frame.block_size for frame in frames] == sizes
    facts = StreamFacts(
        total_samples=total, bits_per_sample=16, min_block_size=16, max_block_size=max(17, *sizes)
    )
    rows = data.draw(st.integers(max(sizes), total))
    spec = TileSpec((planes, rows, 1), "int32", planes, stream=facts)
    for first in range(0, total, rows):
        behind = min(first + rows, total)
        chunk = cut(encoded, frames, first, behind)
        found = decode_tile(chunk, spec)
        np.testing.assert_array_equal(found[:, : behind - first, 0], samples[:, first:behind])
        touched = [
            f for f in frames if first < f.first_sample + f.block_size and f.first_sample < behind
        ]
        if len(touched) > 1:
            with pytest.raises(CorruptFlacError, match="missing"):
                decode_tile(chunk[: -touched[-1].length], spec)


@pytest.fixture(scope="module")
def long_stream():
    array = image(2, 60, 50)
    stream = encode_tile(array, TileSpec(channels=2, block_size=256))
    return array, stream, list(iter_frames(stream))


def test_surplus_frames_do_no_harm(long_stream):
    """A seek point may lie in front of the frame that is needed, or behind the last one."""
    array, stream, frames = long_stream
    spec = spec_for(array, 20, facts_of(stream))
    for offset in {f.offset for f in frames if 0 < f.first_sample <= 1000}:
        found = decode_tile(stream[offset:], spec)
        np.testing.assert_array_equal(found, array[:, 20:40])


def test_frames_missing_or_damaged_are_errors(long_stream):
    array, stream, frames = long_stream
    spec = spec_for(array, 20, facts_of(stream))
    chunk = cut(stream, frames, 1000, 2000)
    np.testing.assert_array_equal(decode_tile(chunk, spec), array[:, 20:40])
    inside = [f for f in frames if f.first_sample < 2000 and f.first_sample + 256 > 1000]
    first = inside[0].offset
    ends = [f.offset + f.length - first for f in inside]
    for damaged in (
        b"", chunk[:3], chunk[: ends[-2]], chunk[:-1], chunk[1:],
        chunk[: ends[0]] + chunk[ends[1] :],
        chunk[: ends[0]] + chunk[ends[1] : ends[2]] + chunk[ends[0] : ends[1]] + chunk[ends[2] :],
    ):  # fmt: skip
        with pytest.raises(CorruptFlacError):
            decode_tile(damaged, spec)
    with pytest.raises(CorruptFlacError, match="another chunk"):
        decode_tile(stream[frames[-1].offset :], spec_for(array, 30, facts_of(stream)))
    rng = np.random.default_rng(6)
    for bit in rng.integers(0, 8 * len(chunk), 300):
        flipped = bytearray(chunk)
        flipped[bit // 8] ^= 1 << bit % 8
        with pytest.raises(FlacError):
            decode_tile(flipped, spec)


def test_the_end_of_the_stream_is_the_only_short_one(long_stream):
    array, stream, frames = long_stream
    facts = facts_of(stream)
    tail = cut(stream, frames, 2000, 3000)
    np.testing.assert_array_equal(decode_tile(tail, spec_for(array, 20, facts)), array[:, 40:])
    with pytest.raises(CorruptFlacError):
        decode_tile(tail, spec_for(array, 40, replace(facts, total_samples=5000)))
    with pytest.raises(ConfigurationError, match="whole number of rows"):
        decode_tile(tail, spec_for(array, 20, replace(facts, total_samples=2990)))
    with pytest.raises(ConfigurationError, match="differs"):
        decode_tile(tail, spec_for(array, 20, replace(facts, min_block_size=16)))


def test_the_configuration_round_trips(long_stream):
    array, stream, frames = long_stream
    facts = replace(facts_of(stream), data_min=-5, data_max=2**63)
    spec = spec_for(array, 20, facts)
    config = spec.to_config()
    assert config["stream"] == {
        "total_samples": 3000, "bits_per_sample": 16, "min_block_size": 256,
        "max_block_size": 256, "data_min": -5, "data_max": 2**63,
    }  # fmt: skip
    assert TileSpec.from_config(config) == spec
    codec = FlacCodec.from_spec(spec)
    assert FlacCodec.from_dict(codec.to_dict()) == codec
    v2 = get_codec({"id": "zarr_flac", **config})
    assert v2.get_config() == {"id": "zarr_flac", **config}
    chunk = cut(stream, frames, 0, 1000)
    np.testing.assert_array_equal(
        np.frombuffer(v2.decode(chunk), "<i2").reshape(2, 20, 50), array[:, :20]
    )


def test_a_zarr_array_of_frames(long_stream):
    array, stream, frames = long_stream
    store = {}
    opened = zarr.create_array(
        store, shape=array.shape, chunks=(2, 20, 50), dtype=array.dtype,
        compressors=FlacCodec.from_spec(spec_for(array, 20, facts_of(stream))),
    )  # fmt: skip
    from zarr.core.buffer import default_buffer_prototype
    from zarr.core.sync import sync

    for row in range(3):
        chunk = cut(stream, frames, row * 1000, row * 1000 + 1000)
        buffer = default_buffer_prototype().buffer.from_bytes(chunk)
        sync(opened.store_path.store.set(f"c/0/{row}/0", buffer))
    np.testing.assert_array_equal(opened[:], array)
    with pytest.raises(UnsupportedFlacError, match="only decoded"):
        opened[:] = array


@pytest.mark.parametrize(
    "wrong",
    [
        {"stream": 5},
        {"stream": {}},
        {"stream": {"total_samples": 0}},
        {"stream": {"total_samples": 2**36}},
        {"stream": {"bits_per_sample": 3}},
        {"stream": {"min_block_size": 300}},
        {"stream": {"max_block_size": 70000}},
        {"stream": {"unknown": 1}},
        {"stream": {"data_min": 1}},
        {"stream": {"data_min": 1.5, "data_max": 2}},
        {"chunk_shape": None},
        {"dtype": None},
        {"chunk_shape": [2, 3, 4, 5]},
        {"mapping": "flac-raster"},
    ],
)
def test_configurations_that_cannot_be(wrong):
    good = {
        "chunk_shape": [1, 20, 50],
        "dtype": "int16",
        "stream": {
            "total_samples": 3000, "bits_per_sample": 16,
            "min_block_size": 256, "max_block_size": 256,
        },
    }  # fmt: skip
    TileSpec.from_config(good)
    stream = wrong.get("stream")
    if stream and isinstance(stream, dict):
        wrong = {"stream": {**good["stream"], **stream}}
    with pytest.raises(ConfigurationError):
        TileSpec.from_config({**good, **wrong})


def test_frames_from_the_middle_of_a_stream():
    samples = np.random.default_rng(5).integers(-99, 99, (1, 5000)).astype(np.int32)
    stream = zarr_flac.encode_tile(
        samples[:, None].astype("int16"), zarr_flac.TileSpec(block_size=256)
    )
    info = zarr_flac.read_info(stream)
    frames = list(zarr_flac.iter_frames(stream))
    part = replace(info.streaminfo, total_samples=0, md5=bytes(16))
    for first, last in ((0, 3), (4, 5), (7, len(frames))):
        data = stream[frames[first].offset : frames[last - 1].offset + frames[last - 1].length]
        number = zarr_flac.read_frame_header(data).number
        found = zarr_flac.decode(data, streaminfo=part, first_number=number)
        start = frames[first].first_sample
        np.testing.assert_array_equal(
            found, zarr_flac.decode(stream)[:, start : start + found.shape[1]]
        )
        assert found.shape[1] == sum(frame.block_size for frame in frames[first:last])
    with pytest.raises(zarr_flac.CorruptFlacError, match="misplaced frame"):
        zarr_flac.decode(data, streaminfo=part)
