"""Where frames begin and end, and what their headers say, found without decoding them."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from . import _native
from .errors import CorruptFlacError
from .native_calls import UNKNOWN_TOTAL, Buffer, check_report, stream_facts
from .streaminfo import StreamInfo


class FrameHeader(NamedTuple):
    """What the header of a frame says of its place in the stream."""

    number: int
    """Of the frame, or of its first sample where block sizes vary."""
    block_size: int
    """Samples per channel."""
    variable: bool
    """Whether block sizes may vary."""


def first_header(buffer: Buffer) -> FrameHeader:
    """Parse the header of the frame at the start of a buffer.

    Raises
    ------
    CorruptFlacError
        No frame begins there.
    """
    status, name, number, block_size, variable = _native.first_header(buffer)
    if status:
        raise CorruptFlacError(
            f"No FLAC frame begins here: {name}. The bytes are damaged, or the index gives the "
            "chunk a wrong place."
        )
    return FrameHeader(number, block_size, bool(variable))


def frame_follows(buffer: Buffer, at: int) -> bool:
    """Whether a frame begins at this byte."""
    status, *_ = _native.first_header(memoryview(buffer).cast("B")[at:])
    return status == 0


FRAME_FIELDS = np.dtype(
    [("offset", "i8"), ("length", "i8"), ("first_sample", "i8"), ("block_size", "i8")]
)


class Scan:
    """The frames of a stream that comes in pieces, found without decoding them.

    Parameters
    ----------
    streaminfo
        What STREAMINFO says.
    offset
        Byte of the first frame in the stream: where the pieces begin.
    first_number
        Number in the header of that frame.
    sizes_vary
        Take frames of any sizes, even where headers count frames.
    """

    def __init__(
        self,
        streaminfo: StreamInfo,
        offset: int,
        first_number: int = 0,
        *,
        sizes_vary: bool = False,
    ) -> None:
        self._total = streaminfo.total_samples
        self._facts = stream_facts(
            streaminfo, 0, self._total or UNKNOWN_TOTAL, first_number, sizes_vary=sizes_vary
        )
        self._state = _native.scan_state(offset)
        self._start = offset
        """Number of the first byte of what is left over."""
        self._rest = bytearray()

    def next(self, piece: Buffer, *, last: bool) -> npt.NDArray[Any]:
        """Scan one more piece.

        Returns
        -------
        The frames whose end is known by now, a row of `FRAME_FIELDS` each

        Raises
        ------
        CorruptFlacError
            Damage, truncation, or a frame missing.
        """
        if self._rest or not last:
            self._rest += memoryview(piece).cast("B")
            piece = self._rest
        report, packed, start = _native.scan(piece, self._facts, self._state, last)
        check_report(report, self._total)
        del self._rest[: start - self._start]
        self._start = start
        return np.frombuffer(packed, FRAME_FIELDS)
