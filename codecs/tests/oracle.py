"""libFLAC as the judge, through its C API: the samples it decodes and everything it complains of.

Debian's libFLAC (package libflac12) or the one that pyflac bundles, whichever is newer: later ones
report samples outside their depth and missing frames, which earlier ones pass over. The environment
variable LIBFLAC names another one. Nothing here goes through zarr_flac.
"""

from __future__ import annotations

import ctypes
import os
from ctypes import (
    POINTER,
    c_char_p,
    c_int,
    c_int32,
    c_size_t,
    c_ubyte,
    c_uint32,
    c_uint64,
    c_void_p,
)
from dataclasses import dataclass, field
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pytest

ERRORS = (
    "lost sync",
    "bad header",
    "frame CRC mismatch",
    "unparseable stream",
    "bad metadata",
    "out of bounds",
    "missing frame",
)

_READ_CONTINUE, _READ_END, _READ_ABORT = 0, 1, 2
_END_OF_STREAM, _ABORTED = 4, 7


@dataclass
class Verdict:
    """What libFLAC makes of a stream."""

    samples: np.ndarray | None
    """int32 of shape (channel, sample); None when frames differ in their channels, or none came."""
    errors: list[str] = field(default_factory=list)
    block_sizes: list[int] = field(default_factory=list)
    depths: set[int] = field(default_factory=set)
    numbers: list[int] = field(default_factory=list)
    """Of the first sample of each frame."""
    md5_ok: bool = True

    @property
    def accepted(self) -> bool:
        return not self.errors and self.samples is not None


class _FrameHeader(ctypes.Structure):
    _fields_ = [
        ("blocksize", c_uint32),
        ("sample_rate", c_uint32),
        ("channels", c_uint32),
        ("channel_assignment", c_int),
        ("bits_per_sample", c_uint32),
        ("number_type", c_int),
        ("number", c_uint64),
        ("crc", c_ubyte),
    ]


_Read = ctypes.CFUNCTYPE(c_int, c_void_p, POINTER(c_ubyte), POINTER(c_size_t), c_void_p)
_Write = ctypes.CFUNCTYPE(
    c_int, c_void_p, POINTER(_FrameHeader), POINTER(POINTER(c_int32)), c_void_p
)
_Metadata = ctypes.CFUNCTYPE(None, c_void_p, c_void_p, c_void_p)
_Error = ctypes.CFUNCTYPE(None, c_void_p, c_int, c_void_p)


def library_paths() -> list[str]:
    """Return where libFLAC may be, in the order of asking."""
    if named := os.environ.get("LIBFLAC"):
        return [named]
    found = ["libFLAC.so.14", "libFLAC.so.12", "libFLAC.12.dylib", "libFLAC.dylib"]
    spec = find_spec("pyflac")
    for folder in (spec.submodule_search_locations or []) if spec else []:
        for pattern in ("libFLAC*.so*", "libFLAC*.dylib"):
            found += map(str, sorted(Path(folder, "libraries").rglob(pattern)))
    return found


@cache
def find_library() -> tuple[str, ctypes.CDLL] | None:
    """Return version and handle of the newest libFLAC here, or None."""
    best: tuple[str, ctypes.CDLL] | None = None
    for path in library_paths():
        try:
            library = ctypes.CDLL(path)
            version = c_char_p.in_dll(library, "FLAC__VERSION_STRING").value.decode()
        except (OSError, ValueError):  # not here, or for another machine
            continue
        if best is None or _numbers(version) > _numbers(best[0]):
            best = version, library
    if best is not None:
        _declare(best[1])
    return best


def _numbers(version: str) -> list[int]:
    return [int(part) for part in version.split("-")[0].split(".") if part.isdigit()]


def _declare(library: ctypes.CDLL) -> None:
    library.FLAC__stream_decoder_new.restype = c_void_p
    for name in (
        "delete", "finish", "process_single", "process_until_end_of_stream", "get_state",
        "set_md5_checking", "init_stream",
    ):  # fmt: skip
        function = getattr(library, f"FLAC__stream_decoder_{name}")
        function.restype = None if name == "delete" else c_int
        function.argtypes = [c_void_p]
    library.FLAC__stream_decoder_set_md5_checking.argtypes = [c_void_p, c_int]
    library.FLAC__stream_decoder_init_stream.argtypes = [
        c_void_p, _Read, c_void_p, c_void_p, c_void_p, c_void_p, _Write, c_void_p, _Error, c_void_p,
    ]  # fmt: skip


def need_library() -> ctypes.CDLL:
    """Return libFLAC, or skip the test."""
    found = find_library()
    if found is None:
        pytest.skip(
            "skipped: no libFLAC to compare with (Debian: libflac12; or pip install pyflac)"
        )
    return found[1]


def judge(data: bytes | bytearray | memoryview, *, md5: bool = False) -> Verdict:
    """Decode a whole stream with libFLAC.

    Reading goes on after an error, as libFLAC does: `errors` holds all of them.
    """
    library = need_library()
    data = bytes(data)
    verdict = Verdict(None)
    planes: list[list[np.ndarray]] = []
    position = 0
    raised: list[BaseException] = []

    def read(_: Any, target: Any, size: Any, __: Any) -> int:
        nonlocal position
        count = min(size[0], len(data) - position)
        ctypes.memmove(target, data[position : position + count], count)
        position += count
        size[0] = count
        return _READ_CONTINUE if count else _READ_END

    def write(_: Any, header: Any, buffer: Any, __: Any) -> int:
        try:
            found = header[0]
            shape = (found.blocksize,)
            planes.append(
                [np.ctypeslib.as_array(buffer[c], shape).copy() for c in range(found.channels)]
            )
            verdict.block_sizes.append(found.blocksize)
            verdict.depths.add(found.bits_per_sample)
            verdict.numbers.append(found.number)
        except BaseException as error:  # must not pass through libFLAC's frames
            raised.append(error)
            return 1
        return 0

    def complain(_: Any, status: int, __: Any) -> None:
        verdict.errors.append(ERRORS[status] if status < len(ERRORS) else f"error {status}")

    callbacks = _Read(read), _Write(write), _Error(complain)
    decoder = library.FLAC__stream_decoder_new()
    try:
        library.FLAC__stream_decoder_set_md5_checking(decoder, int(md5))
        status = library.FLAC__stream_decoder_init_stream(
            decoder, callbacks[0], None, None, None, None, callbacks[1], None, callbacks[2], None
        )
        assert status == 0, f"libFLAC cannot start: {status}"
        going = library.FLAC__stream_decoder_process_until_end_of_stream(decoder)
        state = library.FLAC__stream_decoder_get_state(decoder)
        if not going or state != _END_OF_STREAM:
            verdict.errors.append(f"stopped in state {state}")
        verdict.md5_ok = bool(library.FLAC__stream_decoder_finish(decoder))
    finally:
        library.FLAC__stream_decoder_delete(decoder)
    if raised:
        raise raised[0]
    if planes and len({len(frame) for frame in planes}) == 1:
        verdict.samples = np.stack(
            [np.concatenate([frame[c] for frame in planes]) for c in range(len(planes[0]))]
        )
    return verdict
