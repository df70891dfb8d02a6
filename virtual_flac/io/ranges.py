"""Byte ranges: which pieces of a file are read together."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class MergedRange:
    """Bytes that one request reads, and which of the wanted pieces lie in them.

    Parameters
    ----------
    start, end : int
        First byte, and the one behind the last.
    members : tuple of int
        Positions of the pieces in the lists given to `merge_ranges`, by their start.
    """

    start: int
    end: int
    members: tuple[int, ...]

    @property
    def length(self) -> int:
        """Number of bytes."""
        return self.end - self.start

    @property
    def header(self) -> str:
        """Value of the HTTP header ``Range`` (RFC 9110, section 14.2)."""
        return f"bytes={self.start}-{self.end - 1}"


def merge_ranges(
    offsets: Sequence[int],
    lengths: Sequence[int],
    *,
    max_gap: int = 0,
    max_bytes: int | None = None,
) -> list[MergedRange]:
    """Join pieces of one file, in any order, that lie near each other; ranges by their start.

    Gaps of up to `max_gap` bytes are fetched with the pieces. No range becomes longer than
    `max_bytes` by joining; a piece that is longer stays whole.
    """
    merged: list[MergedRange] = []
    start = end = 0
    members: list[int] = []
    for piece in sorted(range(len(offsets)), key=lambda i: (offsets[i], lengths[i])):
        first, last = int(offsets[piece]), int(offsets[piece]) + int(lengths[piece])
        joins = first - end <= max_gap and (
            max_bytes is None or max(end, last) - start <= max_bytes
        )
        if members and not joins:
            merged.append(MergedRange(start, end, tuple(members)))
            members = []
        if not members:
            start = end = first
        end = max(end, last)
        members.append(piece)
    if members:
        merged.append(MergedRange(start, end, tuple(members)))
    return merged
