"""One value for each square of pixels, gathered piece by piece: their mean, or one of them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt

from ..model.grid import Window

FloatArray = npt.NDArray[np.float64]
#: A window, its pixels, and which of these are to be seen.
Seen = tuple[Window, npt.NDArray[Any], npt.NDArray[np.bool_]]


def averages(
    pieces: Iterator[Seen],
    factor: int,
    shape: tuple[int, int, int],
) -> tuple[FloatArray, npt.NDArray[np.bool_]]:
    """Means of the valid pixels of each square, and where there are any; (band, y, x) both."""
    sums = np.zeros(shape)
    counts = np.zeros(shape)
    for window, pixels, valid in pieces:
        if pixels.dtype.kind == "f":
            valid = valid & np.isfinite(pixels)
        rows, where_rows = _groups(window.row_off, window.height, factor)
        cols, where_cols = _groups(window.col_off, window.width, factor)
        for total, part in (
            (sums, np.where(valid, pixels, 0).astype(np.float64)),
            (counts, valid.astype(np.float64)),
        ):
            part = np.add.reduceat(np.add.reduceat(part, rows, axis=1), cols, axis=2)
            total[:, where_rows, where_cols] += part
    return sums / np.maximum(counts, 1), counts > 0


def _groups(start: int, length: int, factor: int) -> tuple[npt.NDArray[np.intp], slice]:
    """Where squares begin inside a piece, and which squares they are."""
    first, last = start // factor, (start + length - 1) // factor
    edges = np.arange(first, last + 1) * factor - start
    return np.maximum(edges, 0).astype(np.intp), slice(first, last + 1)


def nearest(
    pieces: Iterator[Seen],
    factor: int,
    shape: tuple[int, int, int],
) -> tuple[FloatArray, npt.NDArray[np.bool_]]:
    """One pixel of each square, for values that have no mean."""
    values = np.zeros(shape)
    valid = np.zeros(shape, np.bool_)
    for window, pixels, seen in pieces:
        top, left = -window.row_off % factor, -window.col_off % factor
        row, col = -(-window.row_off // factor), -(-window.col_off // factor)
        part = pixels[:, top::factor, left::factor]
        where = slice(row, row + part.shape[1]), slice(col, col + part.shape[2])
        values[:, *where] = part
        valid[:, *where] = seen[:, top::factor, left::factor]
    return values, valid
