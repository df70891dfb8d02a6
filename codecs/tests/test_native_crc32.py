"""CRC-32 by every way of this CPU: what zlib gives, of any length at any place in memory."""

import os
import zlib
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from zarr_flac import _native, crc32

DATA = np.random.default_rng(6).integers(0, 256, 400_000, np.uint8).tobytes()


def by_every_way(data):
    """Check every way against zlib; return how many took part."""
    expected = zlib.crc32(data)
    assert crc32(data) == expected
    ways = _native.crc32_ways(data)
    assert ways[-1] is not None  # tables need nothing
    assert {value for value in ways if value is not None} == {expected}
    return sum(value is not None for value in ways)


def test_every_length_and_alignment():
    view = memoryview(DATA)
    for length in range(301):
        for offset in range(17):
            took_part = by_every_way(view[offset : offset + length])
    assert took_part == len(_native.crc32_ways(DATA))


def test_every_length_of_the_last_turns():
    """One turn of the widest way takes 256 bytes; what is left comes in pieces of 64 and 16."""
    view = memoryview(DATA)
    for length in range(301, 1100):
        by_every_way(view[length % 64 :][:length])


@given(st.integers(0, len(DATA)), st.integers(0, len(DATA)))
def test_any_piece(one, other):
    by_every_way(memoryview(DATA)[min(one, other) : max(one, other)])


@pytest.mark.parametrize("byte", [0, 0xFF])
def test_one_byte_again_and_again(byte):
    for length in (1, 63, 64, 255, 256, 4096, 100_001):
        by_every_way(bytes([byte]) * length)


def test_any_buffer():
    for data in (bytearray(DATA), memoryview(DATA), np.frombuffer(DATA, "<u4"), b""):
        assert crc32(data) == zlib.crc32(data)
    with pytest.raises((BufferError, ValueError), match="contiguous"):
        crc32(memoryview(DATA)[::2])
    with pytest.raises(TypeError):
        crc32("text")


def test_threads():
    with ThreadPoolExecutor(8) as pool:
        assert set(pool.map(crc32, [DATA] * 64)) == {zlib.crc32(DATA)}


@pytest.mark.skipif(not hasattr(os, "uname"), reason="skipped: no os.uname")
def test_carry_less_multiplication_takes_part():
    """Where the kernel says that the CPU has it: tables alone would be a tenth as fast."""
    try:
        with open("/proc/cpuinfo") as file:
            words = set(file.read().split())
    except OSError:
        pytest.skip("skipped: no /proc/cpuinfo")
    expected = 1 + (not words.isdisjoint({"pclmulqdq", "pmull"}))
    expected += "vpclmulqdq" in words and "avx512f" in words
    assert len(_native.crc32_ways(DATA)) == expected
