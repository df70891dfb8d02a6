"""Not one byte too many: input at the end of a page, output between guards, buffers of any kind."""

import ctypes
import mmap
import sys
import zlib

import bitwriter as bw
import numpy as np
import pytest
from native_decoding import LANES, decode, run

from zarr_flac import FlacError, _native
from zarr_flac.blocks import parse_head

SLOPE = bw.Coding("lpc", order=8, coefficients=(16, -8, 1, -1, 1), precision=6, shift=3)


def make(kind, coding, *, frames=11, size=100, bits=16, channels=1, stereo=bw.INDEPENDENT):
    made = tuple(
        bw.Frame(bw.texture(kind, channels, size, bits, at).tolist(), (coding,), stereo)
        for at in range(frames)
    )
    last = bw.Frame(bw.texture(kind, channels, 37, bits, 99).tolist(), (coding,), stereo)
    return bw.Stream((*made, last), bits_per_sample=bits)


STREAMS = {
    "fixed": make("smooth", bw.Coding(order=2, partition_order=1)),
    "lpc": make("smooth", SLOPE),
    "long codes": make("small", bw.Coding(order=1, deltas=(-9,))),
    "escapes": make("runs", bw.Coding(order=1, escapes=(0, None), partition_order=2)),
    "24 bits": make("smooth", SLOPE, bits=24),
    "stereo": make("smooth", SLOPE, channels=2, stereo=bw.MID_SIDE),
    "constant": make("constant", bw.Coding("constant")),
    "verbatim": make("noise", bw.Coding("verbatim")),
    "one frame": make("smooth", SLOPE, frames=1),
    "four frames": make("smooth", SLOPE, frames=3, size=64),
}


@pytest.mark.parametrize("name", STREAMS)
def test_every_alignment(name):
    stream = STREAMS[name]
    data, samples = bytes(stream), stream.samples
    for offset in range(17):
        for tail in (0, 1, 9):
            whole = memoryview(b"\xff" * offset + data + b"\xff" * tail)
            view = whole[offset : offset + len(data)]
            assert view.readonly
            np.testing.assert_array_equal(decode(view, *samples.shape), samples)


@pytest.mark.parametrize("kind", ["bytes", "bytearray", "memoryview", "array", "mmap"])
def test_any_buffer(kind):
    stream = STREAMS["lpc"]
    data = bytes(stream)
    buffer = {
        "bytes": lambda: data,
        "bytearray": lambda: bytearray(data),
        "memoryview": lambda: memoryview(data),
        "array": lambda: memoryview(np.frombuffer(data, np.int8)),
        "mmap": lambda: _pages(data)[0],
    }[kind]()
    np.testing.assert_array_equal(decode(buffer, *stream.samples.shape), stream.samples)


def _pages(data, behind=0):
    """Return a view of data (or of so many bytes) that ends where no more memory may be touched."""
    page = mmap.PAGESIZE
    size = len(data) if data is not None else behind
    pages = -(-size // page)
    memory = mmap.mmap(-1, (pages + 1) * page)
    start = ctypes.addressof(ctypes.c_char.from_buffer(memory))
    libc = ctypes.CDLL(None, use_errno=True)
    assert libc.mprotect(ctypes.c_void_p(start + pages * page), ctypes.c_size_t(page), 0) == 0
    view = memoryview(memory)[pages * page - size : pages * page]
    if data is not None:
        view[:] = data
    return view, memory


needs_mprotect = pytest.mark.skipif(sys.platform == "win32", reason="mprotect is POSIX")


@needs_mprotect
@pytest.mark.parametrize("name", STREAMS)
def test_nothing_behind_the_input_is_read(name):
    stream = STREAMS[name]
    view, _memory = _pages(bytes(stream))
    np.testing.assert_array_equal(decode(view, *stream.samples.shape), stream.samples)


@needs_mprotect
@pytest.mark.parametrize("name", STREAMS)
def test_nothing_behind_truncated_input_is_read(name):
    stream = STREAMS[name]
    data = bytes(stream)
    room, _memory = _pages(None, len(data))
    for end in range(len(stream.head()), len(data)):
        view = room[len(data) - end :]
        view[:] = data[:end]
        with pytest.raises(FlacError):
            decode(view, *stream.samples.shape)


@needs_mprotect
def test_no_checksum_reads_behind_its_input():
    room, _memory = _pages(None, 700)
    for length in range(701):
        assert zlib.crc32(room[700 - length :]) in _native.crc32_ways(room[700 - length :])


@needs_mprotect
@pytest.mark.parametrize("name", STREAMS)
@pytest.mark.parametrize("lanes", LANES)
def test_nothing_behind_the_output_is_written(name, lanes):
    stream = STREAMS[name]
    samples = stream.samples
    view, _memory = _pages(None, samples.nbytes)
    out = np.frombuffer(view, np.int32).reshape(samples.shape)
    assert run(bytes(stream), parse_head(bytes(stream)), out, lanes=lanes)[0] == 0
    np.testing.assert_array_equal(out, samples)


@pytest.mark.parametrize("name", STREAMS)
@pytest.mark.parametrize("lanes", LANES)
def test_guards_around_the_output(name, lanes):
    """Good streams, cut ones, and ones whose frames hold more than was asked for."""
    stream = STREAMS[name]
    data, samples = bytes(stream), stream.samples
    head = parse_head(data)
    channels, total = samples.shape
    for wanted in (total, total - 1, total - 37, 99, 1):
        for buffer in (data, data[:-1], data[: len(data) // 2]):
            room = np.full(channels * wanted + 128, 0x5A5A5A5A, np.int32)
            out = room[64:-64].reshape(channels, wanted)
            run(buffer, head, out, lanes=lanes)
            assert (room[:64] == 0x5A5A5A5A).all()
            assert (room[-64:] == 0x5A5A5A5A).all()
