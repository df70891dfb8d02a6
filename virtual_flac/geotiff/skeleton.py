"""A GeoTIFF with all metadata of a raster and no pixels yet.

It is copied from the text of a VRT, GDAL's description of a raster, so that GDAL itself writes
everything, also what rasterio has no exact way to set: nodata of 64-bit integers or outside the
dtype, sizes of overviews. Metadata domains other than the default one follow afterwards.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any
from xml.etree import ElementTree
from xml.etree.ElementTree import Element, SubElement

import rasterio.shutil
from affine import Affine

from ..gdal.session import open_dataset
from ..model.crs import parse_wkt
from ..model.georef import GeoReference
from ..model.index import RasterInfo

#: What GDAL writes behind the header of a file whose order is that of a COG.
_ORDER_NOTE = b"GDAL_STRUCTURAL_METADATA_SIZE="
_ORDER_NOTE_BYTES = 16 + 4096
#: Names of GDAL's data types where they are not numpy's with a capital.
_DATA_TYPES = {"uint8": "Byte", "uint16": "UInt16", "uint32": "UInt32", "uint64": "UInt64"}
#: Names of GDAL's colour interpretations where they are not rasterio's but for the capitals.
_COLORS = {"Y": "YCbCr_Y", "Cb": "YCbCr_Cb", "Cr": "YCbCr_Cr", "other_ir": "OtherIR"}


def write_skeleton(
    name: Path,
    raster: RasterInfo,
    overviews: Sequence[tuple[int, int]],
    options: Mapping[str, Any],
) -> None:
    """Write a GeoTIFF with all metadata and all directories, and no pixels yet.

    Overviews are given by width and height, options are GDAL's. A few VRTs are left beside it.
    """
    root = _describe(raster)
    for number, (width, height) in enumerate(overviews, 1):
        overview = name.with_name(f"overview{number}.vrt")
        _save(_describe_pixels(raster, width, height), overview)
        for element in root.iter("VRTRasterBand"):
            source = SubElement(element, "Overview")
            SubElement(source, "SourceFilename", relativeToVRT="1").text = overview.name
            SubElement(source, "SourceBand").text = element.get("band")
    virtual = name.with_name("raster.vrt")
    _save(root, virtual)
    settings = {
        "BIGTIFF": "IF_SAFER",
        "SPARSE_OK": True,
        "COPY_SRC_OVERVIEWS": bool(overviews),
        **({"PHOTOMETRIC": "MINISWHITE"} if _is_inverted_gray(raster) else {}),
        **options,
    }
    rasterio.shutil.copy(os.fspath(virtual), os.fspath(name), driver="GTiff", **settings)
    _forget_order(name)
    _write_domains(name, raster)


def _forget_order(name: Path) -> None:
    """Delete GDAL's note that tiles stand in the order of a COG, which they will not.

    With it GDAL would warn of a broken order whenever the file is opened.
    """
    with open(name, "r+b") as file:
        head = file.read(_ORDER_NOTE_BYTES)
        start = head.find(_ORDER_NOTE)
        if start in (8, 16):
            line_end = head.index(b"\n", start) + 1
            size = int(head[start + len(_ORDER_NOTE) : line_end].split()[0])
            file.seek(start)
            file.write(bytes(line_end - start + size))


def _write_domains(name: Path, raster: RasterInfo) -> None:
    """Metadata of all domains but the default one, XML documents letter for letter."""
    with open_dataset(name, "r+") as dataset:
        for number, tags in enumerate((raster.tags, *(band.tags for band in raster.bands))):
            for domain, items in tags.items():
                if domain.startswith("xml:"):
                    # GDAL joins key and value with the sign at which we take them apart.
                    parts = (text.partition("=") for text in items.values())
                    items = {key: value for key, _, value in parts}
                if domain:
                    dataset.update_tags(number, ns=domain, **items)


def _is_inverted_gray(raster: RasterInfo) -> bool:
    """Whether the raster looks as GDAL describes a TIFF whose 0 is white."""
    colormap = raster.bands[0].colormap
    if raster.count > 1 or not colormap or raster.bands[0].color_interpretation == "palette":
        return False
    return colormap[0] == (255, 255, 255, 255)


def _save(root: Element, name: Path) -> None:
    name.write_text(ElementTree.tostring(root, encoding="unicode"), "utf-8")


def _describe(raster: RasterInfo) -> Element:
    """A VRT with all that is known of a raster but overviews."""
    root = _describe_pixels(raster, raster.width, raster.height)
    _add_georeference(root, raster.georef)
    _add_tags(root, raster.tags)
    for element, band in zip(root.findall("VRTRasterBand"), raster.bands, strict=True):
        _add_tags(element, band.tags)
        if band.description:
            SubElement(element, "Description").text = band.description
        if band.unit:
            SubElement(element, "UnitType").text = band.unit
        if (band.scale, band.offset) != (1.0, 0.0):
            SubElement(element, "Offset").text = repr(band.offset)
            SubElement(element, "Scale").text = repr(band.scale)
    return root


def _describe_pixels(raster: RasterInfo, width: int, height: int) -> Element:
    """A VRT of what overviews have, too: bands, their dtype, nodata and colours."""
    root = Element("VRTDataset", rasterXSize=str(width), rasterYSize=str(height))
    name = raster.dtype.name
    data_type = _DATA_TYPES.get(name, name.capitalize())
    for number, band in enumerate(raster.bands, 1):
        element = SubElement(root, "VRTRasterBand", dataType=data_type, band=str(number))
        if raster.nodata is not None:
            SubElement(element, "NoDataValue").text = repr(raster.nodata)
        color = band.color_interpretation
        SubElement(element, "ColorInterp").text = _COLORS.get(color, color.capitalize())
        # GDAL gives inverted gray a colour table too; as one it would become a palette.
        if band.colormap is not None and color == "palette":
            table = SubElement(element, "ColorTable")
            for entry in band.colormap:
                channels = zip(("c1", "c2", "c3", "c4"), map(str, entry), strict=True)
                SubElement(table, "Entry", dict(channels))
    return root


def is_empty(wkt: str) -> bool:
    """Whether a CRS is what GDAL makes of GeoTIFF keys that say Area or Point and no CRS."""
    return wkt.startswith('ENGCRS["unnamed",') and 'LENGTHUNIT["unknown",1' in wkt


def _add_georeference(root: Element, georef: GeoReference) -> None:
    for wkt in filter(None, (georef.crs_wkt, georef.gcp_crs_wkt)):
        parse_wkt(wkt)  # GDAL would leave out what it does not understand
    if georef.crs_wkt and not is_empty(georef.crs_wkt):
        # The WKT of a compound CRS has one code for the whole, GeoTIFF wants those of its parts.
        compound = georef.crs_wkt.startswith("COMPOUNDCRS[")
        code = georef.authority_code() if compound else None
        SubElement(root, "SRS").text = code or georef.crs_wkt
    if georef.transform != Affine.identity():
        numbers = (repr(float(value)) for value in georef.transform.to_gdal())
        SubElement(root, "GeoTransform").text = ", ".join(numbers)
    if georef.gcps:
        points = SubElement(root, "GCPList")
        if georef.gcp_crs_wkt:
            points.set("Projection", georef.gcp_crs_wkt)
        for number, feature in enumerate(georef.gcps, 1):
            points.append(_control_point(feature, number))
    if georef.rpcs:
        _add_items(root, "RPC", georef.rpcs)


def _control_point(feature: Mapping[str, Any], number: int) -> Element:
    properties = feature["properties"]
    x, y, *z = feature["geometry"]["coordinates"]
    values = {"Pixel": properties["col"], "Line": properties["row"], "X": x, "Y": y}
    if z:
        values["Z"] = z[0]
    return Element(
        "GCP",
        {
            "Id": str(properties.get("id") or number),
            "Info": str(properties.get("info") or ""),
            **{name: repr(float(value)) for name, value in values.items()},
        },
    )


def _add_tags(parent: Element, tags: Mapping[str, Mapping[str, str]]) -> None:
    # Copies do not take other domains with them; and XML would come back with other white space.
    if tags.get(""):
        _add_items(parent, "", tags[""])


def _add_items(parent: Element, domain: str, items: Mapping[str, str]) -> None:
    element = SubElement(parent, "Metadata", {"domain": domain} if domain else {})
    for key, value in items.items():
        SubElement(element, "MDI", key=key).text = value
