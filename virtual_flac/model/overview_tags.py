"""Metadata of the overviews' own bands, such as how GDAL computed them, in the header of a file.

A private key: other readers may ignore it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

KEY = "overview_tags"


def pack(levels: Sequence[Sequence[Mapping[str, str]]]) -> dict[str, Any]:
    """The key with a list for each level, from large to small, of a mapping for each band.

    Empty where no band has metadata. A level whose bands are alike has one mapping.
    """
    packed = [tags[:1] if all(items == tags[0] for items in tags) else tags for tags in levels]
    return {KEY: packed} if any(items for tags in levels for items in tags) else {}


def parse(extra: Mapping[str, Any], level: int, count: int) -> list[dict[str, str]]:
    """Metadata of the `count` bands of overview `level`, from 1; empty where `extra` has none."""
    try:
        tags = extra[KEY][level - 1]
        bands = [{str(key): str(value) for key, value in items.items()} for items in tags]
    except (KeyError, IndexError, TypeError, AttributeError):
        return [{}] * count
    return bands * count if len(bands) == 1 else bands
