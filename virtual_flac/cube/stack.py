"""`stack`: labels, headers, agreement, arrangement and assembly, in this order."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import xarray as xr
from obspec_utils.registry import ObjectStoreRegistry

from ..errors import FlacError, MismatchError, SelectionError
from ..io.stores import registry_for
from ..model.arguments import checked
from ..virtual.parser import FLACParser
from ..virtual.source_versions import attach
from .agreement import CompatibilityCheck
from .arrangement import find_axes
from .assembly import CubeBuilder
from .headers import Parallel, read_headers
from .inputs import CubeInputs, find_inputs
from .labels import BAND, as_coordinate


class SkippedWarning(UserWarning):
    """Rasters were left out of a cube."""


@dataclass(frozen=True, slots=True)
class Skipped:
    """A raster that was left out, and why.

    Parameters
    ----------
    url : str
    reason : str
    """

    url: str
    reason: str


@checked
def stack(
    urls: Iterable[Any] | Any,
    *,
    dim: str | Sequence[str] | None = None,
    values: Sequence[Any] | Mapping[str, Sequence[Any]] | None = None,
    pattern: str | None = None,
    assets: Sequence[str] | None = None,
    mosaic: bool = False,
    as_variables: bool = False,
    allow_missing: bool = False,
    ignore: Collection[str] = (),
    registry: ObjectStoreRegistry[Any] | None = None,
    store_options: Mapping[str, Any] | None = None,
    parser: FLACParser | None = None,
    parallel: Parallel = "threads",
    workers: int = 16,
    on_error: Literal["raise", "skip"] = "raise",
    report: list[Skipped] | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> xr.Dataset:
    r"""Combine FLAC rasters to one virtual cube: along new dimensions, along bands, as a mosaic.

    Parameters
    ----------
    urls : iterable of str or path, or STAC items
        One raster each. Or an ItemCollection, a list of items, one item (dictionaries, or objects
        with ``to_dict`` such as pystac's), or the path or URL of such JSON: the rasters are their
        FLAC assets, ``time`` is their datetime in UTC, and where there are several asset keys
        those are the bands.
    dim : str or sequence of str, optional
        The new dimensions, in this order; ``time`` by default, or what `pattern` finds. ``band``
        among them makes one variable of single-band files: band is counted from 1, ``long_name``
        lists the names; or, where the names are whole numbers, band is those. With `mosaic`,
        ``()`` for none; that is the default where no file name holds a date.
    values : sequence, or mapping of str to sequence, optional
        Coordinates, one value a raster; by name for several dimensions. By default they are taken
        from the file names.
    pattern : str, optional
        Regular expression that finds them there; by default a date. Named groups are dimensions,
        ``%Y %m %d %H %M %S %j`` stand for parts of a date, and so do three groups without names
        for year, month and day. ``r"(?P<band>B\d\w)_%Y%m%d"`` makes a cube of time and band.
    assets : sequence of str, optional
        Asset keys of STAC items, in the order of the bands. All FLAC assets by default.
    mosaic : bool
        Whether rasters of the same coordinates lie beside each other, to be placed by their
        transforms. They must have one resolution and be aligned to whole tiles; only the last
        tile row and column of the whole may be partial.
    as_variables : bool
        One variable (..., y, x) for each band, named after it, instead of a dimension. Their
        dtypes, tile shapes and nodata may differ; their grid may not.
    allow_missing : bool
        Fill missing positions with nodata. Needs a raster with nodata.
    ignore : collection of {"crs", "transform", "nodata"}
        Properties in which the rasters may differ; those of the first are taken. They change where
        pixels are placed, or what counts as missing, never a stored pixel.
    registry : ObjectStoreRegistry, optional
        Stores to read with; made by `registry_for` when not given. Pickled, credentials included,
        where the executor works in other processes.
    store_options : Mapping, optional
        Options of the stores, for `registry_for`, where no `registry` is given.
    parser : FLACParser, optional
        Selects bands, overview and variable name.
    parallel : {"threads", "dask", "lithops", False} or Executor or class of executors
        Where headers are read: as in VirtualiZarr's ``open_virtual_mfdataset``, but threads by
        default. An executor that is given stays open.
    workers : int
        Files read at the same time, in each process.
    on_error : {"raise", "skip"}
        Whether a file that cannot be read or does not fit ends it all or is left out.
    report : list, optional
        Receives a `Skipped` for each file left out; without it, one warning lists them.
    progress : callable, optional
        Called with the number of files read and their total.

    Returns
    -------
    xarray.Dataset
        Virtual. ``band_data`` has the dimensions (\*`dim`, band, y, x); new coordinates are sorted,
        given bands keep their order.

    Raises
    ------
    MismatchError
        When a raster differs from the first in grid, CRS, dtype, nodata, bands, scaling, tiling
        or codec configuration; names the file, the property, both values and the way out.
    SelectionError
        When a name holds no date and no values are given, or two rasters have the same labels.
    SourceError, LayoutError
        When a file cannot be read, or is not a FLAC raster.

    Notes
    -----
    Costs one ranged GET per file. The result equals that of ``open_virtual_mfdataset`` with
    ``combine="nested"``, made without a dataset per file.
    """
    if on_error not in ("raise", "skip"):
        raise SelectionError(f"on_error is {on_error!r}; expected 'raise' or 'skip'")
    options = dict(store_options or {})
    inputs = find_inputs(urls, dim, values, pattern, assets, options, mosaic=mosaic)
    bands = inputs.labels.get(BAND)
    if as_variables and bands is None:
        raise SelectionError(
            "as_variables (--as-variables) needs the names of the variables: as the dimension "
            "band, from a pattern with (?P<band>...), from values, or from STAC assets"
        )
    if not mosaic:
        _refuse_duplicates(inputs)
    registry = registry or registry_for(inputs.urls, **options)
    parser = parser or FLACParser()
    check = CompatibilityCheck(
        ignore, mosaic=mosaic, as_variables=as_variables,
        along_band=bands is not None and not as_variables,
    )  # fmt: skip
    skipped: list[Skipped] = []
    headers = read_headers(inputs.urls, parser, registry, parallel=parallel, workers=workers)
    for number, (url, header) in enumerate(headers):
        try:
            if isinstance(header, Exception):
                raise header
            check.add(number, header, bands and bands[number])
        except (FlacError, OSError) as error:
            if on_error == "raise":
                raise
            skipped.append(Skipped(url, str(error)))
        if progress is not None:
            progress(number + 1, len(inputs.urls))
    if skipped:
        _report_skipped(skipped, report, len(inputs.urls))
    axes = find_axes(inputs, [kept.number for kept in check.kept])
    dataset = CubeBuilder(check, axes, parser, allow_missing=allow_missing).build()
    attach(dataset, {kept.url: kept.version for kept in check.kept})
    return dataset


def _refuse_duplicates(inputs: CubeInputs) -> None:
    columns = [as_coordinate(values).tolist() for values in inputs.labels.values()]
    labels = list(zip(*columns, strict=True))
    seen: dict[tuple[Any, ...], int] = {}
    for number, label in enumerate(labels):
        other = seen.setdefault(label, number)
        if other != number:
            names = ", ".join(
                f"{dim} {as_coordinate([values[number]])[0]}"
                for dim, values in inputs.labels.items()
            )
            raise SelectionError(
                f"{names} belongs to {labels.count(label)} rasters, among them "
                f"{inputs.urls[other]} and {inputs.urls[number]}; give the values yourself, name "
                "another dimension, or pass mosaic=True (--mosaic) for rasters beside each other"
            )


def _report_skipped(skipped: list[Skipped], report: list[Skipped] | None, total: int) -> None:
    if len(skipped) == total:
        raise MismatchError(
            f"none of the {total} rasters can be used; the first: {skipped[0].reason}"
        )
    if report is not None:
        report.extend(skipped)
        return
    reasons = "\n".join(item.reason for item in skipped)
    warnings.warn(
        f"{len(skipped)} of {total} rasters were skipped:\n{reasons}",
        SkippedWarning,
        stacklevel=3,
    )
