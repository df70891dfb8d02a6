"""What the caller of `stack` gave, as URLs and labels: lists of files, STAC items, JSON of those.

Items are plain dictionaries, or objects with ``to_dict`` (pystac's): no STAC library is needed.
Nothing is read but such JSON.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from urllib.parse import urljoin

from ..errors import SelectionError, SourcePermissionError
from ..io.file_reader import FileReader
from ..io.json_text import parse_json
from ..io.stores import is_remote, registry_for, to_url
from .labels import BAND, TIME, given_labels, labels_from_names


@dataclass(frozen=True, slots=True)
class CubeInputs:
    """Rasters and their labels."""

    urls: list[str]
    labels: dict[str, list[Any]]
    """By dimension, in their order, one value a URL."""
    bands_ordered: bool
    """Whether bands stand in an order that somebody chose."""


def find_inputs(
    given: Any,
    dim: str | Sequence[str] | None,
    values: Sequence[Any] | Mapping[str, Sequence[Any]] | None,
    pattern: str | None,
    assets: Sequence[str] | None,
    options: Mapping[str, Any],
    *,
    mosaic: bool,
) -> CubeInputs:
    """URLs and labels of what `stack` was given; see there.

    Raises
    ------
    SelectionError
        When there is nothing to stack, or no label for it.
    """
    dims = None if dim is None else [dim] if isinstance(dim, str) else list(dim)
    if dims == [] and not mosaic:
        raise SelectionError("name a dimension to stack along, or pass mosaic=True (--mosaic)")
    if dims is not None and len(set(dims)) != len(dims):
        raise SelectionError(f"the dimensions {dims} name one twice")
    for name in dims or ():
        if name in ("x", "y", "spatial_ref"):
            raise SelectionError(
                f"{name!r} is not a new dimension; mosaics are made by --mosaic (mosaic=True)"
            )
    base = None
    if isinstance(given, list | tuple) and len(given) == 1 and _is_json(given[0]):
        given = given[0]  # on a command line everything is a list
    if isinstance(given, str | os.PathLike):
        given, base = _read_json(given, options)
    elif not isinstance(given, Mapping | list | tuple) and not hasattr(given, "to_dict"):
        given = list(given)
    items = items_of(given)
    if items is None:
        urls, found = _raster_urls(given, assets), None
    else:
        urls, found = _assets_of(items, assets, base)
    if not urls:
        raise SelectionError("there are no rasters to stack")
    if values is not None:
        labels = given_labels(values, dims, len(urls))
    elif found is not None:
        labels = _chosen(found, dims)
    elif dims == []:
        labels = {}
    else:
        labels = labels_from_names(urls, pattern, dims, optional=mosaic)
    if BAND in labels:
        labels[BAND] = labels.pop(BAND)  # stands before y and x
    return CubeInputs(urls, labels, bands_ordered=values is not None or items is not None)


def _raster_urls(given: Any, assets: Sequence[str] | None) -> list[str]:
    if assets is not None:
        raise SelectionError("assets (--asset) belong to STAC items; these are URLs")
    if isinstance(given, Mapping):
        raise SelectionError("a mapping was given; expected URLs or STAC items")
    urls = []
    for each in given:
        if "*" in os.fspath(each) and is_remote(each):
            raise SelectionError(
                f"{os.fspath(each)}: wildcards work for local files only; list the URLs. A star in "
                "the name of a file is written %2A, on web servers."
            )
        urls.append(to_url(each))
    return urls


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


def _assets_of(
    items: Iterable[Mapping[str, Any]], keys: Sequence[str] | None, base: str | None
) -> tuple[list[str], dict[str, list[Any]]]:
    """The assets of items, with the items' moments and, where there are several keys, bands."""
    urls: list[str] = []
    times: list[datetime] = []
    bands: list[str] = []
    for item in items:
        name, assets = item.get("id", "an item"), item["assets"]
        here = [key for key, asset in assets.items() if _is_flac(asset)] if keys is None else keys
        if not here:
            raise SelectionError(f"item {name}: none of its assets {sorted(assets)} is FLAC")
        for key in here:
            if key not in assets:
                raise SelectionError(
                    f"item {name}: there is no asset {key!r}; it has {sorted(assets)}"
                )
            url = to_url(_resolve(assets[key].get("href", ""), item, base))
            if base is not None and is_remote(base) and not is_remote(url):
                raise SourcePermissionError(
                    f"{base}: item {name} names {url}, on this machine. Items from elsewhere may "
                    "not; if you trust these, fetch the JSON and pass the items themselves."
                )
            urls.append(url)
            times.append(_moment(item))
            bands.append(key)
    several = {BAND: bands} if len(set(bands)) > 1 else {}
    return urls, {TIME: times, **several}


def _chosen(found: dict[str, list[Any]], dims: Sequence[str] | None) -> dict[str, list[Any]]:
    """The labels of items along the dimensions wanted, all by default."""
    if dims is None:
        return found
    unknown = [name for name in dims if name not in found]
    # The moments under another name.
    if len(unknown) == 1 and TIME not in dims:
        found[unknown[0]] = found[TIME]
    elif unknown:
        raise SelectionError(f"the items say nothing of {unknown[0]!r}; they have {list(found)}")
    return {name: found[name] for name in dims}


def _is_flac(asset: Mapping[str, Any]) -> bool:
    kind = str(asset.get("type", "")).partition(";")[0]
    return kind in ("audio/flac", "audio/x-flac") or str(asset.get("href", "")).endswith(".flac")


def _resolve(href: str, item: Mapping[str, Any], base: str | None) -> str:
    if "://" in href:
        return href
    if href.startswith("/") and (base is None or not is_remote(base)):
        return href
    for link in item.get("links", ()):
        if link.get("rel") == "self" and "://" in link.get("href", ""):
            base = link["href"]
    if base is None:
        return href
    # urljoin joins only the schemes that it knows.
    scheme, _, rest = base.partition("://")
    return f"{scheme}://{urljoin(f'http://{rest}', href).removeprefix('http://')}"


def _moment(item: Mapping[str, Any]) -> datetime:
    properties = item.get("properties", {})
    text = properties.get("datetime") or properties.get("start_datetime")
    try:
        return datetime.fromisoformat(text)
    except (TypeError, ValueError):
        raise SelectionError(
            f"item {item.get('id')}: its datetime is {text!r}; give the values yourself"
        ) from None


def _is_json(given: Any) -> bool:
    return isinstance(given, str | os.PathLike) and os.fspath(given).endswith((".json", ".geojson"))


def _read_json(given: str | os.PathLike[str], options: Mapping[str, Any]) -> tuple[Any, str]:
    """STAC items behind a path or URL, and that URL."""
    url = to_url(given)
    if not _is_json(url):
        raise SelectionError(
            f"urls is {os.fspath(given)!r}; give a list of rasters to stack, or the JSON of STAC "
            "items"
        )
    data = FileReader(url, registry_for(url, **options)).read_all()
    document = parse_json(data, url, SelectionError)
    if isinstance(document, dict) and "refs" in document:
        raise SelectionError(
            f"{url}: holds kerchunk references; stack the rasters that they refer to"
        )
    if items_of(document) is None:
        raise SelectionError(f"{url}: holds no STAC items")
    return document, url
