"""Plain streams that break a rule and still tell all their samples, read as libFLAC reads them.

`stream.decode` comes here with what strict decoding refused, and only with that. What may be wrong
is the head: none at all, other blocks in front of STREAMINFO, damaged comments, and any field of
STREAMINFO that the frames know better (block sizes, channels, depth, how many samples). Also a
stream cut out of a longer one, whose first frame is not number 0; frames that are counted although
STREAMINFO says that their sizes vary, as old encoders wrote them; and frames of 65,536 samples. The
frames must be sound, none of them missing; where STREAMINFO has an MD5, that decides. Tiles are
never read so.

Knows the few bits of a frame header that tell channels and depth.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from . import _native, frame_decoder
from .blocks import MARKER, Head, block_headers, skip_id3
from .errors import FlacError
from .frame_search import Scan
from .native_calls import Buffer
from .streaminfo import MAX_BLOCK_SIZE, STREAMINFO_SIZE, StreamInfo

_STREAMINFO = 0
_ANY_BLOCK_SIZES = b"\x00\x10\xff\xff"
_SMALLEST_MAXIMUM = 16
_DEPTHS = (0, 8, 12, 0, 16, 20, 24, 32)
_NO_SAMPLES = hashlib.md5(usedforsecurity=False).digest()


@dataclass(frozen=True, slots=True)
class _Facts:
    """What head and first frame say together."""

    head: Head
    first_number: int
    claimed_total: int = 0
    """Samples as STREAMINFO has it, 0 when it does not say."""
    sizes_vary: bool = False
    """Whether frames may differ in size although their headers count them."""


def decode(buffer: Buffer, out: npt.NDArray[np.int32] | None) -> npt.NDArray[np.int32] | None:
    """Decode a stream that strict decoding refused.

    Parameters
    ----------
    buffer, out
        As for `stream.decode`.

    Returns
    -------
    The samples; None when they cannot be told, or are not those that `out` is for
    """
    try:
        facts = _look(memoryview(buffer).cast("B"))
        return None if facts is None else _decode(buffer, facts, out)
    except FlacError:
        return None


def _decode(
    buffer: Buffer, facts: _Facts, out: npt.NDArray[np.int32] | None
) -> npt.NDArray[np.int32] | None:
    head, first_number = facts.head, facts.first_number
    info = head.streaminfo
    frames = memoryview(buffer).cast("B")[head.frames_offset :]
    total = 0
    if len(frames):
        scan = Scan(info, head.frames_offset, first_number, sizes_vary=facts.sizes_vary)
        total = int(scan.next(frames, last=True)["block_size"].sum())
    shape = info.channels, total
    if out is None:
        out = np.empty(shape, np.int32)
    elif out.shape != shape:
        return None
    frame_decoder.decode(buffer, head, out, first_number, sizes_vary=facts.sizes_vary)
    if info.md5 != bytes(16):
        frame_decoder.check_md5(head, out)
    elif facts.claimed_total > total:
        return None  # nobody can tell whether the rest was cut off
    return out


def _look(view: memoryview) -> _Facts | None:
    """Find what is needed in the head and the first frame; None when that is not there."""
    start = skip_id3(view)
    claimed: StreamInfo | None = None
    sizes = 0, 0
    if view[start : start + len(MARKER)] == MARKER:
        start += len(MARKER)
        for kind, begin, end in block_headers(view, start):
            start = end
            if kind == _STREAMINFO and claimed is None:
                block = bytes(view[begin : begin + STREAMINFO_SIZE])
                claimed = StreamInfo.parse(_ANY_BLOCK_SIZES + block[4:])
                sizes = int.from_bytes(block[:2], "big"), int.from_bytes(block[2:4], "big")
        if start > len(view):
            return None
    if start == len(view) and claimed is not None:
        nothing = claimed.total_samples == 0 and claimed.md5 in (bytes(16), _NO_SAMPLES)
        return _Facts(Head(claimed, frames_offset=start), 0) if nothing else None
    status, _, number, block_size, _ = _native.first_header(view[start:])
    if status:
        return None
    code = view[start + 3]
    channels = (code >> 4) + 1 if code >> 4 < 8 else 2
    depth = _DEPTHS[code >> 1 & 7] or (claimed.bits_per_sample if claimed else 0)
    if not depth:
        return None
    info = StreamInfo(
        min_block_size=16, max_block_size=MAX_BLOCK_SIZE, channels=channels, bits_per_sample=depth,
        md5=claimed.md5 if claimed else bytes(16),
    )  # fmt: skip
    if _SMALLEST_MAXIMUM < max(sizes[0], 16, block_size) <= sizes[1]:
        # Nothing speaks against them, so they decide whether frames are missing.
        info = replace(info, min_block_size=max(sizes[0], 16), max_block_size=sizes[1])
    return _Facts(
        Head(info, frames_offset=start),
        number,
        claimed_total=claimed.total_samples if claimed else 0,
        sizes_vary=sizes[0] != sizes[1] or block_size > MAX_BLOCK_SIZE,
    )
