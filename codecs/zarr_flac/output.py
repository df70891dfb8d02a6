"""The array that a tile is decoded into: the caller's, or a new one of a size that can be right."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import numpy.typing as npt

from .errors import ConfigurationError

MOST_PADDED = 2**30
"""Bytes of a chunk up to which a tile is padded, however little it holds, where only the
configuration says how large the chunk is: 16,384 x 16,384 pixels of 32 bits."""


def output_array(
    out: npt.NDArray[Any] | None,
    shape: tuple[int, ...],
    dtype: np.dtype[Any],
    most: int,
    nbytes: int | None,
) -> npt.NDArray[Any]:
    """The array to decode into; no memory is taken for a chunk of an impossible size.

    Parameters
    ----------
    out
        The caller's array, if any.
    shape, dtype
        Of the chunk, as tile and configuration say.
    most
        Pixels that the tile holds at most, as far as its bytes tell.
    nbytes
        Size of the chunk, where the caller knows it.

    Raises
    ------
    ConfigurationError
        `out` does not fit, or the chunk is of another size than `nbytes`, or so large that only a
        wrong configuration explains it.
    """
    if out is not None:
        if out.shape != shape or out.dtype != dtype:
            raise ConfigurationError(
                f"The array to decode into is {out.dtype.name} of shape {out.shape}; the tile is "
                f"{dtype.name} of shape {shape}."
            )
        return out
    needed = math.prod(shape) * dtype.itemsize
    if nbytes is None and needed > max(MOST_PADDED, most * dtype.itemsize):
        raise ConfigurationError(
            f"A chunk of {dtype.name} of shape {shape} takes {needed} bytes; the tile cannot hold "
            f"so many pixels, and is padded to at most {MOST_PADDED} bytes. Correct chunk_shape, "
            "or decode into an array of that shape."
        )
    if nbytes is not None and needed != nbytes:
        raise ConfigurationError(
            f"The tile decodes to {needed} bytes, {dtype.name} of shape {shape}; the array's chunk "
            f"has {nbytes}. Make chunk_shape and dtype those of the array's chunks."
        )
    return np.empty(shape, dtype)
