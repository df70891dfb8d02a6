"""Headers compared as they come: what fits is kept, small, and what does not is refused.

Knows facts and footprints; knows no dataset and no executor.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ..errors import MismatchError
from ..model.file_version import FileVersion
from ..model.index import Band, U64Array
from .agreement import RasterHeader, check_same, common, grid_facts, pixel_facts
from .arrangement import Footprint


@dataclass(frozen=True, slots=True)
class AcceptedRaster:
    """What is left of a file once it has been compared."""

    number: int
    url: str
    variable: Any
    tiles: U64Array
    """Offsets and lengths, copied: views would keep the whole header's."""
    footprint: Footprint | None
    version: FileVersion


@dataclass(slots=True)
class VariableGroup:
    """Files of one variable."""

    first: RasterHeader
    pixels: dict[str, Any]
    attributes: dict[str, Any] = field(default_factory=dict)
    bands: dict[Any, tuple[str, Band]] = field(default_factory=dict)


class CompatibilityCheck:
    """Compares each file with the first as it comes and keeps little of it."""

    def __init__(
        self, ignored: Collection[str], *, mosaic: bool, as_variables: bool, along_band: bool
    ) -> None:
        self.ignored = ignored
        self.mosaic = mosaic
        self.as_variables = as_variables
        self.along_band = along_band
        self.kept: list[AcceptedRaster] = []
        self.groups: dict[Any, VariableGroup] = {}
        self._grid: tuple[str, dict[str, Any]] | None = None

    def add(self, number: int, part: RasterHeader, band: Any) -> None:
        """Keep a file, or refuse it."""
        grid = grid_facts(part, mosaic=self.mosaic)
        pixels = pixel_facts(part, mosaic=self.mosaic, along_band=self.along_band)
        self._check_alone(part)
        if self._grid is None:
            self._grid = (part.url, grid)
        key = band if self.as_variables else None
        group = self.groups.get(key)
        if group is None:
            check_same(self._grid[1], self._grid[0], grid, part.url, self.ignored)
            group = self.groups[key] = VariableGroup(part, pixels)
        else:
            # dtype before grid: whoever mixes up products wants to hear of that first
            expected = {"dtype": group.pixels["dtype"], **self._grid[1], **group.pixels}
            check_same(expected, group.first.url, {**grid, **pixels}, part.url, self.ignored)
        if self.along_band:
            self._check_band(group, band, part)
        group.attributes = common(group.attributes, part.attributes)
        footprint = None
        if self.mosaic:
            raster = part.raster
            footprint = Footprint(part.url, part.georef.transform, raster.width, raster.height)
        self.kept.append(
            AcceptedRaster(
                number,
                part.url,
                key,
                np.stack([part.offsets, part.lengths]),
                footprint,
                part.version,
            )
        )

    def _check_alone(self, part: RasterHeader) -> None:
        if (self.along_band or self.as_variables) and len(part.bands) != 1:
            raise MismatchError(
                f"{part.url}: has {len(part.bands)} bands; a cube whose bands are files needs one "
                "in each. Choose one with FLACParser(bands=[1]) (--bands 1)."
            )
        if self.mosaic and (part.georef.gcps or part.georef.rpcs):
            raise MismatchError(
                f"{part.url}: is placed by ground control points or RPCs; a mosaic needs a "
                "transform. Warp it first."
            )

    def _check_band(self, group: VariableGroup, band: Any, part: RasterHeader) -> None:
        here = part.raster.bands[part.bands[0]]
        url, known = group.bands.setdefault(band, (part.url, here))
        check_same(
            {"scale": known.scale, "offset": known.offset}, url,
            {"scale": here.scale, "offset": here.offset}, part.url, (),
        )  # fmt: skip
