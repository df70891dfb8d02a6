"""The chain of metadata blocks in front of the frames: bytes <-> `Head`.

Knows RFC 9639 sections 7 and 8 (block headers, VORBIS_COMMENT) and that some taggers put an
ID3v2 tag in front. Knows neither what comments mean nor frames.
Every length is checked against the buffer before anything is read or allocated.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import lru_cache

from .brief import brief
from .errors import ConfigurationError, CorruptFlacError
from .streaminfo import STREAMINFO_SIZE, StreamInfo

MARKER = b"fLaC"
_STREAMINFO, _APPLICATION, _VORBIS_COMMENT, _FORBIDDEN = 0, 2, 4, 127
_DESCRIPTION = b"zfpt"
"""Of the APPLICATION block that describes a predicted tile."""
_LAST = 0x80
_MAX_BLOCK = 2**24 - 1
_ID3_HEADER = 10
_BLOCK_HEADER = struct.Struct(">I")
_REMEMBERED = 4096
"""Bytes of comments up to which they are remembered: tiles of a product often have the same."""
_COMMENT_KEY = frozenset(map(chr, range(0x20, 0x7E))) - {"="}


@dataclass(frozen=True, slots=True)
class Head:
    """Everything a FLAC stream says before its first frame."""

    streaminfo: StreamInfo
    comments: dict[str, str] = field(default_factory=dict)
    """VORBIS_COMMENT fields; keys in upper case, the first of equal keys wins."""
    vendor: str = ""
    """The vendor string: which program wrote the stream."""
    frames_offset: int = 0
    """Byte at which the first frame begins."""
    description: bytes | None = None
    """What describes a predicted tile; None in all other streams."""


def parse_head(buffer: bytes | bytearray | memoryview) -> Head:
    """Read the metadata blocks at the start of a FLAC stream.

    Blocks other than STREAMINFO, VORBIS_COMMENT and the description of a predicted tile are stepped
    over.

    Parameters
    ----------
    buffer
        The stream, or at least its first bytes up to the first frame.

    Raises
    ------
    CorruptFlacError
        No FLAC, a head that is damaged, or one that goes on behind the end of `buffer`.
    """
    view = memoryview(buffer).cast("B")
    position = 0 if view[:4] == MARKER else skip_id3(view)
    if view[position : position + 4] != MARKER:
        raise CorruptFlacError(
            f"Found {bytes(view[position : position + 4])!r} at byte {position} where a FLAC "
            f"stream has {MARKER!r}. These bytes are not FLAC, or were cut in the wrong place."
        )
    position += 4
    streaminfo: StreamInfo | None = None
    comments: dict[str, str] | None = None
    description: bytes | None = None
    vendor = ""
    last = 0
    while not last:
        if position + 4 > len(view):
            raise CorruptFlacError(
                f"The stream ends at byte {len(view)}, within the metadata block header at "
                f"byte {position}. It is truncated: fetch all of it."
            )
        (header,) = _BLOCK_HEADER.unpack_from(view, position)
        last, kind, length = header >> 31, header >> 24 & 0x7F, header & _MAX_BLOCK
        start, position = position + 4, position + 4 + length
        if position > len(view):
            raise CorruptFlacError(
                f"The metadata block of type {kind} at byte {start - 4} claims {length} bytes; "
                f"only {len(view) - start} are left. The stream is truncated or damaged."
            )
        if (kind == _STREAMINFO) is not (streaminfo is None):
            raise CorruptFlacError(
                f"Found a metadata block of type {kind} at byte {start - 4}; STREAMINFO (type 0) "
                "must come first, and once. The head of this stream is damaged."
            )
        if kind == _STREAMINFO:
            streaminfo = StreamInfo.parse(view[start:position])
        elif kind == _VORBIS_COMMENT and comments is None:
            vendor, comments = _comments(view[start:position], start)
        elif kind == _APPLICATION and view[start : start + 4] == _DESCRIPTION:
            if description is not None:
                raise CorruptFlacError(
                    f"Found a second description of a predicted tile at byte {start - 4}. "
                    "The head of this stream is damaged."
                )
            description = bytes(view[start + 4 : position])
        elif kind == _FORBIDDEN:
            raise CorruptFlacError(
                f"Found the forbidden metadata block type 127 at byte {start - 4}. "
                "The head of this stream is damaged."
            )
    assert streaminfo is not None  # the first turn of the loop sets it or raises
    return Head(streaminfo, comments or {}, vendor, position, description)


def head_end(buffer: bytes | bytearray | memoryview) -> int:
    """Where the first frame begins, as far as a buffer tells.

    Parameters
    ----------
    buffer
        The first bytes of a stream.

    Returns
    -------
    int
        The length of the head. Where it is more than that of `buffer`, the head is at least so
        long: ask again with as many bytes.

    Raises
    ------
    CorruptFlacError
        No FLAC stream begins here.
    """
    view = memoryview(buffer).cast("B")
    if len(view) < _ID3_HEADER and b"ID3".startswith(bytes(view[:3])):
        return _ID3_HEADER
    position = skip_id3(view)
    found = bytes(view[position : position + len(MARKER)])
    if not MARKER.startswith(found):
        raise CorruptFlacError(
            f"Found {found!r} at byte {position} where a FLAC stream has {MARKER!r}. These bytes "
            "are not FLAC, or were cut in the wrong place."
        )
    position += len(MARKER)
    last = 0
    while not last and position + 4 <= len(view):
        last = view[position] & _LAST
        position += 4 + int.from_bytes(view[position + 1 : position + 4], "big")
    return position if last else position + 4


def block_headers(view: memoryview, position: int) -> Iterator[tuple[int, int, int]]:
    """Step over metadata blocks from `position` on: type, first byte and end of each.

    The end of the last one may be behind the end of the buffer.
    """
    last = 0
    while not last and position + 4 <= len(view):
        (header,) = _BLOCK_HEADER.unpack_from(view, position)
        last, kind, length = header >> 31, header >> 24 & 0x7F, header & _MAX_BLOCK
        yield kind, position + 4, position + 4 + length
        position += 4 + length


def skip_id3(view: memoryview) -> int:
    """Byte behind an ID3v2 tag (its length is four bytes of seven bits), or 0 without one.

    Raises
    ------
    CorruptFlacError
        The tag is truncated or damaged.
    """
    if bytes(view[:3]) != b"ID3":
        return 0
    if len(view) < _ID3_HEADER or any(byte & 0x80 for byte in view[6:10]):
        raise CorruptFlacError("The ID3v2 tag in front of the stream is truncated or damaged.")
    a, b, c, d = view[6:10]
    footer = 10 if view[5] & 0x10 else 0
    return 10 + (a << 21 | b << 14 | c << 7 | d) + footer


def pack_head(
    streaminfo: StreamInfo,
    comments: Mapping[str, str],
    vendor: str,
    description: bytes | None = None,
) -> bytes:
    """Write ``fLaC``, STREAMINFO and one VORBIS_COMMENT; no padding. Inverse of `parse_head`.

    With the description of a predicted tile, it stands between the two.

    Raises
    ------
    ConfigurationError
        A comment key has other characters than printable ASCII without ``=``, or the comments
        need more than the 16 MiB of a metadata block.
    """
    parts = [_length_prefixed(vendor), struct.pack("<I", len(comments))]
    for key, value in comments.items():
        if not key or not _COMMENT_KEY.issuperset(key):
            raise ConfigurationError(
                f"The comment key {brief(key)} is not allowed; FLAC takes printable ASCII "
                "without '='."
            )
        parts.append(_length_prefixed(f"{key}={value}"))
    body = b"".join(parts)
    if len(body) > _MAX_BLOCK:
        raise ConfigurationError(
            f"The comments take {len(body)} bytes; a metadata block holds {_MAX_BLOCK}. "
            "Keep long metadata outside the tile."
        )
    application = b""
    if description is not None:
        application = _block_header(_APPLICATION, 4 + len(description)) + _DESCRIPTION + description
    return b"".join(
        (
            MARKER,
            _block_header(_STREAMINFO, STREAMINFO_SIZE),
            streaminfo.pack(),
            application,
            _block_header(_VORBIS_COMMENT | _LAST, len(body)),
            body,
        )
    )


def bare_head(streaminfo: StreamInfo) -> bytes:
    """Write the 42 bytes of the smallest head: ``fLaC`` and STREAMINFO, nothing else."""
    return MARKER + _block_header(_STREAMINFO | _LAST, STREAMINFO_SIZE) + streaminfo.pack()


def _block_header(kind: int, length: int) -> bytes:
    return bytes((kind,)) + length.to_bytes(3, "big")


def _length_prefixed(text: str) -> bytes:
    try:
        raw = text.encode()
    except UnicodeEncodeError as error:
        raise ConfigurationError(
            f"The comment {brief(text)} cannot be written as UTF-8."
        ) from error
    return struct.pack("<I", len(raw)) + raw


def _comments(block: memoryview, offset: int) -> tuple[str, dict[str, str]]:
    """Vendor string and fields of a VORBIS_COMMENT block; `offset` is its place, for messages."""
    if len(block) > _REMEMBERED:
        return _parse_comments(block, offset)
    vendor, fields = _parse_known_comments(bytes(block), offset)
    return vendor, fields.copy()


@lru_cache(maxsize=64)
def _parse_known_comments(block: bytes, offset: int) -> tuple[str, dict[str, str]]:
    return _parse_comments(memoryview(block), offset)


def _parse_comments(block: memoryview, offset: int) -> tuple[str, dict[str, str]]:
    position = 0

    def number() -> int:
        nonlocal position
        if position + 4 > len(block):
            raise _short(offset + position)
        (value,) = struct.unpack_from("<I", block, position)
        position += 4
        return int(value)

    def text() -> str:
        nonlocal position
        length = number()
        if length > len(block) - position:
            raise _short(offset + position)
        raw = bytes(block[position : position + length])
        position += length
        try:
            return raw.decode()
        except UnicodeDecodeError as error:
            raise CorruptFlacError(
                f"The comment at byte {offset + position - length} is not UTF-8 ({error.reason}). "
                "The head of this stream is damaged."
            ) from error

    vendor = text()
    count = number()
    if count > (len(block) - position) // 4:  # each field has a length of four bytes
        raise _short(offset + position)
    comments: dict[str, str] = {}
    for _ in range(count):
        key, equals, value = text().partition("=")
        if not equals:
            raise CorruptFlacError(
                f"The comment {brief(key)} before byte {offset + position} has no '='. "
                "The head of this stream is damaged."
            )
        comments.setdefault(key.upper(), value)
    if position != len(block):
        raise CorruptFlacError(
            f"{len(block) - position} bytes are left over behind the last comment at byte "
            f"{offset + position}. The head of this stream is damaged."
        )
    return vendor, comments


def _short(position: int) -> CorruptFlacError:
    return CorruptFlacError(
        f"A length at byte {position} reaches behind the end of the VORBIS_COMMENT block. "
        "The head of this stream is damaged."
    )
