"""Samples of a chunk that is a run of frames of one long stream, without its head.

Knows neither pixels nor comments.
"""

from __future__ import annotations

import math

import numpy as np

from . import frame_decoder
from .blocks import Head
from .errors import ConfigurationError, CorruptFlacError
from .frame_search import Scan, first_header
from .native_calls import Buffer
from .samples import Int32Array
from .spec import TileSpec
from .stream_facts import StreamFacts


def decode_frames(data: Buffer, spec: TileSpec, channels: int) -> tuple[Int32Array, int]:
    """Decode a chunk of bare frames: the samples of its pixels, and no others.

    A chunk has N samples, begins at a multiple of N in the stream, and comes with all frames that
    hold any of them, the first of which begins less than N samples before it. So the first multiple
    of N that is not before the first frame is the place of the chunk.

    Returns
    -------
    int32 of shape (channel, sample), and the rows they fill: fewer than the chunk's at the end of
    the stream

    Raises
    ------
    CorruptFlacError
        A frame is damaged or missing, or is none of this stream.
    """
    stream, shape = spec.stream, spec.chunk_shape
    assert stream is not None
    assert shape is not None
    size = math.prod(shape) // spec.planes
    header = first_header(data)
    if not header.variable and stream.min_block_size != stream.max_block_size:
        raise ConfigurationError(
            f"The frames are counted, so all are of one size; stream.min_block_size = "
            f"{stream.min_block_size} differs from stream.max_block_size = "
            f"{stream.max_block_size}."
        )
    first = header.number if header.variable else header.number * stream.max_block_size
    start = -(-first // size) * size
    end = min(start + size, stream.total_samples)
    if start >= end:
        raise CorruptFlacError(
            f"The first frame begins at sample {first}; no chunk of {size} samples begins behind "
            f"it in a stream of {stream.total_samples}. These bytes belong to another chunk."
        )
    rows, rest = divmod(end - start, shape[-1])
    if rest:
        raise ConfigurationError(
            f"stream.total_samples = {stream.total_samples} is not a whole number of rows of "
            f"{shape[-1]} pixels."
        )
    wanted = end - first
    if header.variable:
        total = _samples_of_frames(data, stream, channels, header.number, wanted)
    else:
        whole = -(-wanted // stream.max_block_size) * stream.max_block_size
        total = min(whole, stream.total_samples - first)
    head = Head(stream.streaminfo(channels, total))
    frame_decoder.check_sizes(memoryview(data).nbytes, head, channels, total)
    samples = np.empty((channels, total), np.int32)
    frame_decoder.decode(data, head, samples, header.number)
    return np.ascontiguousarray(samples[:, start - first : end - first]), rows


def _samples_of_frames(
    data: Buffer, stream: StreamFacts, channels: int, number: int, wanted: int
) -> int:
    """Samples in as many frames as hold those that are wanted; for frames of any sizes."""
    scan = Scan(stream.streaminfo(channels), 0, number)
    ends = np.cumsum(scan.next(data, last=True)["block_size"])
    enough = ends[ends >= wanted]
    if not enough.size:
        raise CorruptFlacError(
            f"The frames hold {ends[-1] if ends.size else 0} samples; {wanted} are needed. Frames "
            "are missing at the end: fetch the chunk again."
        )
    return int(enough[0])
