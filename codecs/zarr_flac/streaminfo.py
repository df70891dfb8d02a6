"""STREAMINFO, the one metadata block every FLAC stream has: `StreamInfo` <-> 34 bytes.

Knows RFC 9639 section 8.2.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass

from .errors import CorruptFlacError

SAMPLE_RATE = 44100
"""The sample rate we write. A raster has none; 44,100 is what every reader accepts."""

STREAMINFO_SIZE = 34
MAX_BLOCK_SIZE = 65535
MAX_CHANNELS = 8
MIN_BITS_PER_SAMPLE = 4
MAX_BITS_PER_SAMPLE = 32
MAX_TOTAL_SAMPLES = 2**36 - 1

# Two block sizes; then two frame sizes of 24 bits, read apart; then 20 + 3 + 5 + 36 bits; MD5.
_LAYOUT = struct.Struct(">HH3s3sQ16s")

_LIMITS = {
    "min_block_size": (16, MAX_BLOCK_SIZE),
    "max_block_size": (16, MAX_BLOCK_SIZE),
    "min_frame_size": (0, 2**24 - 1),
    "max_frame_size": (0, 2**24 - 1),
    "sample_rate": (0, 2**20 - 1),
    "channels": (1, MAX_CHANNELS),
    "bits_per_sample": (MIN_BITS_PER_SAMPLE, MAX_BITS_PER_SAMPLE),
    "total_samples": (0, MAX_TOTAL_SAMPLES),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamInfo:
    """The facts a decoder needs before the first frame.

    Raises
    ------
    CorruptFlacError
        A field is outside what RFC 9639 section 8.2 allows.
    """

    min_block_size: int
    """Samples per channel in the smallest frame, the last one not counted."""
    max_block_size: int
    """Samples per channel in the largest frame."""
    channels: int
    """Columns of samples, 1 to 8."""
    bits_per_sample: int
    """Depth of a sample, 4 to 32."""
    total_samples: int = 0
    """Samples per channel in the stream; 0 means unknown."""
    sample_rate: int = SAMPLE_RATE
    """Without meaning for rasters."""
    min_frame_size: int = 0
    """Bytes of the smallest frame; 0 means unknown."""
    max_frame_size: int = 0
    """Bytes of the largest frame; 0 means unknown."""
    md5: bytes = bytes(16)
    """MD5 of the interleaved little-endian samples; all zero means unknown."""

    def __post_init__(self) -> None:
        # One test for what is right, as every tile has a STREAMINFO; then what exactly is wrong.
        if (
            16 <= self.min_block_size <= self.max_block_size <= MAX_BLOCK_SIZE
            and 1 <= self.channels <= MAX_CHANNELS
            and MIN_BITS_PER_SAMPLE <= self.bits_per_sample <= MAX_BITS_PER_SAMPLE
            and 0 <= self.total_samples <= MAX_TOTAL_SAMPLES
            and 0 <= self.sample_rate < 1 << 20
            and 0 <= self.min_frame_size < 1 << 24
            and 0 <= self.max_frame_size < 1 << 24
            and len(self.md5) == 16
        ):
            return
        for name, (low, high) in _LIMITS.items():
            value = getattr(self, name)
            if not low <= value <= high:
                raise CorruptFlacError(
                    f"STREAMINFO says {name} = {value}; FLAC allows {low} to {high}. "
                    "The head of this stream is damaged, or it is not FLAC."
                )
        if self.min_block_size > self.max_block_size:
            raise CorruptFlacError(
                f"STREAMINFO says min_block_size = {self.min_block_size}, more than "
                f"max_block_size = {self.max_block_size}. The head of this stream is damaged."
            )
        if len(self.md5) != 16:
            raise CorruptFlacError(f"STREAMINFO holds an MD5 of 16 bytes, not {len(self.md5)}.")

    @classmethod
    def parse(cls, block: bytes | bytearray | memoryview) -> StreamInfo:
        """Read the 34 bytes of a STREAMINFO block (without its four-byte block header).

        Raises
        ------
        CorruptFlacError
            The block has another length, or a field is out of range.
        """
        if len(block) != STREAMINFO_SIZE:
            raise CorruptFlacError(
                f"STREAMINFO has {len(block)} bytes instead of {STREAMINFO_SIZE}. "
                "The head of this stream is damaged or truncated."
            )
        min_block, max_block, min_frame, max_frame, packed, md5 = _LAYOUT.unpack(block)
        return cls(
            min_block_size=min_block,
            max_block_size=max_block,
            min_frame_size=int.from_bytes(min_frame, "big"),
            max_frame_size=int.from_bytes(max_frame, "big"),
            sample_rate=packed >> 44,
            channels=(packed >> 41 & 0x7) + 1,
            bits_per_sample=(packed >> 36 & 0x1F) + 1,
            total_samples=packed & MAX_TOTAL_SAMPLES,
            md5=md5,
        )

    def pack(self) -> bytes:
        """Write the 34 bytes of the block; the exact inverse of `parse`."""
        packed = (
            self.sample_rate << 44
            | (self.channels - 1) << 41
            | (self.bits_per_sample - 1) << 36
            | self.total_samples
        )
        return _LAYOUT.pack(
            self.min_block_size,
            self.max_block_size,
            self.min_frame_size.to_bytes(3, "big"),
            self.max_frame_size.to_bytes(3, "big"),
            packed,
            self.md5,
        )
