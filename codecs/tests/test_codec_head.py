"""Metadata blocks: one table of cases drives parse and pack."""

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from zarr_flac import ConfigurationError, CorruptFlacError, FlacError, StreamInfo
from zarr_flac.blocks import Head, bare_head, head_end, pack_head, parse_head

STREAMINFO_CASES = [
    (
        StreamInfo(min_block_size=4096, max_block_size=4096, channels=1, bits_per_sample=16),
        "1000 1000 000000 000000 0ac440f000000000" + 32 * "0",
    ),
    (
        StreamInfo(
            min_block_size=16,
            max_block_size=65535,
            min_frame_size=14,
            max_frame_size=0xABCDEF,
            sample_rate=192000,
            channels=8,
            bits_per_sample=32,
            total_samples=2**36 - 1,
            md5=bytes(range(16)),
        ),
        "0010 ffff 00000e abcdef 2ee00fffffffffff 000102030405060708090a0b0c0d0e0f",
    ),
    (
        StreamInfo(
            min_block_size=4096,
            max_block_size=4608,
            sample_rate=0,
            channels=2,
            bits_per_sample=4,
            total_samples=1,
        ),
        "1000 1200 000000 000000 0000023000000001" + 32 * "0",
    ),
]


@pytest.mark.parametrize(("info", "text"), STREAMINFO_CASES)
def test_streaminfo_parse_and_pack(info, text):
    raw = bytes.fromhex(text)
    assert StreamInfo.parse(raw) == info
    assert info.pack() == raw


@pytest.mark.parametrize("length", [0, 33, 35])
def test_streaminfo_of_another_length(length):
    with pytest.raises(CorruptFlacError, match="34"):
        StreamInfo.parse(bytes(length))


@pytest.mark.parametrize(
    "change",
    [
        {"min_block_size": 15},
        {"max_block_size": 65536},
        {"min_block_size": 4097, "max_block_size": 4096},
        {"channels": 0},
        {"channels": 9},
        {"bits_per_sample": 3},
        {"bits_per_sample": 33},
        {"total_samples": 2**36},
        {"total_samples": -1},
        {"sample_rate": 2**20},
        {"max_frame_size": 2**24},
        {"md5": b""},
    ],
)
def test_streaminfo_out_of_range(change):
    sound = {
        "min_block_size": 4096, "max_block_size": 4096, "channels": 1, "bits_per_sample": 16
    }  # fmt: skip
    with pytest.raises(CorruptFlacError):
        StreamInfo(**sound | change)


INFO, RAW_INFO = STREAMINFO_CASES[0][0], bytes.fromhex(STREAMINFO_CASES[0][1])
HEAD_CASES = [
    ({}, "", b"\x00\x00\x00\x00" + b"\x00\x00\x00\x00"),
    ({"A": "b"}, "me", b"\x02\x00\x00\x00me" + b"\x01\x00\x00\x00" + b"\x03\x00\x00\x00A=b"),
    (
        {"GEOSPATIAL_WIDTH": "5", "NAME": "Höhe=1"},
        "zarr-flac",
        b"\x09\x00\x00\x00zarr-flac\x02\x00\x00\x00"
        b"\x12\x00\x00\x00GEOSPATIAL_WIDTH=5\x0c\x00\x00\x00NAME=H\xc3\xb6he=1",
    ),
]


def block(kind, body, last=False):
    return bytes((kind | 0x80 * last,)) + len(body).to_bytes(3, "big") + body


def comments(*fields, vendor=b""):
    parts = [struct.pack("<I", len(vendor)), vendor, struct.pack("<I", len(fields))]
    for field in fields:
        parts += [struct.pack("<I", len(field)), field]
    return b"".join(parts)


@pytest.mark.parametrize(("fields", "vendor", "body"), HEAD_CASES)
def test_head_parse_and_pack(fields, vendor, body):
    raw = b"fLaC" + block(0, RAW_INFO) + block(4, body, last=True)
    assert pack_head(INFO, fields, vendor) == raw
    assert parse_head(raw) == Head(INFO, fields, vendor, len(raw))
    assert parse_head(raw + b"frames") == Head(INFO, fields, vendor, len(raw))


def test_bare_head():
    raw = bare_head(INFO)
    assert len(raw) == 42
    assert parse_head(raw) == Head(INFO, {}, "", 42)


def test_other_blocks_are_stepped_over():
    others = [(1, bytes(500)), (2, b"appl1234"), (3, bytes(18)), (5, b"x"), (6, b"y"), (99, b"")]
    raw = b"fLaC" + block(0, RAW_INFO) + b"".join(block(k, b) for k, b in others)
    raw += block(4, comments(b"a=1", b"A=2", b"b="), last=True)
    head = parse_head(raw)
    assert head.comments == {"A": "1", "B": ""}  # upper case; the first of equal keys wins
    assert head.frames_offset == len(raw)


def test_id3_tag_in_front():
    raw = bare_head(INFO)
    tag = b"ID3\x04\x00\x00\x00\x00\x02\x01" + bytes(257)
    assert parse_head(tag + raw).frames_offset == len(tag) + len(raw)
    with pytest.raises(CorruptFlacError):
        parse_head(b"ID3\x04\x00\x00\x7f\x7f\x7f\x7f" + raw)
    with pytest.raises(CorruptFlacError, match="ID3"):
        parse_head(b"ID3\x04")


HOSTILE = {
    "empty": b"",
    "not FLAC": b"RIFF1234",
    "ogg": b"OggS" + bytes(40),
    "marker only": b"fLaC",
    "no streaminfo": b"fLaC" + block(4, comments(), last=True),
    "late streaminfo": b"fLaC" + block(1, b"") + block(0, RAW_INFO, last=True),
    "two streaminfos": b"fLaC" + block(0, RAW_INFO) + block(0, RAW_INFO, last=True),
    "never last": b"fLaC" + block(0, RAW_INFO),
    "length behind the end": b"fLaC" + block(0, RAW_INFO) + b"\x84\xff\xff\xff",
    "forbidden type": b"fLaC" + block(0, RAW_INFO) + block(127, b"", last=True),
    "vendor too long": b"fLaC" + block(0, RAW_INFO) + block(4, b"\xff\xff\xff\xff", last=True),
    "count too large": b"fLaC"
    + block(0, RAW_INFO)
    + block(4, b"\0\0\0\0\xff\xff\xff\xff", last=True),
    "comment too long": b"fLaC"
    + block(0, RAW_INFO)
    + block(4, b"\0\0\0\0\1\0\0\0\xff\xff\xff\x7f", last=True),
    "no equals sign": b"fLaC" + block(0, RAW_INFO) + block(4, comments(b"abc"), last=True),
    "bad UTF-8": b"fLaC" + block(0, RAW_INFO) + block(4, comments(b"a=\xff"), last=True),
    "left-over bytes": b"fLaC" + block(0, RAW_INFO) + block(4, comments(b"a=b") + b"x", last=True),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_heads(name):
    with pytest.raises(CorruptFlacError) as caught:
        parse_head(HOSTILE[name])
    assert isinstance(caught.value, ValueError)


def test_truncated_at_every_byte():
    raw = pack_head(INFO, {"GEOSPATIAL_DTYPE": "uint16"}, "zarr-flac")
    for end in range(len(raw)):
        with pytest.raises(CorruptFlacError):
            parse_head(raw[:end])


@given(st.binary(max_size=200))
def test_any_bytes_parse_or_are_refused(data):
    for start in (b"", b"fLaC", bare_head(INFO), b"fLaC" + block(0, RAW_INFO)):
        try:
            head = parse_head(start + data)
        except FlacError:
            continue
        assert head.frames_offset <= len(start + data)


def test_pack_refuses_what_cannot_be_parsed():
    for key in ("", "a=b", "ä", "a\n"):
        with pytest.raises(ConfigurationError):
            pack_head(INFO, {key: ""}, "")
    with pytest.raises(ConfigurationError):
        pack_head(INFO, {"A": "\ud800"}, "")
    with pytest.raises(ConfigurationError, match="16777215"):
        pack_head(INFO, {"A": "x" * 2**24}, "")


def test_any_buffer():
    raw = bare_head(INFO)
    for buffer in (raw, bytearray(raw), memoryview(raw), memoryview(bytearray(raw))):
        assert parse_head(buffer).streaminfo == INFO


@pytest.mark.parametrize("tag", [b"", b"ID3\x04\0\0\0\0\0\x0a" + b"x" * 10])
def test_a_cut_head_says_how_many_bytes_more_would_tell(tag):
    info, _ = STREAMINFO_CASES[0]
    head = tag + pack_head(info, {"A": "b" * 300}, "v")
    assert head_end(head) == head_end(head + b"frames") == len(head)
    for length in range(len(head)):
        assert length < head_end(head[:length]) <= len(head) + 4
    with pytest.raises(CorruptFlacError, match="not FLAC"):
        head_end(tag + b"RIFF")
