"""STAC items to URLs, moments and band names. Plain JSON; needs no STAC library.

Items are dictionaries or objects with ``to_dict`` (pystac's). Knows no rasters.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from urllib.parse import urljoin

from ..errors import SelectionError
from .labels import BAND, TIME


@dataclass(frozen=True, slots=True)
class Assets:
    """What items say of their FLAC rasters.

    Parameters
    ----------
    urls : list of str
    labels : dict of str to list
        ``time`` (UTC) and, where more than one asset key was found, ``band``, one value a URL.
    """

    urls: list[str]
    labels: dict[str, list[Any]]


def items_of(source: Any) -> list[Mapping[str, Any]] | None:
    """The items of an ItemCollection, a list of items or one item; None when it is none of them."""
    to_dict = getattr(source, "to_dict", None)
    if callable(to_dict):
        source = to_dict()
    if isinstance(source, Mapping):
        features = source.get("features")
        if isinstance(features, list):
            return items_of(features) if features else []
        return [source] if "assets" in source else None
    if isinstance(source, list | tuple) and source:
        items = [item.to_dict() if hasattr(item, "to_dict") else item for item in source]
        if all(isinstance(item, Mapping) and "assets" in item for item in items):
            return items
    return None


def assets_of(
    items: Iterable[Mapping[str, Any]], keys: Sequence[str] | None, base: str | None
) -> Assets:
    """URLs of the assets of items, with the items' moments.

    Parameters
    ----------
    items : iterable of Mapping
    keys : sequence of str, optional
        Asset keys; by default every asset that is FLAC by its media type or its ending.
    base : str, optional
        Where the items were read, for relative links.

    Raises
    ------
    SelectionError
        When an item has no such asset or no time.
    """
    urls: list[str] = []
    times: list[datetime] = []
    bands: list[str] = []
    for item in items:
        name = item.get("id", "an item")
        assets = item["assets"]
        here = [key for key, asset in assets.items() if _is_flac(asset)] if keys is None else keys
        if not here:
            raise SelectionError(f"item {name}: none of its assets {sorted(assets)} is FLAC")
        for key in here:
            if key not in assets:
                raise SelectionError(
                    f"item {name}: there is no asset {key!r}; it has {sorted(assets)}"
                )
            urls.append(_resolve(assets[key].get("href", ""), item, base))
            times.append(_moment(item))
            bands.append(key)
    labels: dict[str, list[Any]] = {TIME: list(times)}
    if len(set(bands)) > 1:
        labels[BAND] = list(bands)
    return Assets(urls, labels)


def _is_flac(asset: Mapping[str, Any]) -> bool:
    kind = str(asset.get("type", "")).partition(";")[0]
    return kind in ("audio/flac", "audio/x-flac") or str(asset.get("href", "")).endswith(".flac")


def _resolve(href: str, item: Mapping[str, Any], base: str | None) -> str:
    if "://" in href or href.startswith("/"):
        return href
    for link in item.get("links", ()):
        if link.get("rel") == "self" and "://" in link.get("href", ""):
            base = link["href"]
    if base is None:
        return href
    if base.startswith(("s3://", "gs://", "az://")):
        # urljoin joins the schemes that it knows only.
        scheme, _, rest = base.partition("://")
        return f"{scheme}://{urljoin(f'http://{rest}', href).removeprefix('http://')}"
    return urljoin(base, href)


def _moment(item: Mapping[str, Any]) -> datetime:
    properties = item.get("properties", {})
    text = properties.get("datetime") or properties.get("start_datetime")
    try:
        return datetime.fromisoformat(text)
    except (TypeError, ValueError):
        raise SelectionError(
            f"item {item.get('id')}: its datetime is {text!r}; give the values yourself"
        ) from None
