"""Which bands and which resolution of a raster are meant: numbers and names to positions."""

from __future__ import annotations

from collections.abc import Sequence

from ..errors import SelectionError

#: Node of the full resolution in a tree, where it stands beside the overviews.
FULL_RESOLUTION = "full"


def overview_name(level: int) -> str:
    """Name of the group of an overview; level 1 is the largest."""
    return f"overview_{level}"


def level_names(count: int) -> list[str]:
    """Names of `count` levels, full resolution first."""
    return [FULL_RESOLUTION, *(overview_name(level) for level in range(1, count))]


def resolve_level(count: int, overview: int | None = None, group: str | None = None) -> int | None:
    """The level of `count` that an overview's number or a group's name means, None for neither."""
    if group is not None:
        names = level_names(count)
        name = group.strip("/") or FULL_RESOLUTION
        if name not in names:
            raise SelectionError(f"there is no group {name!r}; the file has {names}")
        return names.index(name)
    if overview is not None and not 0 <= overview < count:
        held = f"0 (the full resolution) to {count - 1}" if count > 1 else "none"
        raise SelectionError(f"there is no overview {overview}; the file has {held}")
    return overview


def resolve_bands(count: int, bands: Sequence[int] | None) -> list[int]:
    """Positions of the bands asked for by number, all of `count` by default.

    Users, GDAL and `RasterSource` number bands from 1. Where arrays are indexed, that is in
    `TileIndex`, `TileReader`, cubes and virtual datasets, positions count from 0.

    Raises
    ------
    SelectionError
        When there is no such band, or one is asked for twice.
    """
    if bands is None:
        return list(range(count))
    chosen = [int(band) for band in bands]
    if not chosen or len(set(chosen)) != len(chosen):
        raise SelectionError(f"bands is {chosen}, expected each band at most once, one at least")
    for band in chosen:
        if not 1 <= band <= count:
            held = f"bands 1 to {count}" if count > 1 else "band 1 only"
            raise SelectionError(f"there is no band {band}; the file has {held}")
    return [band - 1 for band in chosen]


def check_request(bands: Sequence[int] | None, overview: int | None, group: str | None) -> None:
    """Refuse a request that is wrong for any file."""
    if overview is not None and group is not None:
        raise SelectionError("give overview or group, not both")
    if isinstance(bands, int | str):
        raise SelectionError(f"bands is {bands!r}; give a list of numbers, such as [1]")
    if isinstance(overview, str):
        raise SelectionError(f"overview is {overview!r}; give a number, such as 1")
