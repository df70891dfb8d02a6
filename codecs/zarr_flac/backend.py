"""Samples <-> FLAC frames, through libFLAC. The only module that imports a FLAC library.

Knows int32 samples of shape (channel, sample) and `StreamInfo`. Must not know pixels, dtypes,
tiles or what comments mean. pyflac's own classes lose the last frames or refuse depths, so its
cffi bindings to libFLAC are called directly, with callbacks of our own: pyflac's stay as they
are for whoever else uses them in this process.

Decoding is strict. libFLAC conceals damage (it skips, it fills gaps with silence); here every
complaint of its, every frame out of place and every missing sample is a `CorruptFlacError`.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
from pyflac._decoder import ffi as _dffi
from pyflac._decoder import lib as _dlib
from pyflac._encoder import ffi as _effi
from pyflac._encoder import lib as _elib

from .blocks import Head, bare_head
from .errors import CorruptFlacError, FlacError, UnsupportedFlacError
from .streaminfo import SAMPLE_RATE, StreamInfo

DEFAULT_LEVEL = 5
DEFAULT_BLOCK_SIZE = 4096

# A frame has at least a header of 6 bytes, a constant subframe of 2 and a CRC of 2 (RFC 9639 9).
_SMALLEST_FRAME = 10
_MOST_SAMPLES_PER_CALL = 1 << 30

_OK = 0
_READ_CONTINUE, _READ_END, _READ_ABORT = 0, 1, 2
_WRITE_ABORT = 1
_ERROR_NAMES = (
    "lost sync",
    "bad frame header",
    "frame CRC mismatch",
    "unparseable stream",
    "bad metadata",
    "sample out of bounds",
    "missing frame",
)


def encode(
    samples: npt.NDArray[np.int32],
    bits_per_sample: int,
    *,
    level: int = DEFAULT_LEVEL,
    block_size: int = DEFAULT_BLOCK_SIZE,
    stereo: bool = True,
) -> tuple[StreamInfo, bytes]:
    """Encode samples to FLAC frames.

    Parameters
    ----------
    samples
        int32, C-contiguous, shape (channel, sample); every sample fits `bits_per_sample`.
    bits_per_sample
        4 to 32.
    level
        libFLAC's compression level, 0 (fast) to 8 (small).
    block_size
        Samples per channel in a frame, 16 to 65,535.
    stereo
        Let libFLAC store two channels as mid and side where that is smaller.

    Returns
    -------
    The true STREAMINFO (total samples, MD5, frame sizes), and the frames without any head.

    Raises
    ------
    FlacError
        libFLAC refused the parameters or the samples.
    """
    channels, total = samples.shape
    sink = _Sink()
    handle = _effi.new_handle(sink)
    encoder = _effi.gc(_elib.FLAC__stream_encoder_new(), _elib.FLAC__stream_encoder_delete)
    if encoder == _effi.NULL:
        raise MemoryError("libFLAC could not allocate an encoder")
    try:
        _elib.FLAC__stream_encoder_set_streamable_subset(encoder, False)
        _elib.FLAC__stream_encoder_set_channels(encoder, channels)
        _elib.FLAC__stream_encoder_set_bits_per_sample(encoder, bits_per_sample)
        _elib.FLAC__stream_encoder_set_sample_rate(encoder, SAMPLE_RATE)
        _elib.FLAC__stream_encoder_set_compression_level(encoder, level)
        _elib.FLAC__stream_encoder_set_blocksize(encoder, block_size)
        if not stereo:
            _elib.FLAC__stream_encoder_set_do_mid_side_stereo(encoder, False)
            _elib.FLAC__stream_encoder_set_loose_mid_side_stereo(encoder, False)
        status = _elib.FLAC__stream_encoder_init_stream(
            encoder, _on_encoded, _effi.NULL, _effi.NULL, _on_streaminfo, handle
        )
        if status != _OK:
            name = _c_string(_effi, _elib.FLAC__StreamEncoderInitStatusString[status])
            raise FlacError(
                f"libFLAC refuses {channels} channels of {bits_per_sample} bits at level {level}, "
                f"block size {block_size}: {name}"
            )
        source = _effi.from_buffer("FLAC__int32[]", samples)
        ok = True
        for start in range(0, total, _MOST_SAMPLES_PER_CALL):
            count = min(total - start, _MOST_SAMPLES_PER_CALL)
            planes = [source + channel * total + start for channel in range(channels)]
            ok = ok and _elib.FLAC__stream_encoder_process(
                encoder, _effi.new("FLAC__int32 *[]", planes), count
            )
        if not (ok and _elib.FLAC__stream_encoder_finish(encoder)):
            _raise_failure(sink)
            state = _elib.FLAC__stream_encoder_get_resolved_state_string(encoder)
            raise FlacError(f"libFLAC stopped encoding: {_c_string(_effi, state)}")
    finally:
        _effi.release(encoder)
    _raise_failure(sink)
    if sink.streaminfo is None:
        raise FlacError("libFLAC finished without reporting STREAMINFO")
    return sink.streaminfo, b"".join(sink.parts)


def decode(buffer: bytes | bytearray | memoryview, head: Head, out: npt.NDArray[np.int32]) -> None:
    """Decode the frames of a stream.

    Parameters
    ----------
    buffer
        The whole stream, head included; any contiguous buffer. It is not copied. What stands
        behind the last expected frame is ignored.
    head
        What `parse_head` found in it.
    out
        int32, C-contiguous, shape (channel, sample): receives exactly as many samples.

    Raises
    ------
    CorruptFlacError
        Damage, truncation, or another number of samples than `out` has room for. `out` then
        holds rubbish.
    """
    check_sizes(memoryview(buffer).nbytes, head, *out.shape)
    total = out.shape[1]
    session = _Session(buffer, head, out)
    handle = _dffi.new_handle(session)
    decoder = _dffi.gc(_dlib.FLAC__stream_decoder_new(), _dlib.FLAC__stream_decoder_delete)
    if decoder == _dffi.NULL:
        raise MemoryError("libFLAC could not allocate a decoder")
    try:
        by_md5 = _depth_stands_in_streaminfo_only(memoryview(buffer).cast("B"), head)
        _dlib.FLAC__stream_decoder_set_md5_checking(decoder, by_md5)
        null = _dffi.NULL
        status = _dlib.FLAC__stream_decoder_init_stream(
            decoder, _on_read, null, null, null, null, _on_decoded, null, _on_error, handle
        )
        if status != _OK:
            name = _c_string(_dffi, _dlib.FLAC__StreamDecoderInitStatusString[status])
            raise FlacError(f"libFLAC cannot start decoding: {name}")
        ok = _decode_frames(decoder, session)
        if ok and session.done and not head.streaminfo.total_samples:
            _dlib.FLAC__stream_decoder_process_single(decoder)  # must find no further frame
        state = _c_string(_dffi, _dlib.FLAC__stream_decoder_get_resolved_state_string(decoder))
        md5_ok = _dlib.FLAC__stream_decoder_finish(decoder)
    finally:
        _dffi.release(decoder)
        session.close()
    _raise_failure(session)
    if session.position != total:
        raise CorruptFlacError(
            f"The stream ends after {session.position} of {total} samples (frame "
            f"{session.frames}). It is truncated, or the index gives it a wrong length."
        )
    if not ok:
        raise CorruptFlacError(f"libFLAC stopped decoding: {state}")
    if not md5_ok:
        raise CorruptFlacError(
            "The MD5 of the decoded samples is not the one STREAMINFO gives. The head of this "
            "stream is damaged."
        )


def _depth_stands_in_streaminfo_only(view: memoryview, head: Head) -> bool:
    """Whether the frames refer to STREAMINFO for their depth (RFC 9639 section 9.1.4).

    Frame headers can name 8, 12, 16, 20, 24 and 32 bits. Any other depth stands in STREAMINFO,
    which no CRC covers: a flipped bit there would decode to other pixels. The MD5 tells.
    """
    at = head.frames_offset + 3
    return at < len(view) and view[at] >> 1 & 0x7 == 0


def _decode_frames(decoder: Any, session: _Session) -> bool:
    """Decode frame by frame until the session has its samples, something fails, or data ends.

    One at a time, because libFLAC puts silence in the place of a missing frame and says nothing:
    then one step hands out more than one frame.
    """
    while not session.done:
        before = session.frames
        if not _dlib.FLAC__stream_decoder_process_single(decoder):
            return session.failure is not None
        if session.failure is not None:
            return True
        if session.frames > before + 1:
            session.fail("a missing frame")
        elif session.frames == before:  # metadata, or the end
            state = _dlib.FLAC__stream_decoder_get_state(decoder)
            if state >= _dlib.FLAC__STREAM_DECODER_END_OF_STREAM:
                return True
    return True


def check_sizes(stream_size: int, head: Head, channels: int, total: int) -> None:
    """Check that a stream can hold the samples wanted, before memory is taken for them.

    Parameters
    ----------
    stream_size
        Bytes of the whole stream.
    head
        What `parse_head` found in it.
    channels, total
        Shape of the wanted samples.

    Raises
    ------
    UnsupportedFlacError
        The stream has another number of channels.
    CorruptFlacError
        It has another number of samples, or is too short to hold so many.
    """
    info = head.streaminfo
    if info.channels != channels:
        raise UnsupportedFlacError(
            f"The stream has {info.channels} channels; {channels} are expected. "
            "Check the channels and the dtype in the codec configuration."
        )
    if info.total_samples not in (0, total):
        raise CorruptFlacError(
            f"STREAMINFO says {info.total_samples} samples per channel; {total} are expected. "
            "The stream is damaged, or belongs to a tile of another size."
        )
    frames = max(stream_size - head.frames_offset, 0) // _SMALLEST_FRAME
    if total > frames * info.max_block_size:
        raise CorruptFlacError(
            f"{total} samples are expected of {stream_size - head.frames_offset} bytes of frames, "
            f"which hold at most {frames * info.max_block_size}. The stream is truncated."
        )


class _Sink:
    """Takes what the encoder hands out."""

    __slots__ = ("failure", "parts", "streaminfo")

    def __init__(self) -> None:
        self.parts: list[bytes] = []
        self.streaminfo: StreamInfo | None = None
        self.failure: BaseException | None = None

    def take_streaminfo(self, found: Any) -> None:
        self.streaminfo = StreamInfo(
            min_block_size=found.min_blocksize,
            max_block_size=found.max_blocksize,
            min_frame_size=found.min_framesize,
            max_frame_size=found.max_framesize,
            sample_rate=found.sample_rate,
            channels=found.channels,
            bits_per_sample=found.bits_per_sample,
            total_samples=found.total_samples,
            md5=bytes(found.md5sum),
        )


class _Session:
    """Feeds the decoder and takes its frames: the state of one call of `decode`."""

    __slots__ = (
        "buffers", "channels", "depth", "failure", "frames", "junk", "out", "pending", "position",
        "total",
    )  # fmt: skip

    def __init__(
        self,
        buffer: bytes | bytearray | memoryview,
        head: Head,
        out: npt.NDArray[np.int32],
    ) -> None:
        offset = head.frames_offset
        start = _dffi.from_buffer(bare_head(head.streaminfo))
        body = _dffi.from_buffer(buffer)
        # (pointer to the first unread byte, bytes left), last segment first
        self.pending = [
            (_dffi.cast("char *", body) + offset, len(body) - offset),
            (_dffi.cast("char *", start), len(start)),
        ]
        self.out = _dffi.from_buffer("FLAC__int32[]", out, require_writable=True)
        self.buffers = (start, body, self.out)
        self.channels, self.total = out.shape
        self.depth = head.streaminfo.bits_per_sample
        self.position = 0
        self.frames = 0
        self.junk = False
        self.failure: BaseException | None = None

    @property
    def done(self) -> bool:
        return bool(self.position == self.total)

    def close(self) -> None:
        """Let go of the buffers, which an exception's traceback may otherwise keep for long.

        Within a loop of references, a memoryview that is still in use crashes the garbage
        collector of Python before 3.12.5.
        """
        for buffer in self.buffers:
            _dffi.release(buffer)

    def read(self, target: Any, size: Any) -> int:
        if self.failure is not None or self.junk:
            return _READ_ABORT
        while self.pending:
            start, left = self.pending.pop()
            count = min(size[0], left)
            if count:
                _dffi.memmove(target, start, count)
                size[0] = count
                self.pending.append((start + count, left - count))
                return _READ_CONTINUE
        size[0] = 0
        return _READ_END

    def take_frame(self, frame: Any, channels: Any) -> int:
        if self.failure is not None or self.junk:
            return _WRITE_ABORT
        if self.done:
            raise CorruptFlacError(
                f"The stream goes on behind the {self.total} samples that are expected. Its size "
                "comments are damaged, or it belongs to a tile of another size."
            )
        header = frame.header
        count = header.blocksize
        if (
            header.number.sample_number != self.position
            or header.channels != self.channels
            or header.bits_per_sample != self.depth
            or count > self.total - self.position
        ):
            raise CorruptFlacError(
                f"Frame {self.frames} begins at sample {header.number.sample_number} and has "
                f"{count} samples, {header.channels} channels, {header.bits_per_sample} bits; "
                f"expected sample {self.position}, at most {self.total - self.position} samples, "
                f"{self.channels} channels, {self.depth} bits. The stream is damaged."
            )
        for channel in range(self.channels):
            start = self.out + (channel * self.total + self.position)
            _dffi.memmove(start, channels[channel], 4 * count)
        self.position += count
        self.frames += 1
        return _OK

    def take_error(self, status: int) -> None:
        if self.done:
            self.junk = True  # what stands behind the last frame may be anything but a frame
        elif self.failure is None:
            known = status < len(_ERROR_NAMES)
            self.fail(_ERROR_NAMES[status] if known else f"libFLAC's error status {status}")

    def fail(self, what: str) -> None:
        self.failure = CorruptFlacError(
            f"Damage in frame {self.frames}, at sample {self.position} of {self.total}: {what}. "
            "Fetch the tile again, or take another copy of the file."
        )


# What cffi's callbacks raise would be printed and lost: each one stores it for its caller.
# They are made once: a callback costs more to make than to call.


@_effi.callback("FLAC__StreamEncoderWriteCallback", error=1)  # type: ignore[untyped-decorator]
def _on_encoded(_: Any, data: Any, size: int, samples: int, frame: int, client: Any) -> int:
    sink: _Sink = _effi.from_handle(client)
    try:
        if samples:  # metadata comes with 0 samples, and is not wanted
            sink.parts.append(_effi.buffer(data, size)[:])
        return _OK
    except BaseException as error:
        sink.failure = error
        return _WRITE_ABORT


@_effi.callback("FLAC__StreamEncoderMetadataCallback")  # type: ignore[untyped-decorator]
def _on_streaminfo(_: Any, metadata: Any, client: Any) -> None:
    sink: _Sink = _effi.from_handle(client)
    try:
        sink.take_streaminfo(metadata.data.stream_info)
    except BaseException as error:
        sink.failure = error


@_dffi.callback(  # type: ignore[untyped-decorator]
    "FLAC__StreamDecoderReadCallback", error=_READ_ABORT
)
def _on_read(_: Any, target: Any, size: Any, client: Any) -> int:
    session: _Session = _dffi.from_handle(client)
    try:
        return session.read(target, size)
    except BaseException as error:
        session.failure = error
        return _READ_ABORT


@_dffi.callback(  # type: ignore[untyped-decorator]
    "FLAC__StreamDecoderWriteCallback", error=_WRITE_ABORT
)
def _on_decoded(_: Any, frame: Any, channels: Any, client: Any) -> int:
    session: _Session = _dffi.from_handle(client)
    try:
        return session.take_frame(frame, channels)
    except BaseException as error:
        session.failure = error
        return _WRITE_ABORT


@_dffi.callback("FLAC__StreamDecoderErrorCallback")  # type: ignore[untyped-decorator]
def _on_error(_: Any, status: int, client: Any) -> None:
    session: _Session = _dffi.from_handle(client)
    try:
        session.take_error(status)
    except BaseException as error:
        session.failure = error


def _raise_failure(state: _Sink | _Session) -> None:
    """Raise what a callback stored, and forget it: its traceback holds the state in turn."""
    try:
        if state.failure is not None:
            raise state.failure
    finally:
        state.failure = None


def _c_string(ffi: Any, pointer: Any) -> str:
    return bytes(ffi.string(pointer)).decode("ascii", "replace")
