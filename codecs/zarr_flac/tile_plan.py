"""What the head of a tile means for decoding it: the same for all tiles of a kind."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from . import predicted
from .blocks import Head
from .errors import UnsupportedFlacError
from .frame_decoder import ChannelLayout
from .samples import sample_offset
from .spec import EXACT, TileSpec, flac_channels
from .tile_comments import check_meaning, tile_dtype, tile_shapes


@dataclass(frozen=True, slots=True)
class Plan:
    """How tiles with certain comments are decoded."""

    dtype: np.dtype[Any]
    channels: int
    """Of the stream."""
    chunk_shape: tuple[int, ...]
    tile_shape: tuple[int, ...]
    """The part of the chunk that the tile holds."""
    total: int
    """Samples in a channel."""
    layout: ChannelLayout | None
    """Where samples go in a C-contiguous array; None where adding `offset` is not enough."""
    offset: int


def make_plan(head: Head, spec: TileSpec) -> Plan:
    """Work out a plan; the errors are those of `decode_tile`."""
    check_meaning(head, spec)
    dtype = tile_dtype(head, spec)
    channels = flac_channels(spec.channels, dtype, spec.mapping)
    chunk_shape, tile_shape = tile_shapes(head, spec)
    total = math.prod(tile_shape) // spec.planes
    offset = sample_offset(dtype, head.streaminfo.bits_per_sample)
    layout = None
    if spec.mapping == EXACT and offset is not None:
        selection = range(spec.channels) if spec.select is None else spec.select
        first = 1 if spec.channels > 1 else 0
        layout = ChannelLayout.in_chunk(
            chunk_shape[first:], tile_shape[first:], dtype.itemsize, selection, spec.channels
        )
    return Plan(dtype, channels, chunk_shape, tile_shape, total, layout, offset or 0)


@dataclass(frozen=True, slots=True)
class PredictedPlan:
    """How predicted tiles of a certain size with certain comments are decoded."""

    dtype: np.dtype[Any]
    chunk_shape: tuple[int, ...]
    tile_shape: tuple[int, ...]
    """The part of the chunk that the tile holds."""
    plane_shape: tuple[int, int]
    """Rows and columns of a plane of the chunk."""
    places: tuple[int | None, ...]
    """For each band of the tile its plane in the chunk; None where it is not wanted."""


def make_predicted_plan(head: Head, tile: predicted.Description, spec: TileSpec) -> PredictedPlan:
    """Work out the plan of a predicted tile; `check_meaning` comes before, errors as there."""
    head = predicted.with_comments(head, tile)
    dtype = tile_dtype(head, spec)
    chunk_shape, tile_shape = tile_shapes(head, spec)
    flat = len(chunk_shape) < 2
    in_plane = tile.bands if flat else math.prod(tile_shape[spec.channels > 1 : -2])
    expected = spec.channels * in_plane
    if tile.bands != expected or (flat and tile.pixels != chunk_shape[0]):
        raise UnsupportedFlacError(
            f"The tile has {tile.bands} bands of {tile.height} rows of {tile.width} pixels; "
            f"expected {expected}, in chunks of {chunk_shape}. Correct the channels and the shape "
            "in the codec configuration."
        )
    places: list[int | None] = [None] * tile.bands
    selection = range(spec.channels) if spec.select is None else spec.select
    for at, plane in enumerate(selection):
        places[plane * in_plane : (plane + 1) * in_plane] = range(
            at * in_plane, (at + 1) * in_plane
        )
    plane_shape = (tile.height, tile.width) if flat else chunk_shape[-2:]
    return PredictedPlan(
        dtype, chunk_shape, tile_shape, (plane_shape[0], plane_shape[1]), tuple(places)
    )
