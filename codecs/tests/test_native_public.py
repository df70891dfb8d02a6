"""`zarr_flac.decode`, `read_info` and `iter_frames`: plain FLAC streams, without pixels."""

import struct
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import bitwriter as bw
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings

import zarr_flac
from zarr_flac import CorruptFlacError, FlacError, StreamInfo

pytest.importorskip("zarr_flac.stream", reason="skipped: this version has no public decode")


def make(count=5, size=64, **options):
    frames = [
        bw.Frame(bw.texture("smooth", 2, size, 16, at).tolist(), (bw.Coding(order=2),), bw.MID_SIDE)
        for at in range(count - 1)
    ]
    last = bw.Frame(bw.texture("small", 2, 21, 16, 9).tolist())
    return bw.Stream((*frames, last), **options)


@given(bw.streams())
@settings(max_examples=12, suppress_health_check=list(HealthCheck))
def test_any_stream(stream):
    check_stream(stream)


@pytest.mark.exhaustive
@given(bw.streams())
@settings(max_examples=100, suppress_health_check=list(HealthCheck))
def test_many_streams(stream):
    check_stream(stream)


def check_stream(stream):
    data = bytes(stream)
    samples = stream.samples
    np.testing.assert_array_equal(zarr_flac.decode(data, verify_md5=True), samples)
    out = np.empty_like(samples)
    assert zarr_flac.decode(data, out) is out
    np.testing.assert_array_equal(out, samples)
    info = zarr_flac.read_info(data)
    for name, value in stream.facts.items():
        assert getattr(info.streaminfo, name) == value
    assert info.frames_offset == len(stream.head())
    offset, first = info.frames_offset, 0
    parts = stream.frame_bytes()
    listed = list(zarr_flac.iter_frames(data))
    assert len(listed) == len(parts)
    for frame, part, made in zip(listed, parts, stream.frames, strict=True):
        assert tuple(frame) == (offset, len(part), first, made.block_size)
        offset += len(part)
        first += made.block_size


@given(bw.streams())
@settings(max_examples=12, suppress_health_check=list(HealthCheck))
def test_bare_frames(stream):
    facts = StreamInfo(**stream.facts)
    data = b"".join(stream.frame_bytes())
    np.testing.assert_array_equal(zarr_flac.decode(data, streaminfo=facts), stream.samples)
    offsets = [frame.offset for frame in zarr_flac.iter_frames(data, streaminfo=facts)]
    assert offsets[0] == 0
    assert offsets[1:] == np.cumsum([len(part) for part in stream.frame_bytes()])[:-1].tolist()


@pytest.mark.parametrize("known", [True, False])
def test_md5_on_request(known):
    stream = make(known_total=known)
    wrong = replace(stream, streaminfo={"md5": bytes(range(16))})
    np.testing.assert_array_equal(zarr_flac.decode(bytes(wrong)), stream.samples)
    with pytest.raises(CorruptFlacError, match="MD5"):
        zarr_flac.decode(bytes(wrong), verify_md5=True)
    zarr_flac.decode(bytes(stream), verify_md5=True)
    zarr_flac.decode(bytes(replace(stream, known_md5=False)), verify_md5=True)


def test_seek_table_and_comments():
    points = [(0, 0, 64), (64, 99, 64), (2**64 - 1, 0, 0)]
    table = b"".join(struct.pack(">QQH", *point) for point in points)
    comment = b"\x04\x00\x00\x00test\x01\x00\x00\x00\x05\x00\x00\x00a=b=c"
    stream = make(blocks=((1, bytes(7)), (3, table), (4, comment)), id3=b"title" * 30)
    info = zarr_flac.read_info(bytes(stream))
    assert [tuple(point) for point in info.seek_table] == points[:2]
    assert info.comments == {"A": "b=c"}
    assert info.vendor == "test"
    assert zarr_flac.read_info(stream.head()) == info
    with pytest.raises(CorruptFlacError):
        zarr_flac.read_info(bytes(make(blocks=((3, table[:-1]),))))


def test_every_truncated_head():
    head = make(blocks=((3, bytes(18)), (1, bytes(9))), id3=b"x" * 20).head()
    for end in range(len(head)):
        with pytest.raises(FlacError):
            zarr_flac.read_info(head[:end])


def test_errors_say_frame_and_byte():
    stream = make()
    parts = stream.frame_bytes()
    start = len(stream.head()) + sum(map(len, parts[:3]))
    data = bytearray(bytes(stream))
    data[start + 20] ^= 4
    for function in (zarr_flac.decode, lambda data: list(zarr_flac.iter_frames(data))):
        with pytest.raises(CorruptFlacError, match=rf"frame 3 at byte {start}\b"):
            function(data)


@pytest.mark.parametrize("shape", [(2, 277), (2, 276), (2, 278), (1, 277), (3, 277)])
def test_out_of_another_shape(shape):
    stream = make()
    out = np.empty(shape, np.int32)
    if shape == stream.samples.shape:
        zarr_flac.decode(bytes(stream), out)
        return
    with pytest.raises(FlacError):
        zarr_flac.decode(bytes(stream), out)


@pytest.mark.parametrize(
    "out",
    [
        np.empty((2, 277), np.int16),
        np.empty((277, 2), np.int32).T,
        np.empty((2, 2 * 277), np.int32)[:, ::2],
        np.empty(2 * 277, np.int32),
    ],
)
def test_out_of_another_layout(out):
    with pytest.raises(FlacError):
        zarr_flac.decode(bytes(make()), out)


def test_read_only_out_is_refused():
    out = np.zeros((2, 277), np.int32)
    out.flags.writeable = False
    with pytest.raises((FlacError, ValueError, BufferError, TypeError)):
        zarr_flac.decode(bytes(make()), out)
    assert not out.any()


def test_threads():
    streams = [make(count, known_total=count % 2 == 0) for count in range(2, 18)]
    with ThreadPoolExecutor(8) as pool:
        results = list(pool.map(zarr_flac.decode, [bytes(stream) for stream in streams] * 8))
    for result, stream in zip(results, streams * 8, strict=True):
        np.testing.assert_array_equal(result, stream.samples)
