"""Ways into the decoder that the tests share: its scalar way and its lanes, side by side."""

from __future__ import annotations

import numpy as np

from zarr_flac import CorruptFlacError, _native, frame_decoder, iter_frames
from zarr_flac.blocks import parse_head
from zarr_flac.native_calls import stream_facts


def decode(data, channels: int, total: int) -> np.ndarray:
    """Decode a stream to int32 of a known shape, as a tile is decoded."""
    out = np.full((channels, total), -7, np.int32)
    frame_decoder.decode(data, parse_head(data), out)
    return out


def run(data, head, out: np.ndarray, *, scalar: bool):
    """Call the C core; return what it reports: (status, name, frame, position, byte)."""
    total = out.shape[1]
    facts = (*stream_facts(head.streaminfo, head.frames_offset, total)[:-1], scalar)
    places = tuple(range(0, out.nbytes, 4 * total))
    return _native.decode(data, facts, out, places, total, 4 * total, 4, 0)


def decode_both(data) -> np.ndarray:
    """Decode a stream as long as it says, or as it is, both ways; insist that they agree."""
    head = parse_head(data)
    listed = list(iter_frames(data))
    total = head.streaminfo.total_samples or sum(frame.block_size for frame in listed)
    assert sum(frame.block_size for frame in listed) == total
    shape = head.streaminfo.channels, total
    plain, fast = np.full(shape, -7, np.int32), np.full(shape, -9, np.int32)
    first, second = run(data, head, plain, scalar=True), run(data, head, fast, scalar=False)
    assert first == second
    if first[0]:
        raise CorruptFlacError(first[1])
    np.testing.assert_array_equal(fast, plain)
    np.testing.assert_array_equal(decode(data, *shape), plain)
    return plain
