"""Metadata of the overviews' own bands, such as how GDAL computed them, in the header of a file.

A private key: other readers may ignore it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ..errors import LayoutError

KEY = "overview_tags"


def pack(levels: Sequence[Sequence[Mapping[str, str]]]) -> dict[str, Any]:
    """The key with a list for each level, from large to small, of a mapping for each band.

    Empty where no band has metadata. A level whose bands are alike has one mapping.
    """
    packed = [tags[:1] if all(items == tags[0] for items in tags) else tags for tags in levels]
    return {KEY: packed} if any(items for tags in levels for items in tags) else {}


def parse(extra: Mapping[str, Any], level: int, count: int) -> list[dict[str, str]]:
    """Metadata of the `count` bands of overview `level`, from 1; empty where `extra` has none."""
    found = extra.get(KEY, [])[level - 1 : level] or [[{}]]
    bands = [dict(items) for items in found[0]]
    return bands * count if len(bands) == 1 else bands


def check(extra: Mapping[str, Any], count: int) -> None:
    """Refuse a key that is not as `pack` writes it, for a raster of `count` bands.

    Raises
    ------
    LayoutError
        When it is something else than text for each of the bands, or one for all of them.
    """
    levels = extra.get(KEY, [])
    fits = isinstance(levels, list) and all(
        isinstance(bands, list)
        and len(bands) in (1, count)
        and all(isinstance(items, dict) for items in bands)
        and all(isinstance(text, str) for items in bands for text in items.values())
        for bands in levels
    )
    if not fits:
        raise LayoutError(
            f"{KEY} is not a list a level of objects of text, one for each of {count} bands or one "
            "for all"
        )
