"""What the rasters of one cube must agree in, and the error when they do not.

Headers are compared as they come. Of what fits, little is kept.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from affine import Affine

from ..errors import MismatchError, SelectionError, shortened
from ..model.attributes import stored_attributes
from ..model.file_version import FileVersion
from ..model.index import Band, U64Array
from .headers import RasterHeader

#: Options of `ignore`, and what taking them does. None of them changes a stored pixel.
IGNORABLE = {
    "crs": "take the first one's CRS for all",
    "transform": "place all of them where the first one lies",
    "nodata": "take the first one's nodata for all",
}
_OTHERWISE = {
    "dtype": "No option allows it: convert one to the other's dtype first.",
    "shape (band, y, x)": "Choose bands (--bands), warp them to one grid first, or, for "
    "neighbours, pass mosaic=True (--mosaic).",
    "bands": "Choose as many bands of each (bands=..., --bands).",
    "tile shape": "Write them again with one tile size.",
    "resolution": "Warp them to one resolution first.",
    "scale": "No option allows it: the same number would mean two things. Rescale one first.",
    "offset": "No option allows it: the same number would mean two things. Rescale one first.",
    "codec configuration": "Write them again in one layout with the same interleave.",
}
#: Stands for an attribute in which rasters differ.
_CONFLICT = object()


@dataclass(frozen=True, slots=True)
class AcceptedRaster:
    """What is left of a file once it has been compared."""

    number: int
    url: str
    variable: Any
    tiles: U64Array
    """Offsets and lengths, copied: views would keep the whole header's."""
    transform: Affine
    width: int
    height: int
    version: FileVersion


@dataclass(slots=True)
class VariableGroup:
    """Files of one variable."""

    first: RasterHeader
    pixels: dict[str, Any]
    merged: dict[str, Any] = field(default_factory=dict)
    bands: dict[Any, tuple[str, Band]] = field(default_factory=dict)

    def merge(self, attributes: Mapping[str, Any]) -> None:
        """Keep attributes while they do not differ; one that a raster lacks stays."""
        for name, value in attributes.items():
            if self.merged.setdefault(name, value) != value:
                self.merged[name] = _CONFLICT

    @property
    def attributes(self) -> dict[str, Any]:
        """Attributes that never differed."""
        return {name: value for name, value in self.merged.items() if value is not _CONFLICT}


class CompatibilityCheck:
    """Compares each file with the first as it comes and keeps little of it.

    `ignore` names what may differ, of `IGNORABLE`; `along_band` says whether the bands come from
    several files. The other arguments are those of `stack`.

    Raises
    ------
    SelectionError
        When something cannot be ignored.
    """

    def __init__(
        self, ignore: Collection[str], *, mosaic: bool, as_variables: bool, along_band: bool
    ) -> None:
        self.ignored = {name.lower() for name in ([ignore] if isinstance(ignore, str) else ignore)}
        for name in sorted(self.ignored - set(IGNORABLE)):
            raise SelectionError(
                f"ignore (--ignore) {name!r}: only these can be ignored: {', '.join(IGNORABLE)}"
            )
        self.mosaic = mosaic
        self.as_variables = as_variables
        self.along_band = along_band
        self.kept: list[AcceptedRaster] = []
        self.groups: dict[Any, VariableGroup] = {}
        self._grid: tuple[str, dict[str, Any]] | None = None

    def add(self, number: int, header: RasterHeader, band: Any) -> None:
        """Keep a file.

        Raises
        ------
        MismatchError
            Names the file, the property in which it differs, both values and the way out.
        """
        grid, pixels = self._properties(header)
        if self._grid is None:
            self._grid = (header.url, grid)
        variable = band if self.as_variables else None
        group = self.groups.get(variable)
        if group is None:
            self._compare(*self._grid, grid, header.url)
            group = self.groups[variable] = VariableGroup(header, pixels)
        else:
            # dtype before grid: whoever mixes up products wants to hear of that first.
            expected = {"dtype": group.pixels["dtype"], **self._grid[1], **group.pixels}
            self._compare(group.first.url, expected, {**grid, **pixels}, header.url)
        if self.along_band:
            here = header.raster.bands[header.bands[0]]
            url, known = group.bands.setdefault(band, (header.url, here))
            expected = {"scale": known.scale, "offset": known.offset}
            self._compare(url, expected, {"scale": here.scale, "offset": here.offset}, header.url)
        group.merge(stored_attributes(header.raster, header.bands))
        raster = header.raster
        self.kept.append(
            AcceptedRaster(
                number, header.url, variable, np.stack([header.offsets, header.lengths]),
                raster.georef.transform, raster.width, raster.height, header.version,
            )
        )  # fmt: skip

    def _properties(self, header: RasterHeader) -> tuple[dict[str, Any], dict[str, Any]]:
        """Where the pixels lie; how they are stored and what they mean."""
        raster, georef, bands = header.raster, header.raster.georef, header.bands
        if (self.along_band or self.as_variables) and len(bands) != 1:
            raise MismatchError(
                f"{header.url}: has {len(bands)} bands; a cube whose bands are files needs one "
                "in each. Choose one with FLACParser(bands=[1]) (--bands 1)."
            )
        if self.mosaic and (georef.gcps or georef.rpcs):
            raise MismatchError(
                f"{header.url}: is placed by ground control points or RPCs; a mosaic needs a "
                "transform. Warp it first."
            )
        transform, fill, spec = tuple(georef.transform[:6]), raster.fill_value, header.spec
        grid: dict[str, Any] = {"CRS": georef.crs_wkt}
        pixels: dict[str, Any] = {
            "dtype": raster.dtype.name,
            "tile shape": header.tile_shape if self.mosaic else spec.chunk_shape,
            "nodata": "nan" if fill is not None and fill != fill else fill,  # NaN is not itself
            "codec configuration": (spec.channels, spec.select, spec.mapping),
        }
        if self.mosaic:
            resolution = (*transform[:2], *transform[3:5])
            grid = {"bands": len(bands), "resolution": resolution, **grid}
        else:
            shape = (len(bands), raster.height, raster.width)
            grid = {"shape (band, y, x)": shape, "transform": transform, **grid}
        if not self.along_band:
            pixels["scale"] = tuple(raster.bands[band].scale for band in bands)
            pixels["offset"] = tuple(raster.bands[band].offset for band in bands)
        return grid, pixels

    def _compare(
        self, first_url: str, first: Mapping[str, Any], other: Mapping[str, Any], url: str
    ) -> None:
        for name, expected in first.items():
            option = name.lower()
            if other[name] == expected or option in self.ignored:
                continue
            if option in IGNORABLE:
                way = f'Pass ignore=["{option}"] (--ignore {option}) to {IGNORABLE[option]}.'
            else:
                way = _OTHERWISE[name]
            raise MismatchError(
                f"{url}: {name} is {shortened(other[name])}, but {first_url} has "
                f"{shortened(expected)}; rasters of one cube must agree. {way}"
            )
