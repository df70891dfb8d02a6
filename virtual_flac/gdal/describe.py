"""A GDAL dataset to `RasterInfo`: everything GDAL says of a raster except its pixels."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping, Sequence
from typing import Any
from xml.etree import ElementTree

import numpy as np
import rasterio.shutil
from rasterio.crs import CRS
from rasterio.errors import RasterioError
from rasterio.io import DatasetReader, MemoryFile

from ..errors import RasterError, UnsupportedDtypeError, prefixed_with
from ..model.georef import GeoReference
from ..model.index import Band, RasterInfo
from ..model.levels import resolve_bands
from ..redaction import redact_name

#: Metadata domains about the file or the driver, not about the raster; RPC is georeferencing.
_STRUCTURAL = frozenset(
    {
        *("IMAGE_STRUCTURE", "DERIVED_SUBDATASETS", "SUBDATASETS", "RPC", "TIFF", "OVERVIEWS"),
        *("xml:VRT", "LocationInfo", "new_vrt_sources", "vrt_sources"),
    }
)


def describe(dataset: DatasetReader, *, bands: Sequence[int] | None = None) -> RasterInfo:
    """Everything that GDAL says of a raster, except masks.

    Raises
    ------
    UnsupportedDtypeError
        When a band is complex.
    RasterError
        When bands differ in dtype or nodata.
    SelectionError
        When there is no such band.
    """
    shown = redact_name(dataset.name)
    with prefixed_with(shown):
        indexes = [at + 1 for at in resolve_bands(dataset.count, bands)]
    names = {index: dataset.dtypes[index - 1] for index in indexes}
    for index, name in names.items():
        if name.startswith("complex"):
            raise UnsupportedDtypeError(
                f"{shown}: band {index} is {name}; FLAC holds integers and real floats. "
                "Split complex bands into two."
            )
    dtype = np.dtype(_one_for_all("dtype", names, shown))
    nodata = _nodata_values(dataset, dtype)
    return RasterInfo(
        width=dataset.width,
        height=dataset.height,
        dtype=dtype,
        georef=_georeference(dataset),
        nodata=_one_for_all("nodata", {i: nodata[i - 1] for i in indexes}, shown),
        bands=tuple(_band(dataset, index) for index in indexes),
        tags=_tags(dataset, 0),
    )


def _one_for_all(what: str, values: Mapping[int, Any], name: str) -> Any:
    """The value that all bands have."""
    if len({str(value) for value in values.values()}) > 1:
        listed = ", ".join(f"{index}: {value}" for index, value in values.items())
        raise RasterError(
            f"{name}: the bands differ in {what} ({listed}). Choose bands of one {what} with "
            "--bands (bands=...)."
        )
    return next(iter(values.values()))


def _nodata_values(dataset: DatasetReader, dtype: np.dtype[Any]) -> list[int | float | None]:
    """Nodata of each band, exactly.

    rasterio passes 64-bit integers through a double and hides values outside the dtype; GDAL's own
    description of the dataset, a VRT, has them as text.
    """
    with MemoryFile(ext=".vrt") as memory:
        try:
            rasterio.shutil.copy(dataset, memory.name, driver="VRT", strict=False)
        except RasterioError:
            # Some datasets that live in memory alone cannot be described so.
            return [_number(value, dtype) for value in dataset.nodatavals]
        document = ElementTree.fromstring(memory.read())
    texts = [band.findtext("NoDataValue") for band in document.iter("VRTRasterBand")]
    return [_number(text, dtype) for text in texts]


def _number(value: str | float | None, dtype: np.dtype[Any]) -> int | float | None:
    if value is None:
        return None
    number = float(value)
    if dtype.kind == "f" or not number.is_integer():
        return number
    try:
        return int(value)
    except ValueError:  # "1e3"
        return int(number)


def _georeference(dataset: DatasetReader) -> GeoReference:
    points, points_crs = dataset.gcps
    return GeoReference(
        crs_wkt=_wkt(dataset.crs),
        transform=dataset.transform,
        gcps=tuple(_feature(point) for point in points),
        gcp_crs_wkt=_wkt(points_crs) if points else None,
        rpcs=dataset.tags(ns="RPC"),
    )


def _wkt(crs: CRS | None) -> str | None:
    return crs.to_wkt(version="WKT2_2019") if crs else None


def _feature(point: Any) -> dict[str, Any]:
    """A ground control point as rioxarray writes it."""
    coordinates = [point.x, point.y] + ([] if point.z is None else [point.z])
    return {
        "type": "Feature",
        "properties": {name: getattr(point, name) for name in ("id", "info", "row", "col")},
        "geometry": {"type": "Point", "coordinates": coordinates},
    }


def _band(dataset: DatasetReader, index: int) -> Band:
    colormap = None
    with contextlib.suppress(ValueError):  # most bands have none
        colors = dataset.colormap(index)
        colormap = tuple(colors[value] for value in sorted(colors)) or None
    return Band(
        description=dataset.descriptions[index - 1] or None,
        unit=dataset.units[index - 1] or None,
        scale=float(dataset.scales[index - 1]),
        offset=float(dataset.offsets[index - 1]),
        color_interpretation=dataset.colorinterp[index - 1].name,
        colormap=colormap,
        tags=_tags(dataset, index),
    )


def _tags(dataset: DatasetReader, index: int) -> dict[str, dict[str, str]]:
    """Metadata of a band, or of the dataset for band 0, by domain."""
    found = {}
    for domain in ("", *dataset.tag_namespaces(index)):
        # rasterio gives JSON domains garbled; GDAL uses them for its own structures.
        if domain not in _STRUCTURAL and not domain.startswith(("__", "json:")):
            found[domain] = dataset.tags(index, ns=domain)
    return {domain: items for domain, items in found.items() if items}
