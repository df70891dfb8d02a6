"""Tiles of a raster that is one FLAC stream: where its frames stand in the file.

One pass over the file, a piece at a time, or the few bytes that a seek table points to.
"""

from __future__ import annotations

import numpy as np
from zarr_flac import FrameScanner

from ..errors import CorruptFlacError
from ..io.file_reader import FileReader
from ..io.workers import Progress
from ..layouts._stream import FRAME_HEADER_BYTES
from ..layouts.plain import PlainStream
from ..model.index import TileIndex

#: Bytes of one request. Two pieces are in memory, one arriving and one in use.
PIECE_BYTES = 8 * 2**20


def locate_tiles(
    stream: PlainStream, file: FileReader, head: bytes, progress: Progress | None = None
) -> TileIndex:
    """Find the tiles of a plain file, whose first bytes are at hand.

    Raises
    ------
    SourceError
        When the file cannot be read.
    CorruptFlacError, LayoutError
        When a frame is damaged or missing, or is not where the seek table says.
    """
    points = stream.seek_points
    if not points:
        return _scan(stream, file, head, progress)
    starts = [stream.frames_offset + point.offset for point in points]
    if starts[-1] + FRAME_HEADER_BYTES > stream.file_size:
        raise CorruptFlacError(
            f"the seek table points to byte {starts[-1]}, but the file has {stream.file_size}: it "
            "is cut short or damaged"
        )
    headers = file.read(
        starts, [FRAME_HEADER_BYTES] * len(starts), lambda _: "frames of the seek table"
    )
    return stream.index_by_points([bytes(header) for header in headers])


def _scan(
    stream: PlainStream, file: FileReader, head: bytes, progress: Progress | None
) -> TileIndex:
    size = stream.file_size
    scanner = FrameScanner(stream.streaminfo, stream.frames_offset)
    found = [scanner.feed(memoryview(head)[stream.frames_offset :])]
    done = len(head)
    ranges = ((start, min(start + PIECE_BYTES, size)) for start in range(done, size, PIECE_BYTES))
    for piece in file.stream(ranges, ", to find its frames"):
        found.append(scanner.feed(piece))
        done += len(piece)
        if progress:
            progress(done, size)
    found.append(scanner.close())
    return stream.index_by_frames(np.concatenate(found))
