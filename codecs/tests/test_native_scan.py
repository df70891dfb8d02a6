"""`FrameScanner`: the frames of a stream that comes in pieces, wherever it is cut.

The judge is the tests' own writer, which knows where it put each frame.
"""

import contextlib
from dataclasses import replace

import bitwriter as bw
import numpy as np
import oracle
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import zarr_flac
from zarr_flac import CorruptFlacError, FrameScanner, StreamInfo, _native

SOME = settings(max_examples=25, suppress_health_check=list(HealthCheck))


def where(stream):
    """Return (offset, length, first sample, block size) of each frame, as the writer put it."""
    offset, first, rows = len(stream.head()), 0, []
    for part, frame in zip(stream.frame_bytes(), stream.frames, strict=True):
        rows.append((offset, len(part), first, frame.block_size))
        offset += len(part)
        first += frame.block_size
    return rows


def scan(stream, cuts, data=None):
    """Feed the frames in pieces; list what comes out."""
    data = bytes(stream) if data is None else data
    offset = len(stream.head())
    scanner = FrameScanner(StreamInfo(**stream.facts), offset)
    rows = []
    for begin, end in zip([offset, *cuts], [*cuts, len(data)], strict=True):
        rows += scanner.feed(data[begin:end]).tolist()
    return rows + scanner.close().tolist()


def noise(count=6, size=64, channels=1, **options):
    frames = [
        bw.Frame(bw.texture("noise", channels, size, 16, at).tolist(), (bw.Coding("verbatim"),))
        for at in range(count)
    ]
    return bw.Stream(tuple(frames), **options)


def cut_anywhere(stream, data):
    size, offset = len(bytes(stream)), len(stream.head())
    cuts = data.draw(st.lists(st.integers(offset, size), max_size=12).map(sorted))
    assert scan(stream, cuts) == where(stream)


@given(stream=bw.streams(), data=st.data())
@SOME
def test_any_stream_cut_anywhere(stream, data):
    cut_anywhere(stream, data)


@pytest.mark.exhaustive
@given(stream=bw.streams(), data=st.data())
@settings(SOME, max_examples=200)
def test_many_streams_cut_anywhere(stream, data):
    cut_anywhere(stream, data)


@given(stream=bw.streams(frames=st.integers(1, 5)), step=st.integers(1, 20))
@SOME
def test_small_pieces(stream, step):
    """Byte by byte, if that makes no more than some thousand pieces."""
    size = len(bytes(stream))
    cuts = list(range(len(stream.head()), size, max(step, size // 3000)))
    assert scan(stream, cuts) == where(stream)


@given(
    stream=bw.streams(frames=st.integers(2, 9), bits=st.sampled_from([8, 16])),
    data=st.data(),
)
@SOME
def test_damage_is_seen(stream, data):
    """A flipped bit anywhere in the frames; whole and in pieces alike."""
    stream = replace(stream, known_md5=False)
    whole = bytearray(bytes(stream))
    offset = len(stream.head())
    at = data.draw(st.integers(offset * 8, len(whole) * 8 - 1))
    whole[at >> 3] ^= 1 << (at & 7)
    cuts = data.draw(st.lists(st.integers(offset, len(whole)), max_size=5).map(sorted))
    *before, last = where(stream)
    for places in ([], cuts):
        if not stream.known_total and last[0] <= at >> 3 < last[0] + 16:
            # What does not begin as a frame is rubbish behind the last one, when nobody says how
            # many there are.
            with contextlib.suppress(CorruptFlacError):
                assert scan(stream, places, bytes(whole)) == before
        else:
            with pytest.raises(CorruptFlacError):
                scan(stream, places, bytes(whole))


@given(stream=bw.streams(frames=st.integers(1, 6)), data=st.data())
@SOME
def test_a_truncated_stream(stream, data):
    whole, offset = bytes(stream), len(stream.head())
    end = data.draw(st.integers(offset, len(whole) - 1))
    rows = [row for row in where(stream) if row[0] + row[1] <= end]
    left = end - (rows[-1][0] + rows[-1][1] if rows else offset)
    for cuts in ([], [end]):
        if not stream.known_total and rows and left < 16:
            # Less than a header behind the last frame is taken for rubbish.
            with contextlib.suppress(CorruptFlacError):
                assert scan(stream, cuts, whole[:end]) == rows
        else:
            with pytest.raises(CorruptFlacError):
                scan(stream, cuts, whole[:end])


def test_the_next_header_within_a_frame():
    """False sync codes of the worst kind: the very header that is to follow, CRC-8 and all."""
    header = bytes(bw.write_frame(bw.Frame([[0] * 64]), 16, 1, variable=False))[:6]
    values = np.frombuffer(header * 22, ">i2")[:64].astype(int)
    frames = [bw.Frame([values.tolist()], (bw.Coding("verbatim"),)), *noise(3).frames]
    stream = bw.Stream(tuple(frames))
    assert header * 4 in stream.frame_bytes()[0]
    for step in (1, 7, 1000):
        cuts = list(range(len(stream.head()), len(bytes(stream)), step))
        assert scan(stream, cuts) == where(stream)


def test_a_whole_stream_within_a_frame():
    """Frames of the same numbers within a frame; no checksum up to them comes out right."""
    inner = b"".join(noise(3).frame_bytes())
    inner += bytes(-len(inner) % 2)
    values = np.frombuffer(inner, ">i2").astype(int)
    frame = bw.Frame([values.tolist()], (bw.Coding("verbatim"),))
    stream = bw.Stream((frame, frame, frame))
    assert scan(stream, []) == where(stream)


def test_forged_checksums():
    """Ends that a frame only seems to have: the verdict is the same wherever the pieces end."""
    start = noise(1).frame_bytes()[0][:7]
    inside = b"\x02"  # of a verbatim subframe
    for number in (5, 1):  # the first could not follow, the second could
        inside += b"forged"
        inside += bw.crc16(start + inside).to_bytes(2, "big")
        header = start[:4] + bytes([number]) + start[5:6]
        inside += header + bytes([bw.crc8(header)])
    inside += bytes(1 + 128 - len(inside))
    values = np.frombuffer(inside[1:], ">i2").astype(int)
    frames = [bw.Frame([values.tolist()], (bw.Coding("verbatim"),)), *noise(3).frames]
    stream = bw.Stream(tuple(frames))
    assert stream.frame_bytes()[0].startswith(start + inside)
    size, offset = len(bytes(stream)), len(stream.head())
    for cut in range(offset, size):
        assert scan(stream, [cut]) == where(stream)
    assert scan(stream, list(range(offset, size))) == where(stream)


@pytest.mark.parametrize("known", [True, False])
@pytest.mark.parametrize("tail", [b"\0" * 5000, b"\xff", b"\xff\xf8", b"TAG" * 5000])
def test_bytes_behind_the_last_frame(tail, known):
    stream = noise(known_total=known)
    data = bytes(stream) + tail
    for cuts in ([], list(range(len(stream.head()), len(data), 17))):
        assert scan(stream, cuts, data) == where(stream)


@pytest.mark.parametrize(
    ("between", "what"),
    [
        (lambda parts: bytes(9), "no frame begins here"),
        (lambda parts: bytes(9000), "no frame begins here"),
        (lambda parts: parts[2], "misplaced"),
        (lambda parts: parts[1], "misplaced"),
        (lambda parts: b"rubbish", "no frame begins here"),
    ],
)
@pytest.mark.parametrize("known", [True, False])
def test_something_between_two_frames(between, what, known):
    """Zeros behind a frame, or another one, leave the checksum of the two together at 0."""
    stream = noise(known_total=known)
    parts = stream.frame_bytes()
    start = len(stream.head())
    wrong = start + sum(map(len, parts[:3]))
    data = stream.head() + b"".join([*parts[:3], between(parts), *parts[3:]])
    for cuts in ([], list(range(start, len(data), 11))):
        with pytest.raises(CorruptFlacError, match=rf"frame 3 at byte {wrong}\b.*{what}"):
            scan(stream, cuts, data)


def test_a_checksum_of_zero():
    """Two zeros at the end of a frame could be padding; they are its checksum."""
    frame = next(
        frame
        for value in range(-(1 << 15), 1 << 15)
        for frame in [bw.Frame([[value] * 64], (bw.Coding("constant"),))]
        if bw.write_frame(frame, 16, 1, variable=False).endswith(b"\0\0")
    )
    first, *rest = noise(4).frames
    stream = bw.Stream((first, frame, *rest))
    for step in (1, 1000):
        cuts = list(range(len(stream.head()), len(bytes(stream)), step))
        assert scan(stream, cuts) == where(stream)


def test_little_is_kept():
    """A long stream leaves no more behind than a frame, and a damaged one is given up soon."""
    stream = noise(400)
    whole, offset = bytearray(bytes(stream)), len(stream.head())
    largest = max(map(len, stream.frame_bytes()))
    scanner = FrameScanner(StreamInfo(**stream.facts), offset)
    for at in range(offset, len(whole), 50):
        scanner.feed(whole[at : at + 50])
        assert len(scanner._scan._rest) < largest + 16 + 50
    assert len(scanner.close()) == 0  # the last frame was complete as soon as it was there

    whole[offset + 30] ^= 1
    scanner = FrameScanner(StreamInfo(**stream.facts), offset)
    pieces = (whole[at : at + 50] for at in range(offset, offset + 20 * largest, 50))
    with pytest.raises(CorruptFlacError, match="frame 0 at byte"):
        list(map(scanner.feed, pieces))


def test_an_endless_residual():
    """Zeros are one long code, for as long as they go on: no more than 16 MiB of them are kept."""
    frame = bw.Frame(bw.texture("small", 1, 64, 16, 0).tolist(), (bw.Coding(order=1),))
    stream = bw.Stream((frame, frame), known_total=False)
    offset = len(stream.head())
    data = bytes(stream)[: offset + 15] + bytes(2**24)
    for cuts in ([], range(offset + 15, len(data), 2**20), [offset + 15, 3 * 2**22]):
        with pytest.raises(CorruptFlacError, match=f"frame 0 at byte {offset}, .*residual"):
            scan(stream, list(cuts), data)
    with pytest.raises(CorruptFlacError, match="ends after 0 samples, in frame 0"):
        scan(stream, [], data[: offset + 2**24 - 1])


def test_any_buffer():
    stream = noise()
    offset = len(stream.head())
    for kind in (bytes, bytearray, memoryview, lambda data: np.frombuffer(data, "u1")):
        scanner = FrameScanner(StreamInfo(**stream.facts), offset)
        found = [scanner.feed(kind(bytes(stream)[offset:])), scanner.close()]
        assert np.concatenate(found).tolist() == where(stream)
    frames = np.concatenate(found)
    assert frames.dtype.names == ("offset", "length", "first_sample", "block_size")
    assert frames["length"].dtype == np.int64


def test_a_frame_cut_out_decodes_alone():
    """What the scanner finds are the bytes of the frame, as libFLAC decodes it."""
    stream = noise(5, channels=2)
    data = bytes(stream)
    for frame in zarr_flac.iter_frames(data):
        alone = data[frame.offset : frame.offset + frame.length]
        verdict = oracle.judge(stream.head() + alone)
        first = frame.first_sample
        np.testing.assert_array_equal(
            verdict.samples, stream.samples[:, first : first + frame.block_size]
        )


@pytest.mark.parametrize("size", [0, 1, 63, 64, 65, 127, 128, 1000])
def test_checksums_go_on(size):
    """The residue of a frame of any length is 0: what the search relies on."""
    data = np.random.default_rng(size).bytes(size)
    whole = data + bw.crc16(data).to_bytes(2, "big")
    assert _native.crc16(whole, False) == 0
    assert _native.crc16(whole, True) == 0
