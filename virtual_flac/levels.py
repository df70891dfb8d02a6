"""Which bands and which resolution of a raster are meant: numbers and names to positions.

Knows the names of the groups that levels become; knows nothing of files, Zarr or xarray.
"""

from __future__ import annotations

from collections.abc import Sequence

from .errors import SelectionError
from .index import TileIndex

#: Node of the full resolution in a tree, where it stands beside the overviews.
FULL_RESOLUTION = "full"


def overview_name(level: int) -> str:
    """Name of the group of an overview; level 1 is the largest."""
    return f"overview_{level}"


def level_names(count: int) -> list[str]:
    """Names of `count` levels, full resolution first."""
    return [FULL_RESOLUTION, *(overview_name(level) for level in range(1, count))]


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
    if overview is not None and not 0 <= overview < len(index.levels):
        raise SelectionError(
            f"{url}: there is no level {overview}; the file has levels 0 to {len(index.levels) - 1}"
        )
    return overview


def choose_bands(index: TileIndex, bands: Sequence[int] | None) -> list[int]:
    """0-based positions of 1-based bands, all of them by default.

    Raises
    ------
    SelectionError
        When the file has no such band, or one is named twice.
    """
    count = index.raster.count
    if bands is None:
        return list(range(count))
    chosen = [int(band) for band in bands]
    if not chosen or not all(1 <= band <= count for band in chosen):
        raise SelectionError(f"bands {list(bands)} were asked for; the file has bands 1 to {count}")
    if len(set(chosen)) != len(chosen):
        raise SelectionError(f"bands {list(bands)} name a band twice")
    return [band - 1 for band in chosen]


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
