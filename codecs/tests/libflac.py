"""libFLAC's encoder, which ours is measured by: samples -> FLAC frames.

pyflac's own classes lose the last frames or refuse depths, so its cffi bindings to libFLAC are
called directly, with callbacks of our own. `oracle` has libFLAC's decoder.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
from pyflac._encoder import ffi as _effi
from pyflac._encoder import lib as _elib

from zarr_flac import FlacError
from zarr_flac.streaminfo import SAMPLE_RATE, StreamInfo

_MOST_SAMPLES_PER_CALL = 1 << 30

_OK = 0
_WRITE_ABORT = 1


def encode(
    samples: npt.NDArray[np.int32],
    bits_per_sample: int,
    *,
    compression: int,
    block_size: int,
    stereo: bool,
) -> tuple[StreamInfo, bytes]:
    """Encode samples to FLAC frames: see `frame_encoder.encode`.

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
        _elib.FLAC__stream_encoder_set_compression_level(encoder, compression)
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
                f"libFLAC refuses {channels} channels of {bits_per_sample} bits at level "
                f"{compression}, block size {block_size}: {name}"
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


# What cffi's callbacks raise would be printed and lost: each one stores it for its caller.
# They are made once: a callback costs more to make than to call.


@_effi.callback("FLAC__StreamEncoderWriteCallback", error=1)
def _on_encoded(_: Any, data: Any, size: int, samples: int, frame: int, client: Any) -> int:
    sink: _Sink = _effi.from_handle(client)
    try:
        if samples:  # metadata comes with 0 samples, and is not wanted
            sink.parts.append(_effi.buffer(data, size)[:])
        return _OK
    except BaseException as error:
        sink.failure = error
        return _WRITE_ABORT


@_effi.callback("FLAC__StreamEncoderMetadataCallback")
def _on_streaminfo(_: Any, metadata: Any, client: Any) -> None:
    sink: _Sink = _effi.from_handle(client)
    try:
        sink.take_streaminfo(metadata.data.stream_info)
    except BaseException as error:
        sink.failure = error


def _raise_failure(state: _Sink) -> None:
    """Raise what a callback stored, and forget it: its traceback holds the state in turn."""
    try:
        if state.failure is not None:
            raise state.failure
    finally:
        state.failure = None


def _c_string(ffi: Any, pointer: Any) -> str:
    return bytes(ffi.string(pointer)).decode("ascii", "replace")
