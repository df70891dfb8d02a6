"""In which pieces a raster is read."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from virtual_flac.model.grid import Window
from virtual_flac.model.pieces import MAX_CACHE_BYTES, ReadPlan, whole_tiles


@given(
    window=st.builds(
        Window, st.integers(0, 30), st.integers(0, 30), st.integers(1, 60), st.integers(1, 60)
    ),
    unit=st.tuples(st.integers(1, 80), st.integers(1, 80)),
    pixel_bytes=st.integers(1, 64),
    read_bytes=st.integers(1, 1 << 14),
)
def test_pieces_are_the_window_and_cut_no_unit(window, unit, pixel_bytes, read_bytes):
    plan = ReadPlan(window, unit, pixel_bytes, read_bytes)
    left, top, width, height = window
    seen = np.zeros((top + height, left + width), int)
    for col, row, wide, high in plan.pieces():
        seen[row : row + high, col : col + wide] += 1
        for start, end, edge, step in (
            (col, col + wide, left + width, unit[1]),
            (row, row + high, top + height, unit[0]),
        ):
            assert start % step == 0 or start in (left, top)
            assert end % step == 0 or end == edge
        one_unit = min(unit[0], height) * unit[1] * pixel_bytes
        assert high * wide * pixel_bytes <= max(read_bytes, one_unit)
    assert (seen[top:, left:] == 1).all()
    assert seen.sum() == width * height


@pytest.mark.parametrize(
    ("width", "block", "expected"),
    [
        # Strips: whole rows of tiles, nothing to keep.
        (10_980, (1, 10_980), (1, 11, 0)),
        # Tiles that divide ours: as many as 4 MiB hold.
        (10_980, (512, 512), (1, 2, 0)),
        # Several rows of tiles, where they are small.
        (900, (512, 512), (2, 1, 0)),
        # Tiles that do not: a row of them is decoded once if it fits.
        (10_980, (400, 400), (1, 2, 2 * 400 * 10_980 * 2)),
        # Tall tiles: rows of ours together, since a row of theirs might be huge.
        (100_000, (4096, 4096), (4, 4, 0)),
        # Tall strips: GDAL has to hold one anyway.
        (10_980, (4096, 10_980), (1, 11, 4096 * 10_980 * 2)),
        # Too much to keep.
        (400_000, (400, 400), (1, 2, MAX_CACHE_BYTES)),
    ],
)
def test_pieces_suit_the_blocks(width, block, expected):
    unit = whole_tiles(1024, block, width, cached=True)
    plan = ReadPlan(Window(0, 0, width, 20_000), unit, pixel_bytes=2)
    first = next(plan.pieces())
    tiles = -(-first.height // 1024), -(-first.width // 1024)
    assert (*tiles, plan.cache_bytes(block)) == expected


def test_without_a_cache_a_tall_strip_is_read_whole():
    assert whole_tiles(256, (1024, 800), 800, cached=False) == (1024, 1024)
