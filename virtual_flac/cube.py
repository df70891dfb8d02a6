"""Many FLAC rasters of one grid as one virtual cube. Metadata only: no pixel is read."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from pathlib import PurePosixPath
from typing import Any
from urllib.parse import urlparse

import numpy as np
import xarray as xr
from obspec_utils.registry import ObjectStoreRegistry
from virtualizarr.manifests import ManifestArray

from .errors import MismatchError, SelectionError
from .parser import FLACParser
from .stores import registry_for, to_url
from .virtual_arrays import without_fill_values

#: Eight digits in a row, or four, two and two apart: 20260714, 2026-07-14, 2026_07_14.
DATE_PATTERN = r"(?<!\d)(\d{4})[-_]?(\d{2})[-_]?(\d{2})(?!\d)"


def stack(
    urls: Iterable[str | os.PathLike[str]],
    *,
    dim: str = "time",
    values: Sequence[Any] | None = None,
    pattern: str = DATE_PATTERN,
    registry: ObjectStoreRegistry[Any] | None = None,
    parser: FLACParser | None = None,
    workers: int = 8,
    progress: Callable[[int, int], None] | None = None,
) -> xr.Dataset:
    """Stack FLAC rasters of the same grid along a new first dimension.

    Parameters
    ----------
    urls : iterable of str or path
        One raster each.
    dim : str
        Name of the new dimension.
    values : sequence, optional
        Its coordinate, one value a raster. By default dates are taken from the file names.
    pattern : str
        Regular expression whose three groups are year, month and day in a file name.
    registry : ObjectStoreRegistry, optional
        Stores to read with; made by `registry_for` when not given.
    parser : FLACParser, optional
        Selects bands, overview and variable name.
    workers : int
        Files read at the same time.
    progress : callable, optional
        Called with the number of files read and their total.

    Returns
    -------
    xarray.Dataset
        Virtual, sorted by `dim`; band_data has the dimensions (`dim`, band, y, x).

    Raises
    ------
    MismatchError
        When a raster differs from the first in grid, CRS, dtype, nodata, bands or tiling; names
        the file, the property and both values.
    SelectionError
        When a name holds no date and no values are given, or two rasters have the same value.

    Notes
    -----
    Costs one ranged GET per file.
    """
    if isinstance(urls, str | os.PathLike):
        raise SelectionError(f"urls is {urls!r}; give a list of rasters to stack")
    addresses = [to_url(url) for url in urls]
    for address in addresses:
        if "*" in address and not address.startswith("file://"):
            raise SelectionError(f"{address}: wildcards work for local files only; list the URLs")
    if not addresses:
        raise SelectionError("there are no rasters to stack")
    coordinate = _coordinate(addresses, values, pattern, dim)
    registry = registry or registry_for(addresses)
    parser = parser or FLACParser()
    datasets = _open_all(addresses, parser, registry, workers, progress)
    for address, dataset in zip(addresses[1:], datasets[1:], strict=True):
        _check_same(addresses[0], datasets[0], address, dataset, parser.variable)
    order = np.argsort(coordinate, kind="stable")
    cube = xr.concat(
        [datasets[i] for i in order],
        dim=xr.Variable(dim, coordinate[order]),
        data_vars=[parser.variable],
        coords="minimal",
        compat="override",
        join="override",
        combine_attrs="drop_conflicts",
    )
    # Concatenation forgets that a raster without nodata has no fill value.
    return without_fill_values(cube)


def _coordinate(
    urls: Sequence[str], values: Sequence[Any] | None, pattern: str, dim: str
) -> np.ndarray[Any, Any]:
    if values is None:
        values = [_date(url, pattern) for url in urls]
    if len(values) != len(urls):
        raise SelectionError(f"{len(values)} values of {dim} for {len(urls)} rasters")
    coordinate = np.asarray(values)
    times = all(isinstance(value, datetime) for value in values)
    if coordinate.dtype.kind == "M" or times:
        coordinate = coordinate.astype("datetime64[ns]")
    unique, counts = np.unique(coordinate, return_counts=True)
    if (counts > 1).any():
        value = unique[counts > 1][0]
        same = [url for url, found in zip(urls, coordinate, strict=True) if found == value]
        raise SelectionError(
            f"{dim} {value} belongs to {len(same)} rasters, among them {same[0]} and {same[1]}; "
            "give the values yourself"
        )
    return coordinate


def _date(url: str, pattern: str) -> np.datetime64:
    name = PurePosixPath(urlparse(url).path).name
    match = re.search(pattern, name)
    if match is None:
        raise SelectionError(
            f"{url}: no date in the name {name!r} (pattern {pattern}). Give the values yourself: "
            "--values (values=[...])."
        )
    try:
        return np.datetime64("-".join(match.groups()), "ns")
    except ValueError as error:
        raise SelectionError(f"{url}: {match.group()!r} is no date: {error}") from error


def _open_all(
    urls: Sequence[str],
    parser: FLACParser,
    registry: ObjectStoreRegistry[Any],
    workers: int,
    progress: Callable[[int, int], None] | None,
) -> list[xr.Dataset]:
    def read(url: str) -> xr.Dataset:
        return parser(url, registry).to_virtual_dataset()

    datasets = []
    with ThreadPoolExecutor(max_workers=max(1, workers)) as pool:
        for dataset in pool.map(read, urls):
            datasets.append(dataset)
            if progress is not None:
                progress(len(datasets), len(urls))
    return datasets


def _check_same(
    first_url: str, first: xr.Dataset, url: str, other: xr.Dataset, variable: str
) -> None:
    for name, expected in _properties(first, variable).items():
        found = _properties(other, variable)[name]
        if found != expected:
            raise MismatchError(
                f"{url}: {name} is {_short(found)}, but {first_url} has {_short(expected)}; "
                "rasters of one cube must agree"
            )


def _properties(dataset: xr.Dataset, variable: str) -> dict[str, Any]:
    """What must be equal, in the order in which a difference is told."""
    array = dataset[variable].variable._data
    assert isinstance(array, ManifestArray)
    attributes = dataset[variable].attrs
    grid = dataset["spatial_ref"].attrs if "spatial_ref" in dataset.variables else {}
    return {
        "dtype": array.dtype,
        "shape (band, y, x)": array.shape,
        "tile shape": array.metadata.chunks,
        "transform": grid.get("GeoTransform"),
        "CRS": grid.get("crs_wkt"),
        "nodata": attributes.get("_FillValue"),
        "bands": dataset["band"].values.tolist() if "band" in dataset.indexes else None,
        "scale": attributes.get("scale_factor", attributes.get("scales")),
        "offset": attributes.get("add_offset", attributes.get("offsets")),
        "codec configuration": [codec.to_dict() for codec in array.metadata.codecs],
    }


def _short(value: Any) -> str:
    text = str(value)
    return text if len(text) <= 120 else text[:117] + "..."
