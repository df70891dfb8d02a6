"""Ways into the decoder that the tests share: scalar code and all kernels, side by side."""

from __future__ import annotations

import numpy as np

from zarr_flac import CorruptFlacError, _native, frame_decoder, iter_frames
from zarr_flac.blocks import parse_head
from zarr_flac.native_calls import stream_facts

#: Frames decoded at once: 1 is scalar code, the others are the kernels of this CPU.
LANES = [1, *_native.kernels()]


def decode(data, channels: int, total: int) -> np.ndarray:
    """Decode a stream to int32 of a known shape, as a tile is decoded."""
    out = np.full((channels, total), -7, np.int32)
    frame_decoder.decode(data, parse_head(data), out)
    return out


def run(data, head, out: np.ndarray, *, lanes: int):
    """Call the C core; return what it reports: (status, name, frame, position, byte)."""
    total = out.shape[1]
    facts = (*stream_facts(head.streaminfo, head.frames_offset, total)[:-1], lanes)
    places = tuple(range(0, out.nbytes, 4 * total))
    report, _ = _native.decode(data, facts, out, places, total, 4 * total, 4, 0, False)
    return report


def run_all(data, head, shape: tuple[int, int]):
    """Decode with scalar code and with every kernel; insist on one report and one result."""
    found = [np.full(shape, -7 - lanes, np.int32) for lanes in LANES]
    reports = [run(data, head, out, lanes=lanes) for out, lanes in zip(found, LANES, strict=True)]
    assert reports == reports[:1] * len(LANES)
    if reports[0][0] == 0:
        for out in found[1:]:
            np.testing.assert_array_equal(out, found[0])
    return reports[0], found[0]


def decode_all_ways(data) -> np.ndarray:
    """Decode a stream as long as it says, or as it is, in all ways; insist that they agree."""
    head = parse_head(data)
    listed = list(iter_frames(data))
    total = head.streaminfo.total_samples or sum(frame.block_size for frame in listed)
    assert sum(frame.block_size for frame in listed) == total
    shape = head.streaminfo.channels, total
    report, samples = run_all(data, head, shape)
    if report[0]:
        raise CorruptFlacError(report[1])
    np.testing.assert_array_equal(decode(data, *shape), samples)
    return samples
