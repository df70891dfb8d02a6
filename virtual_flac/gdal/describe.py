"""A GDAL dataset to `RasterInfo`: everything GDAL says of a raster but its pixels."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any
from xml.etree import ElementTree

import numpy as np
import rasterio.shutil
from rasterio.enums import MaskFlags
from rasterio.errors import RasterioError
from rasterio.io import DatasetReader, MemoryFile

from ..errors import RasterError, UnsupportedDtypeError, prefixed_with
from ..model.georef import GeoReference
from ..model.index import Band, RasterInfo
from ..model.levels import resolve_bands

DTYPES = frozenset(
    {
        *("int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64"),
        *("float16", "float32", "float64"),
    }
)
#: Metadata domains about the file or the driver, not about the raster; RPC is georeferencing.
_STRUCTURAL = frozenset(
    {
        *("IMAGE_STRUCTURE", "DERIVED_SUBDATASETS", "SUBDATASETS", "RPC", "TIFF", "OVERVIEWS"),
        *("xml:VRT", "LocationInfo", "new_vrt_sources", "vrt_sources"),
    }
)


def describe(dataset: DatasetReader, *, bands: Sequence[int] | None = None) -> RasterInfo:
    """Everything that GDAL says of a raster, but for masks (`masked_bands`).

    Parameters
    ----------
    dataset : rasterio.io.DatasetReader
    bands : sequence of int, optional
        1-based bands; all by default.

    Returns
    -------
    RasterInfo

    Raises
    ------
    UnsupportedDtypeError
        When a band is complex.
    RasterError
        When bands differ in dtype or nodata.
    SelectionError
        When there is no such band.
    """
    with prefixed_with(dataset.name):
        indexes = [at + 1 for at in resolve_bands(dataset.count, bands)]
    dtype = _common_dtype(dataset, indexes)
    return RasterInfo(
        width=dataset.width,
        height=dataset.height,
        dtype=dtype,
        georef=_georeference(dataset),
        nodata=_common_nodata(dataset, indexes, dtype),
        bands=tuple(_band(dataset, index) for index in indexes),
        tags=_tags(dataset, 0),
    )


def masked_bands(dataset: DatasetReader) -> tuple[int, ...]:
    """1-based numbers of the bands with a mask that is neither nodata nor an alpha band."""
    harmless = {MaskFlags.all_valid, MaskFlags.nodata, MaskFlags.alpha}
    return tuple(
        index
        for index, flags in zip(dataset.indexes, dataset.mask_flag_enums, strict=True)
        if not harmless & set(flags)
    )


def _common_dtype(dataset: DatasetReader, indexes: Sequence[int]) -> np.dtype[Any]:
    names = {index: dataset.dtypes[index - 1] for index in indexes}
    for index, name in names.items():
        if name not in DTYPES:
            raise UnsupportedDtypeError(
                f"{dataset.name}: band {index} is {name}; FLAC holds integers and real floats. "
                "Split complex bands into two."
            )
    if len(set(names.values())) > 1:
        listed = ", ".join(f"{index}: {name}" for index, name in names.items())
        raise RasterError(
            f"{dataset.name}: the bands differ in dtype ({listed}). Choose bands of one dtype with "
            "--bands (bands=...)."
        )
    dtype: np.dtype[Any] = np.dtype(names[indexes[0]])
    return dtype


def _common_nodata(
    dataset: DatasetReader, indexes: Sequence[int], dtype: np.dtype[Any]
) -> int | float | None:
    stated = _nodata_values(dataset, dtype)
    values = {index: stated[index - 1] for index in indexes}
    if len({str(value) for value in values.values()}) > 1:
        listed = ", ".join(f"{index}: {value}" for index, value in values.items())
        raise RasterError(
            f"{dataset.name}: the bands differ in nodata ({listed}). Choose bands of one nodata "
            "with --bands (bands=...)."
        )
    return values[indexes[0]]


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
    if dtype.kind != "f":
        try:
            return int(value)
        except ValueError:
            pass
    number = float(value)
    if dtype.kind != "f" and math.isfinite(number) and number == int(number):
        return int(number)
    return number


def _georeference(dataset: DatasetReader) -> GeoReference:
    points, points_crs = dataset.gcps
    return GeoReference(
        crs_wkt=_wkt(dataset.crs),
        transform=dataset.transform,
        gcps=tuple(_feature(point) for point in points),
        gcp_crs_wkt=_wkt(points_crs) if points else None,
        rpcs=dataset.tags(ns="RPC"),
    )


def _wkt(crs: Any) -> str | None:
    if not crs:
        return None
    wkt: str = crs.to_wkt(version="WKT2_2019")
    return wkt


def _feature(point: Any) -> dict[str, Any]:
    """A ground control point as rioxarray writes it."""
    coordinates = [point.x, point.y] + ([] if point.z is None else [point.z])
    return {
        "type": "Feature",
        "properties": {name: getattr(point, name) for name in ("id", "info", "row", "col")},
        "geometry": {"type": "Point", "coordinates": coordinates},
    }


def _band(dataset: DatasetReader, index: int) -> Band:
    return Band(
        description=dataset.descriptions[index - 1] or None,
        unit=dataset.units[index - 1] or None,
        scale=float(dataset.scales[index - 1]),
        offset=float(dataset.offsets[index - 1]),
        color_interpretation=dataset.colorinterp[index - 1].name,
        colormap=_colormap(dataset, index),
        tags=_tags(dataset, index),
    )


def _colormap(dataset: DatasetReader, index: int) -> tuple[tuple[int, int, int, int], ...] | None:
    try:
        entries = dataset.colormap(index)
    except ValueError:
        return None
    return tuple(entries[value] for value in sorted(entries))


def _tags(dataset: DatasetReader, index: int) -> dict[str, dict[str, str]]:
    """Metadata of a band, or of the dataset for band 0, by domain."""
    domains = ["", *dataset.tag_namespaces(index)]
    tags = {domain: dataset.tags(index, ns=domain) for domain in domains if _is_kept(domain)}
    return {domain: items for domain, items in tags.items() if items}


def _is_kept(domain: str) -> bool:
    # rasterio gives JSON domains garbled; GDAL uses them for its own structures.
    return domain not in _STRUCTURAL and not domain.startswith(("__", "json:"))
