"""A GeoTIFF that says everything of a raster and has no pixels yet.

Knows rasterio and `RasterInfo`.

Must not know FLAC, nor bytes of TIFF but for one note that GDAL leaves in a file.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import rasterio.shutil

from ..model.index import RasterInfo
from .vrt import describe_overview, describe_raster

#: What GDAL writes behind the header of a file whose order is that of a COG.
_ORDER_NOTE = b"GDAL_STRUCTURAL_METADATA_SIZE="
_ORDER_NOTE_BYTES = 16 + 4096


def write_skeleton(
    raster: RasterInfo,
    overviews: Sequence[tuple[int, int]],
    name: Path,
    options: Mapping[str, Any],
) -> None:
    """A GeoTIFF with all metadata and all directories, and no pixels yet.

    Parameters
    ----------
    raster : RasterInfo
    overviews : sequence of (width, height)
    name : Path
        The file; a few VRTs are left beside it.
    options : mapping
        GDAL's creation options.
    """
    names = []
    for number, (width, height) in enumerate(overviews, 1):
        names.append(f"overview{number}.vrt")
        text = describe_overview(raster, width, height)
        name.with_name(names[-1]).write_text(text, "utf-8")
    virtual = name.with_name("raster.vrt")
    virtual.write_text(describe_raster(raster, names), "utf-8")
    rasterio.shutil.copy(
        os.fspath(virtual),
        os.fspath(name),
        driver="GTiff",
        SPARSE_OK=True,
        COPY_SRC_OVERVIEWS=bool(overviews),
        **options,
    )
    _forget_order(name)


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


def write_domains(dataset: Any, raster: RasterInfo) -> None:
    """Metadata of all domains but the default one, XML documents letter for letter."""
    levels = [(0, raster.tags), *((n, band.tags) for n, band in enumerate(raster.bands, 1))]
    for number, tags in levels:
        for domain, items in tags.items():
            if domain.startswith("xml:"):
                # GDAL joins key and value with the sign at which we take them apart.
                parts = (text.partition("=") for text in items.values())
                dataset.update_tags(number, ns=domain, **{key: value for key, _, value in parts})
            elif domain:
                dataset.update_tags(number, ns=domain, **items)


def is_inverted_gray(raster: RasterInfo) -> bool:
    """Whether the raster looks as GDAL describes a TIFF whose 0 is white."""
    colormap = raster.bands[0].colormap
    if raster.count > 1 or not colormap or raster.bands[0].color_interpretation == "palette":
        return False
    return colormap[0] == (255, 255, 255, 255)
