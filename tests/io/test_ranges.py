"""Byte ranges: every piece in one request, neighbours in the same, nothing else in between."""

from __future__ import annotations

import itertools

from hypothesis import given
from hypothesis import strategies as st

from virtual_flac.io.ranges import merge_ranges

PIECES = st.lists(st.tuples(st.integers(0, 300), st.integers(1, 40)), max_size=20)
LIMITS = st.one_of(st.none(), st.integers(1, 100))


@given(pieces=PIECES, max_gap=st.integers(0, 30), max_bytes=LIMITS)
def test_every_piece_lies_in_its_range_and_gaps_are_no_longer_than_allowed(
    pieces, max_gap, max_bytes
):
    offsets, lengths = [p[0] for p in pieces], [p[1] for p in pieces]
    merged = merge_ranges(offsets, lengths, max_gap=max_gap, max_bytes=max_bytes)
    assert sorted(m for r in merged for m in r.members) == list(range(len(pieces)))
    longest = max(lengths, default=0)
    for r in merged:
        covered = set()
        for member in r.members:
            covered |= set(range(offsets[member], offsets[member] + lengths[member]))
        assert (min(covered), max(covered) + 1) == (r.start, r.end)
        holes = sorted(set(range(r.start, r.end)) - covered)
        runs = sum(1 for i, byte in enumerate(holes) if i == 0 or holes[i - 1] != byte - 1)
        assert len(holes) <= max_gap * runs
        assert max_bytes is None or r.length <= max(max_bytes, longest)
        assert r.header == f"bytes={r.start}-{r.end - 1}"


@given(pieces=PIECES, max_gap=st.integers(0, 30))
def test_no_two_ranges_could_still_be_joined(pieces, max_gap):
    merged = merge_ranges([p[0] for p in pieces], [p[1] for p in pieces], max_gap=max_gap)
    for before, after in itertools.pairwise(merged):
        assert after.start - before.end > max_gap
