"""The codec in C (c/module.c). Private: see zarr_flac.decode, zarr_flac.encode_tile."""

import numpy as np
import numpy.typing as npt

_Buffer = bytes | bytearray | memoryview
_Stream = tuple[int, int, int, int, int, int, int, bool, bool, int]
_Report = tuple[int, str, int, int, int]

def decode(
    data: _Buffer,
    stream: _Stream,
    out: npt.NDArray[np.generic],
    planes: tuple[int, ...],
    width: int,
    row_stride: int,
    item_size: int,
    offset: int,
    sum_up: bool,
    /,
) -> tuple[_Report, int]: ...
def encode(
    pixels: npt.NDArray[np.generic],
    number: int,
    swapped: bool,
    depth: int,
    block_size: int,
    effort: int,
    stereo: bool,
    md5: bool,
    skipped_loops: int,
    /,
) -> tuple[int, str, bytes, int, int, int, bytes]: ...
def describe_predicted(description: _Buffer, /) -> tuple[int, str, int, int, int, int]: ...
def decode_predicted(
    data: _Buffer,
    first_frame: int,
    max_block_size: int,
    depth: int,
    total: int,
    most_lanes: int,
    description: _Buffer,
    out: npt.NDArray[np.generic],
    offsets: tuple[int, ...],
    row_stride: int,
    sum_up: bool,
    /,
) -> tuple[_Report, int]: ...
def encode_predicted(
    pixels: npt.NDArray[np.generic], dtype: int, effort: int, md5: bool, /
) -> tuple[bytes, bytes, int, int, int, int, int, bytes]: ...
def scan_state(first_byte: int, /) -> bytearray: ...
def scan(
    data: _Buffer, stream: _Stream, state: bytearray, last: bool, /
) -> tuple[_Report, bytes, int]: ...
def first_header(data: _Buffer, /) -> tuple[int, str, int, int, int]: ...
def lookup(
    samples: npt.NDArray[np.int32], table: npt.NDArray[np.int32], out: npt.NDArray[np.generic], /
) -> int: ...
def crc16(data: _Buffer, tables: bool, /) -> int: ...
def crc32(data: _Buffer, /) -> int: ...
def crc32_ways(data: _Buffer, /) -> list[int | None]: ...
def kernels() -> list[int]: ...
def loops() -> int: ...
