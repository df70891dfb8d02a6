"""What `_native` is told of a stream, and what it reports: tuples in, errors out."""

from __future__ import annotations

from .errors import CorruptFlacError
from .streaminfo import MAX_BLOCK_SIZE, StreamInfo

Buffer = bytes | bytearray | memoryview

StreamFactsTuple = tuple[int, int, int, int, int, int, int, bool, bool, int]

UNKNOWN_TOTAL = 2**64 - 1

#: Frames decoded at once: as many as the CPU likes. Tests take 1, which is scalar code, or what
#: `_native.kernels` lists, and expect the same.
MOST_LANES = 0

#: How many of the best ways to encode that this CPU has are not taken. Tests take all but those
#: that `_native.loops` counts, and expect the same bytes.
SKIPPED_LOOPS = 0

_TRUNCATED = 1


def stream_facts(
    streaminfo: StreamInfo,
    frames_offset: int,
    total: int,
    first_number: int = 0,
    *,
    sizes_vary: bool = False,
) -> StreamFactsTuple:
    """What `_native` has to know of a stream: `STREAM_FORMAT` in ``c/module.c``.

    Parameters
    ----------
    streaminfo
        What STREAMINFO says.
    frames_offset
        Byte of the first frame in the buffer.
    total
        Samples per channel that are wanted; `UNKNOWN_TOTAL` for all there are.
    first_number
        Number in the header of the first frame.
    sizes_vary
        Take frames of any sizes, 65,536 samples included, even where headers count frames.
    """
    largest = streaminfo.max_block_size
    if sizes_vary and largest == MAX_BLOCK_SIZE:
        largest += 1  # no encoder may write it, and some did
    must_end = not streaminfo.total_samples and total != UNKNOWN_TOTAL
    return (
        frames_offset,
        streaminfo.min_block_size,
        largest,
        streaminfo.channels,
        streaminfo.bits_per_sample,
        total,
        first_number,
        must_end,
        sizes_vary,
        MOST_LANES,
    )


def check_report(report: tuple[int, str, int, int, int], total: int) -> None:
    """Raise what a report tells.

    Parameters
    ----------
    report
        Status, its name, frame, position and byte, as `_native` returns them.
    total
        Samples per channel in all; 0 when unknown.

    Raises
    ------
    CorruptFlacError
        The status is not 0.
    """
    status, name, frame, position, byte = report
    if status == 0:
        return
    samples = f"{position} of {total}" if total else str(position)
    if status == _TRUNCATED:
        raise CorruptFlacError(
            f"The stream ends after {samples} samples, in frame {frame} at byte {byte}. It is "
            "truncated, or the index gives it a wrong length."
        )
    raise CorruptFlacError(
        f"Damage in frame {frame} at byte {byte}, sample {samples}: {name}. "
        "Fetch the tile again, or take another copy of the file."
    )
