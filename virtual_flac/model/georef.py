"""Where a raster lies: CRS and transform to CF attributes and pixel-centre coordinates.

The attributes are those that rioxarray writes and reads (CF 1.11, section 5.6, plus GDAL's
``GeoTransform``).
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from copy import deepcopy
from dataclasses import dataclass, field, replace
from functools import lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt
from affine import Affine

from .crs import parse_crs, parse_wkt
from .pixel_axis import FloatArray, PixelAxis

#: https://github.com/zarr-conventions/geo-proj and https://github.com/zarr-conventions/spatial
_PROJ = {"name": "proj:", "uuid": "f17cb550-5864-4468-aeb7-f3180cfb622f"}
_SPATIAL = {"name": "spatial:", "uuid": "689b58e2-cf7b-45e0-9fff-9cfc0883d6b4"}


@dataclass(frozen=True, slots=True, kw_only=True)
class GeoReference:
    """Coordinate reference system and transform of a raster.

    Parameters
    ----------
    crs_wkt : str or None
        The CRS as WKT2:2019, or None.
    transform : Affine
        Pixel corners to CRS coordinates; the identity when the raster has none.
    gcps : tuple of dict
        Ground control points as GeoJSON features, as rioxarray writes them.
    gcp_crs_wkt : str or None
        The CRS of the ground control points.
    rpcs : Mapping of str to str
        Rational polynomial coefficients, GDAL's ``RPC`` metadata items.
    """

    crs_wkt: str | None = None
    transform: Affine = field(default_factory=Affine.identity)
    gcps: tuple[Mapping[str, Any], ...] = ()
    gcp_crs_wkt: str | None = None
    rpcs: Mapping[str, str] = field(default_factory=dict)

    @property
    def is_axis_aligned(self) -> bool:
        """Whether x depends on the column alone and y on the row alone."""
        return self.transform.b == 0 and self.transform.d == 0

    @property
    def has_coordinates(self) -> bool:
        """Whether x and y can be given per column and row (no rotation, no GCPs, no RPCs)."""
        return self.is_axis_aligned and not self.gcps and not self.rpcs

    def for_overview(
        self, *, width: int, height: int, base_width: int, base_height: int
    ) -> GeoReference:
        """The same area seen by a reduced copy of ``width`` x ``height`` pixels."""
        return self._with_pixels(across=base_width / width, down=base_height / height)

    def for_window(self, col_off: float, row_off: float) -> GeoReference:
        """The georeferencing of a part that begins at a column and a row."""
        return self._with_pixels(col_off=col_off, row_off=row_off)

    def _with_pixels(
        self, across: float = 1, down: float = 1, col_off: float = 0, row_off: float = 0
    ) -> GeoReference:
        """The same for larger pixels, or counted from another first pixel."""
        pixels = Affine(across, 0, col_off, 0, down, row_off)
        if not self.gcps and not self.rpcs:
            return replace(self, transform=self.transform @ pixels)
        points = [dict(point) for point in self.gcps]
        for point in points:
            place = point["properties"]
            col, row = place["col"] / across - col_off, place["row"] / down - row_off
            point["properties"] = {**place, "col": col, "row": row}
        rpcs = dict(self.rpcs)
        for name, factor, offset in (("SAMP", across, col_off), ("LINE", down, row_off)):
            if f"{name}_OFF" in rpcs and f"{name}_SCALE" in rpcs:
                # RPCs count from the centre of the first pixel.
                center = (_number(rpcs[f"{name}_OFF"]) + 0.5) / factor - 0.5 - offset
                rpcs[f"{name}_OFF"] = f"{center:.15g}"
                rpcs[f"{name}_SCALE"] = f"{_number(rpcs[f'{name}_SCALE']) / factor:.15g}"
        # The identity says that there is no transform, only points or coefficients.
        none = self.transform == Affine.identity()
        transform = self.transform if none else self.transform @ pixels
        return replace(self, transform=transform, gcps=tuple(points), rpcs=rpcs)

    def coordinates(self, *, width: int, height: int) -> tuple[FloatArray, FloatArray]:
        """Pixel-centre coordinates.

        Returns
        -------
        x : ndarray of float64, shape (width,)
        y : ndarray of float64, shape (height,)
            Shape (height, width) each when the transform is rotated or sheared.
        """
        if self.is_axis_aligned:
            x, y = self.axes(width=width, height=height)
            return x.values(), y.values()
        return self.places(np.arange(height), np.arange(width))

    def axes(self, *, width: int, height: int) -> tuple[PixelAxis, PixelAxis]:
        """X of every column and y of every row, where the transform has no rotation or shear."""
        return (
            PixelAxis(self._centre, "x", range(width)),
            PixelAxis(self._centre, "y", range(height)),
        )

    def places(
        self, rows: npt.NDArray[np.intp], cols: npt.NDArray[np.intp]
    ) -> tuple[FloatArray, FloatArray]:
        """X and y of the pixels where rows and columns meet, shape (row, column)."""
        centre: Any = self._centre
        x, y = centre @ np.meshgrid(cols, rows)
        return np.asarray(x, dtype=np.float64), np.asarray(y, dtype=np.float64)

    @property
    def _centre(self) -> Affine:
        """Pixel centres to CRS coordinates."""
        return self.transform @ Affine.translation(0.5, 0.5)

    def cf_attributes(self) -> dict[str, Any]:
        """Attributes of the grid mapping variable ``spatial_ref``."""
        attributes: dict[str, Any] = {}
        wkt = self.gcp_crs_wkt if self.gcps and self.gcp_crs_wkt else self.crs_wkt
        if wkt:
            attributes |= deepcopy(_cf_parameters(wkt))  # one is a list, and callers may edit it
            attributes["crs_wkt"] = wkt
            attributes["spatial_ref"] = wkt
        attributes["GeoTransform"] = " ".join(str(float(v)) for v in self.transform.to_gdal())
        if self.gcps:
            attributes["gcps"] = json.dumps(
                {"type": "FeatureCollection", "features": [dict(point) for point in self.gcps]}
            )
        if self.rpcs:
            attributes["rpcs"] = json.dumps(dict(self.rpcs))
        return attributes

    def convention_attributes(self) -> dict[str, Any]:
        """Attributes of the Zarr conventions ``proj:`` and ``spatial:``, as a supplement to CF.

        They are declared under the names by which rioxarray 0.23 knows them.
        """
        attributes: dict[str, Any] = {
            "spatial:dimensions": ["y", "x"],
            "spatial:transform": [float(v) for v in self.transform[:6]],
            "spatial:registration": "pixel",
        }
        conventions = [_SPATIAL]
        if self.crs_wkt:
            attributes["proj:wkt2"] = self.crs_wkt
            conventions = [_PROJ, _SPATIAL]
        attributes["zarr_conventions"] = [dict(convention) for convention in conventions]
        return attributes

    def authority_code(self) -> str | None:
        """``"EPSG:32629"`` and the like when the CRS is exactly that of a registry, else None."""
        if not self.crs_wkt:
            return None
        crs = parse_wkt(self.crs_wkt)
        authority = crs.to_authority(min_confidence=100)
        if authority is None:
            return None
        code = ":".join(authority)
        return code if parse_crs(code) == crs else None


def _number(text: str) -> float:
    """A number of RPC metadata, which may name its unit: ``"2199.80 pixels"``."""
    return float(text.split()[0])


@lru_cache(maxsize=64)  # the files of a cube have the same
def _cf_parameters(wkt: str) -> Mapping[str, Any]:
    """CF grid mapping parameters of a CRS; empty where CF has no name for it."""
    crs = parse_wkt(wkt)
    try:
        parameters: dict[str, Any] = crs.to_cf()
    except KeyError:
        # pyproj raises KeyError for a method that CF knows without the parameters CF asks for.
        return {}
    return parameters
