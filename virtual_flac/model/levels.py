"""Which bands and which resolution of a raster are meant: numbers and names to positions.

Knows the names of the groups that levels become; knows nothing of files, Zarr or xarray.
"""

from __future__ import annotations

from collections.abc import Sequence

from ..errors import SelectionError, prefixed_with
from .index import TileIndex

#: Node of the full resolution in a tree, where it stands beside the overviews.
FULL_RESOLUTION = "full"


def overview_name(level: int) -> str:
    """Name of the group of an overview; level 1 is the largest."""
    return f"overview_{level}"


def level_names(count: int) -> list[str]:
    """Names of `count` levels, full resolution first."""
    return [FULL_RESOLUTION, *(overview_name(level) for level in range(1, count))]


def check_level(count: int, level: int) -> None:
    """Refuse a level that is not one of `count`.

    Raises
    ------
    SelectionError
        When there is no such level.
    """
    if not 0 <= level < count:
        held = f"0 (the full resolution) to {count - 1}" if count > 1 else "none"
        raise SelectionError(f"there is no overview {level}; the file has {held}")


def check_bands(count: int, bands: Sequence[int] | None) -> list[int]:
    """1-based numbers of the bands asked for, all of `count` by default.

    Raises
    ------
    SelectionError
        When there is no such band, or one is asked for twice.
    """
    if bands is None:
        return list(range(1, count + 1))
    chosen = [int(band) for band in bands]
    if not chosen or len(set(chosen)) != len(chosen):
        raise SelectionError(f"bands is {chosen}, expected each band at most once, one at least")
    for band in chosen:
        if not 1 <= band <= count:
            held = f"bands 1 to {count}" if count > 1 else "band 1 only"
            raise SelectionError(f"there is no band {band}; the file has {held}")
    return chosen


def choose_level(
    index: TileIndex, url: str, *, overview: int | None = None, group: str | None = None
) -> int | None:
    """The level that `overview` or `group` name, None when neither is given.

    Raises
    ------
    SelectionError
        When the file has no such level.
    """
    if group is not None:
        names = level_names(len(index.levels))
        name = group.strip("/") or FULL_RESOLUTION
        if name not in names:
            raise SelectionError(f"{url}: there is no group {name!r}; the file has {names}")
        return names.index(name)
    if overview is not None:
        with prefixed_with(url):
            check_level(len(index.levels), overview)
    return overview


def choose_bands(index: TileIndex, bands: Sequence[int] | None) -> list[int]:
    """0-based positions of 1-based bands, all of them by default.

    Raises
    ------
    SelectionError
        When the file has no such band, or one is named twice.
    """
    return [band - 1 for band in check_bands(index.raster.count, bands)]


def check_request(bands: Sequence[int] | None, overview: int | None, group: str | None) -> None:
    """Refuse what cannot be meant, whatever the file.

    Raises
    ------
    SelectionError
    """
    if overview is not None and group is not None:
        raise SelectionError("give overview or group, not both")
    if isinstance(bands, int | str):
        raise SelectionError(f"bands is {bands!r}; give a list of numbers, such as [1]")
    if isinstance(overview, str):
        raise SelectionError(f"overview is {overview!r}; give a number, such as 1")
