"""Write FLAC streams that no encoder writes: every corner of RFC 9639, and each rule broken alone.

A `Stream` is a list of `Frame`; a frame holds samples and says how each channel is to be coded
(`Coding`). What is asked for and cannot be done exactly (a constant subframe for samples that
differ, a residual that leaves 32 bits) is replaced by the nearest that can, so that every stream
without `breaks` is valid and decodes to the samples it was made of.

`breaks` of a frame puts something else into a field on its way to the bytes: ``{"crc16": 0}`` or
``{"shift": lambda value: value | 16}``. The field names are the first arguments of `_Bits.field`.

Slow and plain on purpose: whole numbers of Python, no cleverness shared with any decoder.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cache, cached_property

import numpy as np
from hypothesis import strategies as st

Break = int | Callable[[int], int]

INDEPENDENT, LEFT_SIDE, SIDE_RIGHT, MID_SIDE = "independent", "left_side", "side_right", "mid_side"
STEREO_CODES = {LEFT_SIDE: 8, SIDE_RIGHT: 9, MID_SIDE: 10}

# Block sizes and depths that have a code of their own in the frame header (RFC 9639 9.1.1, 9.1.4).
BLOCK_SIZE_CODES = (
    {192: 1} | {576 << i: 2 + i for i in range(4)} | {256 << i: 8 + i for i in range(8)}
)
DEPTH_CODES = {8: 1, 12: 2, 16: 4, 20: 5, 24: 6, 32: 7}

# Longest run of zeros that a Rice code may ask for here; RFC 9639 sets no limit below 2**32.
LONGEST_UNARY = 1 << 13


@dataclass(frozen=True, slots=True)
class Coding:
    """How one channel of a frame is to be coded."""

    kind: str = "fixed"
    """constant, verbatim, fixed or lpc."""
    order: int = 0
    """Of the predictor: 0 to 4 for fixed, 1 to 32 for lpc."""
    coefficients: tuple[int, ...] = ()
    """Of lpc, the newest sample's first; filled up with zeros."""
    precision: int = 15
    """Bits of a coefficient, 1 to 15."""
    shift: int = 0
    """Of the prediction, 0 to 15."""
    wasted: int = 0
    """Most zero bits to leave away at the low end."""
    method: int = 0
    """Rice parameters of 4 (0) or 5 bits (1)."""
    partition_order: int = 0
    """0 to 15."""
    deltas: tuple[int, ...] = (0,)
    """Added to the best Rice parameter of each partition in turn."""
    escapes: tuple[int | None, ...] = (None,)
    """Partitions to store plainly: None for Rice, else how many bits more than needed."""


@dataclass(frozen=True, slots=True)
class Frame:
    """Samples of all channels, and how they are to be coded."""

    samples: Sequence[Sequence[int]]
    codings: tuple[Coding, ...] = (Coding(),)
    """One for each channel, in turn."""
    stereo: str = INDEPENDENT
    block_size_bits: int = 0
    """8 or 16 writes the block size out, 0 uses a code where there is one."""
    depth_in_header: bool = True
    """False refers to STREAMINFO."""
    sample_rate_code: int = 9
    breaks: Mapping[str, Break] = field(default_factory=dict)

    @property
    def block_size(self) -> int:
        return len(self.samples[0])


@dataclass(frozen=True)
class Stream:
    """Frames and what stands in front of them."""

    frames: tuple[Frame, ...]
    bits_per_sample: int = 16
    variable: bool = False
    """Frame headers count samples instead of frames."""
    first_number: int = 0
    """Frames (or samples) before the first one: a bare run need not start at 0."""
    known_total: bool = True
    known_md5: bool = True
    id3: bytes | None = None
    """Body of an ID3v2 tag in front."""
    blocks: tuple[tuple[int, bytes], ...] = ()
    """Metadata blocks behind STREAMINFO: (type, body)."""
    tail: bytes = b""
    streaminfo: Mapping[str, int | bytes] = field(default_factory=dict)
    """Fields of STREAMINFO to write otherwise than they are."""

    @property
    def channels(self) -> int:
        return len(self.frames[0].samples)

    @property
    def samples(self) -> np.ndarray:
        """What a decoder must give: int32 of shape (channel, sample)."""
        parts = [np.array(frame.samples, np.int64).astype(np.int32) for frame in self.frames]
        return np.concatenate(parts, axis=1)

    @property
    def facts(self) -> dict[str, int | bytes]:
        """The fields of STREAMINFO."""
        sizes = [frame.block_size for frame in self.frames]
        # The last block may be shorter than the smallest, which cannot be under 16 (RFC 9639 8.2).
        smallest = max(16, min(sizes[:-1] or sizes)) if self.variable else max(16, *sizes)
        facts = {
            "min_block_size": smallest,
            "max_block_size": max(16, *sizes),
            "min_frame_size": 0,
            "max_frame_size": 0,
            "sample_rate": 44100,
            "channels": self.channels,
            "bits_per_sample": self.bits_per_sample,
            "total_samples": sum(sizes) if self.known_total else 0,
            "md5": md5(self.samples, self.bits_per_sample) if self.known_md5 else bytes(16),
        }
        return facts | dict(self.streaminfo)

    def head(self) -> bytes:
        tag = b""
        if self.id3 is not None:
            size = len(self.id3)
            synchsafe = bytes(size >> 7 * i & 0x7F for i in (3, 2, 1, 0))
            tag = b"ID3\x04\x00\x00" + synchsafe + self.id3
        blocks = [(0, pack_streaminfo(self.facts)), *self.blocks]
        return (
            tag
            + b"fLaC"
            + b"".join(
                bytes([kind | 0x80 * (at == len(blocks) - 1)]) + len(body).to_bytes(3, "big") + body
                for at, (kind, body) in enumerate(blocks)
            )
        )

    def frame_bytes(self) -> list[bytes]:
        return list(self._parts)

    @cached_property
    def _parts(self) -> list[bytes]:
        number = self.first_number
        parts = []
        for frame in self.frames:
            parts.append(write_frame(frame, self.bits_per_sample, number, variable=self.variable))
            number += frame.block_size if self.variable else 1
        return parts

    def __bytes__(self) -> bytes:
        return self.head() + b"".join(self.frame_bytes()) + self.tail


def pack_streaminfo(facts: Mapping[str, int | bytes]) -> bytes:
    """Write the 34 bytes of STREAMINFO from its fields, whatever their values."""
    bits = _Bits({})
    widths = {
        "min_block_size": 16, "max_block_size": 16, "min_frame_size": 24, "max_frame_size": 24,
        "sample_rate": 20, "channels": 3, "bits_per_sample": 5, "total_samples": 36,
    }  # fmt: skip
    for name, width in widths.items():
        value = int(facts[name]) - (name in ("channels", "bits_per_sample"))
        bits.field(name, value, width)
    return bits.to_bytes() + bytes(facts["md5"])


def md5(samples: np.ndarray, bits_per_sample: int) -> bytes:
    """MD5 of interleaved samples, each in as few whole bytes as hold it (RFC 9639 8.2)."""
    width = -(-bits_per_sample // 8)
    octets = np.ascontiguousarray(samples.T.astype("<i4")).view("u1").reshape(-1, 4)[:, :width]
    return hashlib.md5(octets.tobytes()).digest()


# --- One frame ------------------------------------------------------------------------------------


def write_frame(frame: Frame, bits_per_sample: int, number: int, *, variable: bool) -> bytes:
    """Write one frame, header to CRC-16."""
    bits = _Bits(frame.breaks)
    _put_header(bits, frame, bits_per_sample, number, variable=variable)
    bits.field("crc8", crc8(bits.to_bytes()), 8)
    for at, (values, depth) in enumerate(_subframes(frame, bits_per_sample)):
        _put_subframe(bits, values, depth, frame.codings[at % len(frame.codings)])
    bits.field("padding", 0, -bits.count % 8)
    bits.field("crc16", crc16(bits.to_bytes()), 16)
    return bits.to_bytes()


def _put_header(
    bits: _Bits, frame: Frame, bits_per_sample: int, number: int, *, variable: bool
) -> None:
    size = frame.block_size
    size_code = BLOCK_SIZE_CODES.get(size, 0)
    if frame.block_size_bits or not size_code:
        size_code = 6 if size <= 256 and frame.block_size_bits != 16 else 7
    depth_code = DEPTH_CODES.get(bits_per_sample, 0) if frame.depth_in_header else 0
    bits.field("sync", 0x3FFE, 14)
    bits.field("reserved_1", 0, 1)
    bits.field("variable", int(variable), 1)
    bits.field("block_size_code", size_code, 4)
    bits.field("sample_rate_code", frame.sample_rate_code, 4)
    bits.field("channel_code", STEREO_CODES.get(frame.stereo, len(frame.samples) - 1), 4)
    bits.field("depth_code", depth_code, 3)
    bits.field("reserved_2", 0, 1)
    for octet in coded_number(bits.changed("number", number)):
        bits.field("number_octet", octet, 8)
    if size_code in (6, 7):
        bits.field("block_size", size - 1, 8 if size_code == 6 else 16)
    if frame.sample_rate_code in (12, 13, 14):
        bits.field("sample_rate", 44, 8 if frame.sample_rate_code == 12 else 16)


def coded_number(number: int) -> bytes:
    """Code a frame or sample number as UTF-8 codes a character, in up to 7 bytes."""
    if number < 0x80:
        return bytes([number])
    length = next(n for n in range(2, 8) if number < 1 << (5 * n + 1))
    first = (0xFF << (8 - length) & 0xFF) | (number >> 6 * (length - 1))
    return bytes([first, *(0x80 | number >> 6 * i & 0x3F for i in range(length - 2, -1, -1))])


def _subframes(frame: Frame, bits_per_sample: int) -> list[tuple[list[int], int]]:
    """Values and depth of each subframe: what stereo makes of the channels."""
    planes = [[int(value) for value in plane] for plane in frame.samples]
    if frame.stereo == INDEPENDENT:
        return [(plane, bits_per_sample) for plane in planes]
    left, right = planes
    side = [a - b for a, b in zip(left, right, strict=True)]
    mid = [(a + b) >> 1 for a, b in zip(left, right, strict=True)]
    wide = bits_per_sample + 1
    return {
        LEFT_SIDE: [(left, bits_per_sample), (side, wide)],
        SIDE_RIGHT: [(side, wide), (right, bits_per_sample)],
        MID_SIDE: [(mid, bits_per_sample), (side, wide)],
    }[frame.stereo]


def _put_subframe(bits: _Bits, values: list[int], depth: int, coding: Coding) -> None:
    wasted = min(coding.wasted, _common_zeros(values), depth - 1)
    values = [value >> wasted for value in values]
    depth -= wasted
    coding, residual = _feasible(values, coding)
    code = {
        "constant": 0, "verbatim": 1, "fixed": 8 + coding.order, "lpc": 31 + coding.order
    }[coding.kind]  # fmt: skip
    bits.field("subframe_pad", 0, 1)
    bits.field("subframe_type", code, 6)
    bits.field("has_wasted", int(wasted > 0), 1)
    if wasted:
        bits.unary("wasted", wasted - 1)
    if coding.kind == "constant":
        bits.field("constant", values[0], depth)
        return
    if coding.kind == "verbatim":
        for value in values:
            bits.field("verbatim", value, depth)
        return
    for value in values[: coding.order]:
        bits.field("warm_up", value, depth)
    if coding.kind == "lpc":
        bits.field("precision", coding.precision - 1, 4)
        bits.field("shift", coding.shift, 5)
        for coefficient in coding.coefficients:
            bits.field("coefficient", coefficient, coding.precision)
    _put_residual(bits, residual, len(values), coding)


def _feasible(values: list[int], coding: Coding) -> tuple[Coding, list[int]]:
    """Return the nearest coding that holds the values exactly, and its residual."""
    if coding.kind == "constant" and len(set(values)) > 1:
        coding = replace(coding, kind="verbatim")
    if coding.kind in ("constant", "verbatim"):
        return coding, []
    # RFC 9639 9.2.7 wants a partition larger than the order; block sizes have a smallest order 0.
    order = min(coding.order, 4 if coding.kind == "fixed" else 32, len(values) - 1)
    if coding.kind == "lpc" and order < 1:
        coding = replace(coding, kind="fixed")
    partition_order = coding.partition_order
    while partition_order and (
        len(values) % (1 << partition_order) or len(values) >> partition_order <= order
    ):
        partition_order -= 1
    coding = replace(coding, order=order, partition_order=partition_order)
    if coding.kind == "lpc":
        top = 1 << (coding.precision - 1)
        wanted = (*coding.coefficients, *[0] * order)[:order]
        kept = tuple(min(max(value, -top), top - 1) for value in wanted)
        coding = replace(coding, coefficients=kept)
        weights, shift = kept, coding.shift
    else:
        weights, shift = FIXED[order], 0
    residual = _residual(values, weights, shift)
    if any(not -(1 << 31) < value < 1 << 31 for value in residual):
        return replace(coding, kind="verbatim"), []
    if _signed_width(residual) > 31:
        # No escape holds these, and with parameters of 4 bits a frame would take many MiB.
        coding = replace(coding, method=1)
    return coding, residual


FIXED = ((), (1,), (2, -1), (3, -3, 1), (4, -6, 4, -1))


def _residual(values: list[int], weights: Sequence[int], shift: int) -> list[int]:
    order = len(weights)
    backwards = weights[::-1]
    return [
        values[at]
        - (sum(w * v for w, v in zip(backwards, values[at - order : at], strict=True)) >> shift)
        for at in range(order, len(values))
    ]


def _put_residual(bits: _Bits, residual: list[int], block_size: int, coding: Coding) -> None:
    partitions = 1 << coding.partition_order
    size = block_size >> coding.partition_order
    width, escape = (4, 15) if coding.method == 0 else (5, 31)
    bits.field("rice_method", coding.method, 2)
    bits.field("partition_order", coding.partition_order, 4)
    at = 0
    for index in range(partitions):
        stop = size * (index + 1) - coding.order
        part, at = residual[at:stop], stop
        needed = _signed_width(part)
        extra = coding.escapes[index % len(coding.escapes)]
        folded = [value << 1 if value >= 0 else -value * 2 - 1 for value in part]
        most = max(folded, default=0)
        mean = sum(folded) // len(folded) if folded else 0
        best = max(mean.bit_length() - 1, 0)
        parameter = best + coding.deltas[index % len(coding.deltas)]
        parameter = max(parameter, (most // LONGEST_UNARY).bit_length(), 0)
        if (extra is not None or parameter >= escape) and needed <= 31:
            bits.field("parameter", escape, width)
            wide = min(needed + (extra or 0), 31)
            bits.field("escape_width", wide, 5)
            for value in part:
                bits.field("escaped", value, wide)
            continue
        parameter = min(parameter, escape - 1)
        bits.field("parameter", parameter, width)
        for value in folded:
            bits.unary("quotient", value >> parameter)
            bits.field("remainder", value, parameter)


def _signed_width(values: list[int]) -> int:
    """Bits that hold all values in two's complement; 0 for nothing but zeros."""
    if not any(values):
        return 0
    return 1 + max((value if value >= 0 else ~value).bit_length() for value in values)


def _common_zeros(values: list[int]) -> int:
    merged = 0
    for value in values:
        merged |= value
    return (merged & -merged).bit_length() - 1 if merged else 0


class _Bits:
    """Bits in a row, most significant first; `breaks` may change a field on its way in."""

    __slots__ = ("breaks", "count", "parts")

    def __init__(self, breaks: Mapping[str, Break]) -> None:
        self.breaks = breaks
        self.parts: list[str] = []
        self.count = 0

    def changed(self, name: str, value: int) -> int:
        change = self.breaks.get(name)
        if change is None:
            return value
        return change(value) if callable(change) else change

    def field(self, name: str, value: int, width: int) -> None:
        """Put a number in two's complement (or without a sign) into `width` bits."""
        if self.breaks:
            value = self.changed(name, value)
        if width:
            self.parts.append(f"{value & (1 << width) - 1:0{width}b}")
            self.count += width

    def unary(self, name: str, value: int) -> None:
        """Put as many zeros as `value` says, then a one."""
        if self.breaks:
            value = self.changed(name, value)
        self.parts.append("0" * value + "1")
        self.count += value + 1

    def to_bytes(self) -> bytes:
        """Return what is there so far, which must be whole bytes."""
        text = "".join(self.parts)
        self.parts = [text]
        size, rest = divmod(len(text), 8)
        assert not rest, "bits are left over"
        return int(text, 2).to_bytes(size, "big") if text else b""


# --- Checksums ------------------------------------------------------------------------------------


@cache
def _table(polynomial: int, width: int) -> list[int]:
    top, mask = 1 << (width - 1), (1 << width) - 1
    table = []
    for octet in range(256):
        value = octet << (width - 8)
        for _ in range(8):
            value = ((value << 1) ^ (polynomial if value & top else 0)) & mask
        table.append(value)
    return table


def crc8(data: bytes) -> int:
    """CRC of frame headers: x^8 + x^2 + x + 1."""
    table, value = _table(0x07, 8), 0
    for octet in data:
        value = table[value ^ octet]
    return value


def crc16(data: bytes) -> int:
    """CRC of frames: x^16 + x^15 + x^2 + 1."""
    table, value = _table(0x8005, 16), 0
    for octet in data:
        value = (value << 8 & 0xFFFF) ^ table[value >> 8 ^ octet]
    return value


def with_new_crcs(frame: bytes | bytearray, header_size: int) -> bytes:
    """Return a frame whose CRC-8 (behind `header_size` bytes) and CRC-16 are right again."""
    mended = bytearray(frame)
    mended[header_size] = crc8(bytes(mended[:header_size]))
    mended[-2:] = crc16(bytes(mended[:-2])).to_bytes(2, "big")
    return bytes(mended)


# --- Hypothesis -----------------------------------------------------------------------------------

TEXTURES = ("noise", "small", "smooth", "constant", "runs", "extremes", "ramp")


def texture(kind: str, channels: int, count: int, bits: int, seed: int) -> np.ndarray:
    """Make samples of some character: int64 of shape (channel, sample), fitting `bits`."""
    random = np.random.default_rng(seed)
    low, high = -(1 << (bits - 1)), (1 << (bits - 1)) - 1
    shape = (channels, count)
    if kind == "constant":
        planes = np.broadcast_to(random.integers(low, high, (channels, 1), endpoint=True), shape)
    elif kind == "small":
        middle = random.integers(low, high, endpoint=True)
        planes = middle + random.integers(-4, 5, shape)
    elif kind == "smooth":
        time = np.arange(count) / random.uniform(3, 200) + np.arange(channels)[:, None] / 9
        planes = np.sin(time) * high * random.uniform(0, 1) + random.normal(0, 2, shape)
        planes = np.rint(planes).astype(np.int64)
    elif kind == "runs":  # nodata in one value, pixels around another
        inside = np.cumsum(random.random(shape) < 0.03, axis=1) % 2 == 1
        planes = np.where(inside, random.integers(-50, 50, shape), low)
    elif kind == "extremes":
        planes = random.choice([low, high, 0, -1], shape)
    elif kind == "ramp":
        planes = low + np.arange(count) * int(random.integers(1, 9)) % (high - low + 1)
        planes = np.broadcast_to(planes, shape)
    else:
        planes = random.integers(low, high, shape, endpoint=True)
    return np.clip(planes, low, high)


@st.composite
def codings(draw: st.DrawFn) -> Coding:
    """Any way to code a channel."""
    kind = draw(st.sampled_from(["fixed", "lpc", "lpc", "constant", "verbatim"]))
    method = draw(st.integers(0, 1))
    common = {
        "kind": kind,
        "wasted": draw(st.sampled_from([0, 0, 1, 2, 40])),
        "method": method,
        "partition_order": draw(st.sampled_from([0, 0, 1, 2, 3, 4, 8, 15])),
        "deltas": draw(st.tuples(*[st.integers(-3, 6)] * 3) | st.just((0,))),
        "escapes": draw(
            st.just((None,)) | st.lists(st.none() | st.integers(0, 3), min_size=1, max_size=4)
        ),
    }
    common["escapes"] = tuple(common["escapes"])
    if kind == "fixed":
        return Coding(order=draw(st.integers(0, 4)), **common)
    if kind != "lpc":
        return Coding(**common)
    precision = draw(st.integers(1, 15))
    order = draw(st.integers(1, 32) | st.sampled_from([1, 2, 8, 12, 32]))
    top = 1 << (precision - 1)
    if draw(st.booleans()):  # carries on the last slope, which suits any smooth channel
        shift = max(precision - 2, 0)
        one = min(1 << shift, top - 1)
        taps = (2 * one, -one) if 2 * one < top else (one,)
    else:
        shift = draw(st.integers(0, 15))
        seed = draw(st.integers(0, 2**32 - 1))
        taps = tuple(np.random.default_rng(seed).integers(-top, top, order).tolist())
    return Coding(order=order, coefficients=taps, precision=precision, shift=shift, **common)


BLOCK_SIZES = st.integers(1, 80) | st.sampled_from([15, 16, 17, 64, 128, 192, 255, 256, 257, 576])
LARGE_BLOCK_SIZES = st.sampled_from([1000, 1152, 2048, 4096, 4608, 5000, 16384, 32768, 65535])


@st.composite
def streams(
    draw: st.DrawFn,
    *,
    sizes: st.SearchStrategy[int] = BLOCK_SIZES,
    frames: st.SearchStrategy[int] | None = None,
    bits: st.SearchStrategy[int] | None = None,
    channels: st.SearchStrategy[int] | None = None,
) -> Stream:
    """Any valid stream."""
    if bits is None:
        bits = st.integers(4, 32) | st.sampled_from([8, 12, 16, 24, 32])
    if frames is None:
        frames = st.integers(1, 3) | st.integers(1, 20)
    if channels is None:
        channels = st.sampled_from([1, 1, 2, 2, 3, 8])
    depth, columns, count = draw(bits), draw(channels), draw(frames)
    variable = draw(st.booleans())
    size = draw(sizes)
    # Only the last block may have fewer than 16 samples (RFC 9639 8.2), though among blocks of
    # different sizes nobody minds. A single one may be as long as it likes.
    if count > 1:
        size = max(size, 16)
    lengths = [size] * (count - 1) + [draw(st.integers(1, size)) if draw(st.booleans()) else size]
    if variable:
        lengths = [draw(sizes) for _ in range(count)]
    ways = draw(st.lists(codings(), min_size=1, max_size=4))
    kinds = draw(st.lists(st.sampled_from(TEXTURES), min_size=1, max_size=3))
    seed = draw(st.integers(0, 2**32 - 1))
    zeros = draw(st.sampled_from([0, 0, 0, 1, 3, depth - 1]))
    stereo = [INDEPENDENT]
    if columns == 2:
        stereo = draw(st.lists(st.sampled_from([INDEPENDENT, *STEREO_CODES]), min_size=1))
    depth_in_header = draw(st.booleans())
    written_out = draw(st.sampled_from([0, 0, 8, 16]))
    rate_code = draw(st.sampled_from([9, 9, *range(15)]))
    made = []
    for at, length in enumerate(lengths):
        planes = texture(kinds[at % len(kinds)], columns, length, depth, seed + at)
        made.append(
            Frame(
                (planes >> zeros << zeros).tolist(),
                codings=tuple(ways[(at + i) % len(ways)] for i in range(columns)),
                stereo=stereo[at % len(stereo)],
                block_size_bits=written_out,
                depth_in_header=depth_in_header,
                sample_rate_code=rate_code,
            )
        )
    return Stream(
        tuple(made),
        bits_per_sample=depth,
        variable=variable,
        known_total=draw(st.booleans()),
        known_md5=draw(st.booleans()),
        id3=draw(st.none() | st.binary(max_size=200)),
        blocks=tuple(draw(st.lists(st.tuples(st.just(1), st.binary(max_size=40)), max_size=2))),
    )
