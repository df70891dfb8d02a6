"""How the metadata of two rasters differ."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ..errors import LayoutError
from ..model.crs import crs_name, parse_wkt
from ..model.georef import GeoReference
from ..model.index import Band, RasterInfo, Tags


@dataclass(frozen=True, slots=True)
class Difference:
    """One thing that two rasters say differently.

    Parameters
    ----------
    name : str
    a, b : str
        What each says, as text.
    """

    name: str
    a: str
    b: str


def metadata_differences(
    a: RasterInfo,
    b: RasterInfo,
    a_sizes: Sequence[tuple[int, int]],
    b_sizes: Sequence[tuple[int, int]],
) -> list[Difference]:
    """Everything but pixels in which two rasters differ; `a_sizes` are those of a's levels."""
    return [Difference(name, _text(one), _text(other)) for name, one, other in _pairs(a, b)] + [
        Difference("overviews", _sizes(a_sizes[1:]), _sizes(b_sizes[1:]))
        for _ in range(list(a_sizes[1:]) != list(b_sizes[1:]))
    ]


def _pairs(a: RasterInfo, b: RasterInfo) -> Iterator[tuple[str, Any, Any]]:
    plain = [
        ("size", (a.width, a.height), (b.width, b.height)),
        ("bands", a.count, b.count),
        ("dtype", a.dtype.name, b.dtype.name),
        ("transform", tuple(a.georef.transform[:6]), tuple(b.georef.transform[:6])),
        ("GCPs", len(a.georef.gcps), len(b.georef.gcps)),
        ("RPCs", dict(a.georef.rpcs), dict(b.georef.rpcs)),
    ]
    yield from (pair for pair in plain if pair[1] != pair[2])
    if len(a.georef.gcps) == len(b.georef.gcps) and not _same_points(a.georef, b.georef):
        yield "GCPs", [dict(p) for p in a.georef.gcps], [dict(p) for p in b.georef.gcps]
    for name in ("crs_wkt", "gcp_crs_wkt"):
        ours, theirs = getattr(a.georef, name), getattr(b.georef, name)
        if not _same_crs(ours, theirs):
            yield ("CRS" if name == "crs_wkt" else "CRS of the GCPs"), *_crs_texts(ours, theirs)
    if not _same_number(a.nodata, b.nodata):
        yield "nodata", a.nodata, b.nodata
    yield from _tag_pairs("", a.tags, b.tags)
    for number, (ours, theirs) in enumerate(zip(a.bands, b.bands, strict=False), 1):
        yield from _band_pairs(f"band {number} ", ours, theirs)


def _band_pairs(prefix: str, a: Band, b: Band) -> Iterator[tuple[str, Any, Any]]:
    for field in ("description", "unit", "color_interpretation"):
        if getattr(a, field) != getattr(b, field):
            yield prefix + field.replace("_", " "), getattr(a, field), getattr(b, field)
    for field in ("scale", "offset"):
        if not _same_number(getattr(a, field), getattr(b, field)):
            yield prefix + field, getattr(a, field), getattr(b, field)
    if a.colormap != b.colormap:
        yield prefix + "colour map", _colours(a), _colours(b)
    yield from _tag_pairs(prefix, a.tags, b.tags)


def _colours(band: Band) -> str | None:
    return None if band.colormap is None else f"{len(band.colormap)} colours {band.colormap[:3]}"


def _tag_pairs(prefix: str, a: Tags, b: Tags) -> Iterator[tuple[str, Any, Any]]:
    for domain in sorted({*a, *b}):
        ours: Mapping[str, str] = a.get(domain, {})
        theirs: Mapping[str, str] = b.get(domain, {})
        for key in sorted({*ours, *theirs}):
            if ours.get(key) != theirs.get(key):
                name = f"{prefix}tag {domain + ':' if domain else ''}{key}"
                yield name, ours.get(key), theirs.get(key)


def _same_points(a: GeoReference, b: GeoReference) -> bool:
    return [dict(point) for point in a.gcps] == [dict(point) for point in b.gcps]


def _same_number(a: float | None, b: float | None) -> bool:
    return a == b or (a is not None and b is not None and a != a and b != b)


def _same_crs(a: str | None, b: str | None) -> bool:
    if a == b:
        return True
    if not a or not b:
        return False
    return bool(parse_wkt(a) == parse_wkt(b))


def _crs_texts(a: str | None, b: str | None) -> tuple[str | None, str | None]:
    """Their names where these tell them apart."""
    try:
        names = a and crs_name(a), b and crs_name(b)
    except LayoutError:
        return a, b
    return names if names[0] != names[1] else (a, b)


def _sizes(sizes: Sequence[tuple[int, int]]) -> str:
    return ", ".join(f"{width} x {height}" for width, height in sizes) or "none"


def _text(value: Any) -> str:
    return "none" if value is None or value in ({}, [], ()) else str(value)
