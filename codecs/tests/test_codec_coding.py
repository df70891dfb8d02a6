"""Samples <-> frames: every depth, channel count and length; and judges other than libFLAC."""

import io
import shutil
import subprocess
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from zarr_flac import (
    CorruptFlacError,
    FlacError,
    SampleRangeError,
    UnsupportedFlacError,
    frame_decoder,
    frame_encoder,
)
from zarr_flac.blocks import pack_head, parse_head


def noise(channels, count, bits, seed=0):
    low, high = -(1 << (bits - 1)), 1 << (bits - 1)
    values = np.random.default_rng(seed).integers(low, high, (channels, count))
    values[:, 0] = low
    values[:, -1] = high - 1
    return values.astype(np.int32)


def smooth(channels, count, bits):
    amplitude = (1 << (bits - 1)) - 1
    wave = np.sin(np.arange(count) / 37) * amplitude
    return np.stack([(wave * 0.9**channel).astype(np.int32) for channel in range(channels)])


def stream(samples, bits, **options):
    info, frames = frame_encoder.encode(samples, bits, **options)
    return pack_head(info, {}, "zarr-flac") + frames


def decoded(data, channels, count):
    out = np.full((channels, count), -7, np.int32)
    frame_decoder.decode(data, parse_head(data), out)
    return out


def with_total(data, total):
    head = parse_head(data)
    info = replace(head.streaminfo, total_samples=total)
    return pack_head(info, head.comments, head.vendor) + data[head.frames_offset :]


@pytest.mark.parametrize("bits", range(4, 33))
def test_every_depth_and_channel_count(bits):
    count = 5000
    for channels in range(1, 9):
        for samples in (noise(channels, count, bits), smooth(channels, count, bits)):
            data = stream(samples, bits)
            info = parse_head(data).streaminfo
            found = info.channels, info.bits_per_sample, info.total_samples
            assert found == (channels, bits, count)
            assert info.md5 != bytes(16)
            np.testing.assert_array_equal(decoded(data, channels, count), samples)
            unknown = with_total(data, 0)
            np.testing.assert_array_equal(decoded(unknown, channels, count), samples)


@pytest.mark.parametrize("bits", [4, 16, 24, 32])
def test_every_length(bits):
    for count in (*range(1, 40), 4095, 4096, 4097, 8192, 8193):
        samples = noise(2, count, bits)
        data = stream(samples, bits)
        np.testing.assert_array_equal(decoded(data, 2, count), samples)
        np.testing.assert_array_equal(decoded(with_total(data, 0), 2, count), samples)


@given(
    bits=st.integers(4, 32),
    channels=st.integers(1, 8),
    count=st.integers(1, 3000),
    compression=st.integers(0, 8),
    block_size=st.sampled_from([16, 17, 192, 1000, 4096, 65535]),
    md5=st.booleans(),
    seed=st.integers(0, 2**32),
    flat=st.booleans(),
)
def test_round_trip(bits, channels, count, compression, block_size, md5, seed, flat):
    samples = noise(channels, count, bits, seed)
    if flat:
        samples[:] = samples[:, :1]
    data = stream(samples, bits, compression=compression, block_size=block_size, md5=md5)
    np.testing.assert_array_equal(decoded(data, channels, count), samples)


def test_streaminfo_is_true():
    import hashlib

    samples = noise(2, 10_000, 16)
    info, frames = frame_encoder.encode(samples, 16, block_size=1000)
    assert (info.min_block_size, info.max_block_size) == (1000, 1000)
    assert info.md5 == hashlib.md5(samples.T.astype("<i2").tobytes()).digest()
    assert 0 < info.min_frame_size <= info.max_frame_size < len(frames)


@pytest.mark.skipif(not shutil.which("flac"), reason="the flac program is not installed")
def test_flac_program_agrees(tmp_path):
    for bits in range(4, 33):
        for channels in (1, 2, 5):
            path = tmp_path / f"{bits}_{channels}.flac"
            path.write_bytes(stream(smooth(channels, 6000, bits) ^ noise(channels, 6000, 4), bits))
    paths = sorted(tmp_path.iterdir())
    subprocess.run(["flac", "-t", "-s", "-w", *paths], check=True, capture_output=True)


@pytest.mark.parametrize("bits", [8, 16, 24])
def test_soundfile_agrees(bits):
    soundfile = pytest.importorskip("soundfile")
    samples = noise(3, 9000, bits)
    read, _ = soundfile.read(io.BytesIO(stream(samples, bits)), dtype="int32", always_2d=True)
    np.testing.assert_array_equal(read.T >> (32 - bits), samples)


def test_soundfile_streams_are_read():
    soundfile = pytest.importorskip("soundfile")
    samples = noise(2, 9000, 16)
    file = io.BytesIO()
    soundfile.write(file, samples.T.astype(np.int16), 44100, format="FLAC", subtype="PCM_16")
    np.testing.assert_array_equal(decoded(file.getvalue(), 2, 9000), samples)


def test_bytes_behind_the_last_frame_are_ignored():
    samples = noise(1, 5000, 16)
    data = stream(samples, 16)
    for tail in (b"\0", b"junk" * 1000, data):
        np.testing.assert_array_equal(decoded(data + tail, 1, 5000), samples)
        np.testing.assert_array_equal(decoded(with_total(data, 0) + tail, 1, 5000), samples)


def test_any_buffer():
    samples = noise(1, 500, 16)
    data = stream(samples, 16)
    for buffer in (bytearray(data), memoryview(data), np.frombuffer(data, "u1").data):
        np.testing.assert_array_equal(decoded(buffer, 1, 500), samples)


@pytest.mark.parametrize("count", [4999, 5001, 4096, 10**9])
@pytest.mark.parametrize("known", [True, False])
def test_wrong_total(count, known):
    data = stream(noise(1, 5000, 16), 16)
    data = data if known else with_total(data, 0)
    if count < 10**6:
        with pytest.raises(CorruptFlacError):
            decoded(data, 1, count)
    else:  # refused before memory is taken
        with pytest.raises(CorruptFlacError):
            frame_decoder.check_sizes(len(data), parse_head(data), 1, count)


def test_wrong_channels():
    with pytest.raises(UnsupportedFlacError, match="2 channels; 1"):
        decoded(stream(noise(2, 100, 16), 16), 1, 100)


def frames_of(data, count, block_size):
    """The frames of a mono stream: each one starts with the sync code and its number."""
    head = parse_head(data)
    body = data[head.frames_offset :]
    starts = []
    for number in range(-(-count // block_size)):
        at = starts[-1] + 10 if starts else 0
        while not (body[at : at + 2] == b"\xff\xf8" and body[at + 4] == number):
            at += 1
        starts.append(at)
    ends = [*starts[1:], len(body)]
    return data[: head.frames_offset], [body[a:b] for a, b in zip(starts, ends, strict=True)]


@pytest.mark.parametrize("bits", [10, 16])
@pytest.mark.parametrize("known", [True, False])
@pytest.mark.parametrize(
    "order", ["0134", "0124", "014", "04", "02134", "011234", "0123", "1234", "01334"]
)
def test_missing_and_misplaced_frames(bits, known, order):
    """libFLAC alone puts silence in the place of a missing frame and reports nothing."""
    samples = noise(1, 5 * 4096, bits)
    head, frames = frames_of(stream(samples, bits), 5 * 4096, 4096)
    assert head + b"".join(frames) == stream(samples, bits)
    data = head + b"".join(frames[int(i)] for i in order)
    with pytest.raises(CorruptFlacError):
        decoded(data if known else with_total(data, 0), 1, 5 * 4096)


def test_samples_out_of_depth_are_refused():
    with pytest.raises(FlacError):
        frame_encoder.encode(np.array([[200]], np.int32), 8)


def test_a_kept_exception_keeps_no_buffer():
    """A traceback lives long in asyncio; buffers in it crash older garbage collectors."""
    data = bytearray(stream(noise(1, 5000, 16), 16))
    data[-5] ^= 1
    with pytest.raises(CorruptFlacError) as caught:
        decoded(data, 1, 5000)
    data.append(0)  # BufferError while anything still looks at it
    assert caught.value.__traceback__ is not None


def test_threads():
    tiles = [noise(1, 50_000, 16, seed) for seed in range(8)]
    streams = [stream(tile, 16) for tile in tiles]
    with ThreadPoolExecutor(8) as pool:
        for _ in range(4):
            assert list(pool.map(lambda tile: stream(tile, 16), tiles)) == streams
            results = pool.map(lambda data: decoded(data, 1, 50_000), streams * 4)
            for result, tile in zip(results, tiles * 4, strict=True):
                np.testing.assert_array_equal(result, tile)


def test_range_error_names_are_builtins_too():
    assert issubclass(SampleRangeError, ValueError)
