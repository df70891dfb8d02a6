"""The MD5 of all samples of a file that is one FLAC stream, in bounded memory."""

from __future__ import annotations

import hashlib
import itertools
from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import numpy.typing as npt
from zarr_flac import FrameScanner, StreamInfo, decode, read_frame_header, read_info

from ..io.file_reader import FileReader
from ..io.workers import Progress

#: Bytes that are read at once; as many wait for their turn.
READ_BYTES = 8 << 20
_NO_MD5 = bytes(16)


def stream_md5_agrees(
    file: FileReader, frames_offset: int, size: int, progress: Progress | None = None
) -> bool | None:
    """Whether the samples are those that STREAMINFO has the MD5 of; None where it has none."""
    facts = read_info(file.get(0, frames_offset, "the head of the stream")).streaminfo
    if facts.md5 == _NO_MD5:
        return None
    digest = hashlib.md5(usedforsecurity=False)
    for samples in _samples(file, facts, frames_offset, size, progress):
        # As FLAC has it: channels beside each other, little endian, in the fewest bytes.
        wide = np.ascontiguousarray(samples.T, "<i4").view(np.uint8).reshape(-1, 4)
        digest.update(np.ascontiguousarray(wide[:, : -(-facts.bits_per_sample // 8)]).data)
    return digest.digest() == facts.md5


def _samples(
    file: FileReader, facts: StreamInfo, start: int, size: int, progress: Progress | None
) -> Iterator[npt.NDArray[np.int32]]:
    """Samples of whole frames, piece by piece; shape (channel, sample)."""
    scanner = FrameScanner(facts, start)
    # Of a part of the stream the whole's numbers do not hold.
    part = replace(facts, total_samples=0, md5=_NO_MD5)
    kept, first, done = b"", start, 0
    ranges = ((begin, min(begin + READ_BYTES, size)) for begin in range(start, size, READ_BYTES))
    for piece in itertools.chain(file.stream(ranges), [None]):
        if piece is None:
            frames = scanner.close()
        else:
            kept += piece
            frames = scanner.feed(piece)
            done += len(piece)
            if progress:
                progress(done, size - start)
        if len(frames):
            end = int(frames["offset"][-1] + frames["length"][-1])
            count = int(frames["block_size"].sum())
            out = np.empty((facts.channels, count), np.int32)
            whole = memoryview(kept)[: end - first]
            number = read_frame_header(whole).number
            yield decode(whole, out, streaminfo=part, first_number=number)
            kept, first = kept[end - first :], end
