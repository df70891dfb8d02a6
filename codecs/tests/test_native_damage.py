"""Damaged and impossible streams: refused where libFLAC refuses, or stricter. Never other samples.

Each rule is broken alone, with the checksums put right again, so that nothing else can tell.
"""

from dataclasses import replace

import bitwriter as bw
import numpy as np
import oracle
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from native_decoding import decode, run_all

from zarr_flac import FlacError
from zarr_flac.blocks import parse_head

SLOPE = bw.Coding("lpc", order=2, coefficients=(16, -8), precision=6, shift=3)
FIXED = bw.Coding("fixed", order=2, partition_order=2)


def mono(kind, *codings, frames=1, size=16, bits=16, **options):
    made = tuple(
        bw.Frame(bw.texture(kind, 1, size, bits, at).tolist(), codings) for at in range(frames)
    )
    return bw.Stream(made, bits_per_sample=bits, **options)


def pair(stereo, *codings, frames=1):
    made = tuple(
        bw.Frame(bw.texture("smooth", 2, 16, 16, at).tolist(), codings, stereo)
        for at in range(frames)
    )
    return bw.Stream(made)


SMALL = {
    "constant": mono("constant", bw.Coding("constant"), frames=2),
    "verbatim": mono("noise", bw.Coding("verbatim")),
    "fixed": mono("smooth", FIXED, frames=2),
    "lpc": mono("smooth", SLOPE, frames=2),
    "escape": mono("small", bw.Coding(escapes=(None, 0), partition_order=1), frames=2),
    "wasted": mono("constant", bw.Coding("verbatim", wasted=9)),
    "24 bits": mono("noise", bw.Coding("fixed", method=1), bits=24),
    "13 bits": mono("noise", bw.Coding("fixed"), bits=13),
    "mid and side": pair(bw.MID_SIDE, FIXED, frames=2),
    "left and side": pair(bw.LEFT_SIDE, SLOPE),
    "variable": mono("smooth", FIXED, frames=2, variable=True),
    "no total": mono("smooth", FIXED, frames=2, known_total=False),
    "no MD5": mono("smooth", FIXED, frames=2, known_md5=False),
}
# Enough frames of enough samples for the decoder to take several at once.
LARGE = {
    "fixed": mono("smooth", FIXED, frames=11, size=64),
    "lpc": mono("smooth", SLOPE, frames=9, size=64),
    "runs": mono(
        "runs", bw.Coding(order=1, escapes=(None, 0), partition_order=2), frames=9, size=64
    ),
}


def verdicts(data, shape):
    """Decode damaged data in all ways; return the samples, or None where it is refused."""
    try:
        head = parse_head(data)
        result = decode(data, *shape)
    except FlacError:
        result = None
        try:
            head = parse_head(data)
        except FlacError:
            return None
        if head.streaminfo.channels != shape[0]:
            return None
    run_all(data, head, shape)
    return result


def right_or_refused(data, expected, *, judged=True):
    """Damaged data gives an error or the very samples, and an error wherever libFLAC gives one."""
    result = verdicts(data, expected.shape)
    if result is None:
        return
    np.testing.assert_array_equal(result, expected)
    if judged:
        verdict = oracle.judge(data)
        assert verdict.samples is not None, verdict.errors
        assert not verdict.errors
        np.testing.assert_array_equal(verdict.samples, expected)


@pytest.mark.parametrize("name", SMALL)
def test_cut_at_every_byte(name):
    stream = SMALL[name]
    data = bytes(stream)
    for end in range(len(data)):
        with pytest.raises(FlacError):
            decode(data[:end], *stream.samples.shape)


@pytest.mark.parametrize("name", SMALL)
def test_every_bit_flipped(name):
    stream = SMALL[name]
    data = bytes(stream)
    for bit in range(8 * len(data)):
        changed = bytearray(data)
        changed[bit // 8] ^= 0x80 >> bit % 8
        # In STREAMINFO libFLAC lets other things pass: judged from the first frame on.
        right_or_refused(changed, stream.samples, judged=bit >= 8 * len(stream.head()))


@pytest.mark.parametrize("name", LARGE)
def test_every_bit_of_a_group_of_frames_flipped(name):
    stream = LARGE[name]
    data = bytes(stream)
    for bit in range(8 * len(stream.head()), 8 * len(data)):
        changed = bytearray(data)
        changed[bit // 8] ^= 0x80 >> bit % 8
        assert verdicts(changed, stream.samples.shape) is None


@pytest.mark.parametrize("name", LARGE)
def test_a_group_of_frames_cut_at_every_byte(name):
    stream = LARGE[name]
    data = bytes(stream)
    for end in range(len(stream.head()), len(data)):
        assert verdicts(data[:end], stream.samples.shape) is None


@given(bw.streams(frames=st.integers(2, 12)), st.data())
@settings(max_examples=60, suppress_health_check=list(HealthCheck))
def test_frames_overwritten(stream, data):
    whole = bytes(stream)
    start = data.draw(st.integers(len(stream.head()), len(whole)))
    stop = data.draw(st.integers(start, len(whole)))
    filling = data.draw(st.binary(max_size=40))
    right_or_refused(whole[:start] + filling + whole[stop:], stream.samples, judged=False)


# --- One rule broken ------------------------------------------------------------------------------

WITH_WASTED = bw.Coding("verbatim", wasted=4)
BROKEN = {
    "no sync code": ({"sync": 0x3FFC}, FIXED),
    "reserved bit behind the sync code": ({"reserved_1": 1}, FIXED),
    "reserved block size": ({"block_size_code": 0}, FIXED),
    "reserved sample rate": ({"sample_rate_code": 15}, FIXED),
    "reserved channels": ({"channel_code": 11}, FIXED),
    "more reserved channels": ({"channel_code": 15}, FIXED),
    "reserved depth": ({"depth_code": 3}, FIXED),
    "reserved bit before the number": ({"reserved_2": 1}, FIXED),
    "number of no length": ({"number_octet": 0x80}, FIXED),
    "number of eight bytes": ({"number_octet": 0xFF}, FIXED),
    "number cut short": ({"number_octet": 0xC2}, FIXED),
    "another depth": ({"depth_code": 1}, FIXED),
    "another block size": ({"block_size": 14}, FIXED),
    "block size of 65,536": ({"block_size_code": 7, "block_size": 65535}, FIXED),
    "CRC-8": ({"crc8": lambda value: value ^ 1}, FIXED),
    "CRC-16": ({"crc16": lambda value: value ^ 0x8000}, FIXED),
    "subframe's first bit": ({"subframe_pad": 1}, FIXED),
    **{f"reserved subframe {code}": ({"subframe_type": code}, FIXED) for code in (*range(2, 8),)},
    **{f"reserved order {code}": ({"subframe_type": code}, FIXED) for code in range(13, 32)},
    "order above the block size": ({"subframe_type": 31 + 17}, SLOPE),
    "all bits wasted": ({"wasted": 15}, WITH_WASTED),
    "more bits wasted than there are": ({"wasted": 99}, WITH_WASTED),
    "precision of 16": ({"precision": 15}, SLOPE),
    "negative shift": ({"shift": -1}, SLOPE),
    "most negative shift": ({"shift": 16}, SLOPE),
    "reserved coding method 2": ({"rice_method": 2}, FIXED),
    "reserved coding method 3": ({"rice_method": 3}, FIXED),
    "partitions that do not divide": ({"partition_order": 5}, FIXED),
    "too many partitions": ({"partition_order": 15}, FIXED),
    "partition smaller than the order": (
        {"partition_order": 4},
        bw.Coding("fixed", 2, partition_order=0),
    ),
}


@pytest.mark.parametrize("name", BROKEN)
@pytest.mark.parametrize("count", [1, 9])
def test_broken_rule(name, count):
    """As the only frame, and as each one of several that are decoded together."""
    breaks, coding = BROKEN[name]
    size = 16 if count == 1 else 64
    if "above" in name and count > 1:
        pytest.skip("no order is above this block size")
    kind = "constant" if coding is WITH_WASTED else "smooth"
    values = bw.texture(kind, 1, size, 16, 3) // 16 * 16
    good = bw.Frame(values.tolist(), (coding,))
    if name.startswith("partition") and count > 1:
        breaks = {"partition_order": breaks["partition_order"] + 2}
    if name == "another block size":
        good = replace(good, block_size_bits=8)
    for at in range(count):
        frames = [good] * count
        frames[at] = replace(good, breaks=breaks)
        stream = bw.Stream(tuple(frames), known_md5=False)
        data = bytes(stream)
        assert verdicts(data, stream.samples.shape) is None
        verdict = oracle.judge(data)
        same = verdict.samples is not None and verdict.samples.shape == stream.samples.shape
        if verdict.accepted and same:
            # Where libFLAC lets it pass, it must be known that it does.
            assert name in STRICTER, "stricter than libFLAC"


STRICTER = {
    "reserved bit behind the sync code",
    "reserved bit before the number",
    "number cut short",
    "partition smaller than the order",
    "another depth",
}


@pytest.mark.parametrize("count", [1, 9])
def test_padding_bits_that_are_not_zero(count):
    values = [[1, 2, 3, 4, 5, 6, 7] * 10]
    coding = bw.Coding("fixed", 0, deltas=(1,))
    good = bw.Frame(values, (coding,))
    bad = replace(good, breaks={"padding": 1})
    stream = bw.Stream((good,) * (count - 1) + (bad,))
    if bytes(stream) == bytes(bw.Stream((good,) * count)):
        pytest.skip("no padding in this frame")
    right_or_refused(bytes(stream), stream.samples, judged=False)


@pytest.mark.parametrize("at", [0, 3, 8])
@pytest.mark.parametrize("bits", [8, 16, 24])
@pytest.mark.parametrize("coding", [FIXED, SLOPE, bw.Coding("fixed", 1)], ids=["2", "lpc", "1"])
def test_samples_that_leave_their_depth(at, bits, coding):
    """The prediction is right, its result is not: the writer was fed with larger samples."""
    good = bw.Frame(bw.texture("smooth", 1, 64, bits, 1).tolist(), (coding,))
    values = np.array(good.samples)
    values[0, 20:] = 1 << (bits - 1)  # one more than the largest
    bad = replace(good, samples=values.tolist())
    frames = [good] * 9
    frames[at] = bad
    data = bytes(bw.Stream(tuple(frames), bits_per_sample=bits, known_md5=False))
    assert verdicts(data, (1, 9 * 64)) is None


@pytest.mark.parametrize("at", [0, 3, 8])
@pytest.mark.parametrize("quotient", [(1 << 18) - 1, 1 << 18, (1 << 18) + 3])
def test_residuals_that_leave_32_bits(at, quotient):
    """With a Rice parameter of 14, a quotient of 2**18 - 1 is the last one that may be."""
    coding = bw.Coding("fixed", 0, deltas=(13,))
    good = bw.Frame([[0, 2] * 32], (coding,))
    remainders = []

    def far_out(change):
        def once(value):
            remainders.append(value)
            return change if len(remainders) == 7 else value

        return once

    def stream(breaks):
        remainders.clear()
        frames = [good] * 9
        frames[at] = replace(good, breaks=breaks)
        return bytes(bw.Stream(tuple(frames), bits_per_sample=32, known_md5=False))

    data = stream({"quotient": far_out(quotient), "parameter": lambda value: _is(value, 14)})
    result = verdicts(data, (1, 9 * 64))
    if quotient >> 18:
        assert result is None
    else:
        assert result[0, at * 64 + 6] == ((1 << 18) - 1) << 13
        # With all bits of the remainder set it would be -2**31, which RFC 9639 leaves out.
        both = {"quotient": far_out(quotient), "remainder": lambda value: (1 << 14) - 1}
        assert verdicts(stream(both), (1, 9 * 64)) is None


def _is(value, wanted):
    assert value == wanted
    return value


@pytest.mark.parametrize("variable", [False, True])
@pytest.mark.parametrize("known", [True, False])
@pytest.mark.parametrize("size", [16, 64])
@pytest.mark.parametrize("order", ["0134", "124", "02134", "011234", "01243", "43210", "01234012"])
def test_frames_missing_or_out_of_place(variable, known, size, order):
    stream = mono("smooth", FIXED, frames=12, size=size, variable=variable, known_total=known)
    parts = stream.frame_bytes()
    numbers = [int(digit) for digit in order] + list(range(5, 12))
    data = stream.head() + b"".join(parts[number] for number in numbers)
    assert verdicts(data, stream.samples.shape) is None


@pytest.mark.parametrize("size", [16, 64])
def test_kinds_of_numbers_mixed(size):
    fixed = mono("smooth", FIXED, frames=9, size=size)
    variable = replace(fixed, variable=True)
    parts = fixed.frame_bytes()[:4] + variable.frame_bytes()[4:]
    assert verdicts(fixed.head() + b"".join(parts), fixed.samples.shape) is None


@pytest.mark.parametrize("size", [16, 64])
def test_a_frame_of_other_channels_or_depth(size):
    stream = mono("smooth", FIXED, frames=9, size=size)
    two = bw.Frame(bw.texture("smooth", 2, size, 16, 4).tolist())
    deep = bw.Frame(bw.texture("smooth", 1, size, 16, 4).tolist())
    parts = stream.frame_bytes()
    for frame, depth in ((two, 16), (deep, 24)):
        other = bw.write_frame(frame, depth, 4, variable=False)
        data = stream.head() + b"".join([*parts[:4], other, *parts[5:]])
        assert verdicts(data, stream.samples.shape) is None


def test_wrong_totals():
    stream = mono("smooth", FIXED, frames=9, size=64)
    for total in (1, 63, 64, 9 * 64 - 1, 9 * 64 + 1, 10 * 64):
        with pytest.raises(FlacError):
            decode(bytes(stream), 1, total)
        lying = replace(stream, streaminfo={"total_samples": total})
        with pytest.raises(FlacError):
            decode(bytes(lying), 1, 9 * 64)
    unknown = replace(stream, known_total=False)
    for total in (64, 8 * 64):  # there is more than was asked for
        with pytest.raises(FlacError):
            decode(bytes(unknown), 1, total)
