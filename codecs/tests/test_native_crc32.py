"""CRC-32 by every way of this CPU: what zlib gives, of any length at any place in memory."""

import os
import zlib
from concurrent.futures import ThreadPoolExecutor

import bitwriter as bw
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from native_decoding import LANES

from zarr_flac import (
    CorruptFlacError,
    TileDecoder,
    TileSpec,
    _native,
    check_crc32,
    crc32,
    encode_tile,
    native_calls,
)
from zarr_flac.stream_facts import StreamFacts

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


# --- On the way, while a tile is decoded ---------------------------------------------------------


def judged(decoder, data, expected, out=None):
    """Decode with the right CRC-32 and with wrong ones."""
    right = zlib.crc32(data)
    np.testing.assert_array_equal(decoder.decode(data, out, crc32=right), expected)
    for wrong in (right ^ 1, right ^ 0x80000000, 0, 0xFFFFFFFF):
        with pytest.raises(CorruptFlacError, match=f"is {right:08x}, not {wrong:08x}: .*place"):
            decoder.decode(data, out, crc32=wrong)


@pytest.mark.parametrize("lanes", LANES)
@pytest.mark.parametrize("dtype", ["u1", "<i2", "<u2", "<i4", "<f4", "<i8"])
def test_every_way_of_decoding_sums_up(dtype, lanes, monkeypatch):
    monkeypatch.setattr(native_calls, "MOST_LANES", lanes)
    noise = np.random.default_rng(2).integers(0, 99, (2, 70, 90))
    pixels = (noise + np.cumsum(noise, axis=2) % 120 // 9).astype(dtype)
    spec = TileSpec(chunk_shape=(2, 80, 96), dtype=np.dtype(dtype), channels=2)
    whole = np.zeros((2, 80, 96), dtype)
    whole[:, :70, :90] = pixels
    tile = encode_tile(pixels, spec)
    for data in (tile, tile + b"and more"):
        judged(TileDecoder(spec), data, whole)
        chosen = TileSpec(chunk_shape=(1, 80, 96), dtype=spec.dtype, channels=2, select=(1,))
        judged(TileDecoder(chosen), data, whole[1:])
        apart = np.empty((2, 80, 192), dtype)[..., ::2]
        judged(TileDecoder(spec), data, whole, apart)


def test_other_bytes_that_no_checksum_of_flac_covers():
    """In comments, and behind the last frame: nothing else would tell."""
    pixels = np.arange(64 * 64, dtype="<u2").reshape(1, 64, 64)
    spec = TileSpec(chunk_shape=(1, 64, 64), dtype=np.dtype("<u2"))
    tile = encode_tile(pixels, spec, comments={"NOTE": "one"}) + b"tail"
    right, decoder = zlib.crc32(tile), TileDecoder(spec)
    for other in (tile.replace(b"NOTE=one", b"NOTE=two"), tile[:-1] + b"k"):
        np.testing.assert_array_equal(decoder.decode(other), pixels)
        with pytest.raises(CorruptFlacError, match="CRC-32"):
            decoder.decode(other, crc32=right)


def test_damage_in_a_frame_is_named_first():
    pixels = np.random.default_rng(3).integers(0, 1 << 16, (1, 64, 64)).astype("<u2")
    spec = TileSpec(chunk_shape=(1, 64, 64), dtype=np.dtype("<u2"))
    tile = bytearray(encode_tile(pixels, spec))
    right = zlib.crc32(tile)
    tile[-20] ^= 4
    with pytest.raises(CorruptFlacError, match="frame CRC mismatch"):
        TileDecoder(spec).decode(tile, crc32=right)


def test_chunks_of_bare_frames_sum_up_too():
    frames = tuple(bw.Frame(bw.texture("smooth", 1, 96, 16, at).tolist()) for at in range(8))
    stream = bw.Stream(frames)
    facts = StreamFacts(
        total_samples=8 * 96, bits_per_sample=16, min_block_size=96, max_block_size=96
    )  # fmt: skip
    spec = TileSpec(chunk_shape=(8, 96), dtype=np.dtype("<i2"), stream=facts)
    judged(TileDecoder(spec), b"".join(stream.frame_bytes()), stream.samples.reshape(8, 96))


def test_nothing_to_compare_with():
    check_crc32(DATA, None)
    check_crc32(DATA, zlib.crc32(DATA))
    with pytest.raises(CorruptFlacError, match=f"is {zlib.crc32(DATA):08x}, not 00000001"):
        check_crc32(DATA, 1)
