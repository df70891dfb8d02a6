"""What the caller gave, as URLs and their labels: lists of files, STAC items, or JSON of those.

Reads nothing but such JSON. Knows no rasters.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ..errors import SelectionError
from ..io.file_reader import FileReader
from ..io.stores import registry_for, to_url
from .labels import BAND, TIME, given_labels, labels_from_names
from .stac import assets_of, items_of


@dataclass(frozen=True, slots=True)
class CubeInputs:
    """Rasters and their places.

    Parameters
    ----------
    urls : list of str
    labels : dict of str to list
        Dimension to one value a URL, in the order of the dimensions.
    bands_ordered : bool
        Whether bands stand in an order that somebody chose.
    """

    urls: list[str]
    labels: dict[str, list[Any]]
    bands_ordered: bool

    def band(self, number: int) -> Any:
        """Label along band, None when there is no such dimension."""
        return self.labels[BAND][number] if BAND in self.labels else None


def find_inputs(
    given: Any,
    dim: str | Sequence[str] | None,
    values: Sequence[Any] | Mapping[str, Sequence[Any]] | None,
    pattern: str,
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
            raise SelectionError(f"{name!r} is no new dimension; mosaics are made by mosaic=True")
    base = None
    given = _single_json(given)
    if isinstance(given, str | os.PathLike):
        given, base = _read_json(given, options)
    elif not isinstance(given, Mapping | list | tuple) and not hasattr(given, "to_dict"):
        given = list(given)
    items = items_of(given)
    labels: dict[str, list[Any]]
    if items is not None:
        found = assets_of(items, assets, base)
        addresses = [to_url(url) for url in found.urls]
        labels = _stac_labels(found.labels, dims, values, len(addresses))
    else:
        if assets is not None:
            raise SelectionError("assets (--asset) belong to STAC items; these are URLs")
        if isinstance(given, Mapping):
            raise SelectionError("a mapping was given; expected URLs or STAC items")
        addresses = [to_url(url) for url in given]
        labels = {}
        for address in addresses:
            if "*" in address and not address.startswith("file://"):
                raise SelectionError(
                    f"{address}: wildcards work for local files only; list the URLs"
                )
        if values is not None:
            labels = given_labels(values, dims, len(addresses))
        elif dims != []:
            labels = labels_from_names(addresses, pattern, dims)
    if not addresses:
        raise SelectionError("there are no rasters to stack")
    if BAND in labels:
        labels[BAND] = labels.pop(BAND)  # stands before y and x
    ordered = values is not None or items is not None
    return CubeInputs(addresses, labels, ordered)


def _stac_labels(
    found: dict[str, list[Any]],
    dims: Sequence[str] | None,
    values: Sequence[Any] | Mapping[str, Sequence[Any]] | None,
    count: int,
) -> dict[str, list[Any]]:
    if values is not None:
        return given_labels(values, dims, count)
    if dims is None:
        return found
    unknown = [name for name in dims if name not in found]
    # The moments under another name.
    if len(unknown) == 1 and TIME not in dims:
        found = {**found, unknown[0]: found[TIME]}
    elif unknown:
        raise SelectionError(f"the items say nothing of {unknown[0]!r}; they have {list(found)}")
    return {name: found[name] for name in dims}


def _single_json(given: Any) -> Any:
    """A list of one file of JSON as that file: on a command line everything is a list."""
    if isinstance(given, list | tuple) and len(given) == 1:
        only = given[0]
        if isinstance(only, str | os.PathLike) and os.fspath(only).endswith((".json", ".geojson")):
            return only
    return given


def _read_json(given: str | os.PathLike[str], options: Mapping[str, Any]) -> tuple[Any, str]:
    """STAC items behind a path or URL, and that URL."""
    url = to_url(given)
    if not url.endswith((".json", ".geojson")):
        raise SelectionError(
            f"urls is {os.fspath(given)!r}; give a list of rasters to stack, or the JSON of STAC "
            "items"
        )
    try:
        document = json.loads(FileReader(url, registry_for(url, **options)).read_all())
    except ValueError as error:
        raise SelectionError(f"{url}: is no JSON: {error}") from None
    if items_of(document) is None:
        raise SelectionError(f"{url}: holds no STAC items")
    return document, url
