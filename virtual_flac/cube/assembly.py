"""The accepted rasters as one virtual dataset: coordinates, variables and attributes."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt
import xarray as xr

from ..errors import MismatchError, SelectionError
from ..model.attributes import GRID_MAPPING, coordinate_variables, stored_attributes
from ..model.grid import TileGrid
from ..model.index import RasterInfo
from ..virtual.arrays import inline_array
from ..virtual.build import reading_attributes, tile_array
from ..virtual.parser import FLACParser
from .agreement import CompatibilityCheck, VariableGroup
from .arrangement import Axes, Mosaic, place_on_grid
from .chunk_table import ChunkTable
from .labels import BAND

#: What differs from band to band, and is listed where bands come from several files.
_PER_BAND = ("scale_factor", "add_offset", "scales", "offsets", "long_name", "units")


class CubeBuilder:
    """Makes one dataset of the rasters that a check accepted; a parser gives its names."""

    def __init__(
        self, check: CompatibilityCheck, axes: Axes, parser: FLACParser, *, allow_missing: bool
    ) -> None:
        self.check = check
        self.axes = axes
        self.parser = parser
        self.allow_missing = allow_missing

    def build(self) -> xr.Dataset:
        """The cube.

        Raises
        ------
        MismatchError
            When there is no raster for a position and `allow_missing` is false or the rasters have
            no nodata, or there are two.
        SelectionError
            When a band cannot be the name of a variable.
        """
        check = self.check
        coordinates: dict[str, xr.Variable] = {}
        variables: dict[str, xr.Variable] = {}
        attributes: dict[str, Any] = {}
        for label in self.axes.bands if check.as_variables else [None]:
            first, mosaic = check.groups[label].first, None
            raster = first.raster
            if check.mosaic:
                # One extent for all; corners in the tiles of each variable.
                mosaic = place_on_grid(check.kept, first.tile_shape)
                georef = replace(raster.georef, transform=mosaic.transform)
                raster = replace(raster, width=mosaic.width, height=mosaic.height, georef=georef)
            if not variables:
                coordinates = self._coordinates(raster)
                attributes = raster.georef.convention_attributes()
            name = self.parser.variable if label is None else _variable_name(label, coordinates)
            variables[name] = self._variable(label, raster, mosaic)
        return xr.Dataset(variables, coordinates, attributes)

    def _coordinates(self, raster: RasterInfo) -> dict[str, xr.Variable]:
        """Coordinates of a raster and of the new dimensions."""
        check, labels = self.check, self.axes.bands
        found: dict[str, xr.Variable] = {}
        bands = next(iter(check.groups.values())).first.bands
        skip = frozenset(self.parser.skip_variables)
        for name, (dims, values, notes) in coordinate_variables(
            raster, bands, with_xy=self.parser.coordinates, stored=True
        ).items():
            if name in skip or (name == BAND and check.as_variables):
                continue
            data: Any = values
            if name == GRID_MAPPING:
                data = inline_array(values, dims, notes)
            elif name == BAND and check.along_band:
                whole = all(isinstance(band, int) for band in labels)
                data = np.asarray(labels if whole else range(1, len(labels) + 1), np.int64)
                notes = {}
            found[name] = xr.Variable(dims, data, notes)
        new = {name: _dimension(name, values) for name, values in self.axes.coordinates.items()}
        return found | new

    def _variable(self, label: Any, raster: RasterInfo, mosaic: Mosaic | None) -> xr.Variable:
        check, axes = self.check, self.axes
        group = check.groups[label]
        first = group.first
        height, width = first.tile_shape
        grid = TileGrid(raster.height, raster.width, height, width)
        lead = tuple(map(len, axes.coordinates.values()))
        count = len(axes.bands) if check.along_band else len(first.bands)
        planes = count if check.along_band else first.lengths.shape[0]
        table = ChunkTable(
            lead, (planes, grid.rows, grid.cols), by_band=check.along_band, mosaic=check.mosaic
        )
        for row, kept in enumerate(check.kept):
            if kept.variable == label:
                table.add(
                    kept.url, kept.tiles, axes.positions[row],
                    band=axes.band_positions[row] if check.along_band else None,
                    corner=mosaic.corners[row] if mosaic else (0, 0),
                )  # fmt: skip
        if table.hole is not None:
            self._check_hole(table.hole, label)
        band = [] if check.as_variables else [(BAND, count)]
        dims = (*axes.coordinates, *(name for name, _ in band), "y", "x")
        shape = (*lead, *(size for _, size in band), raster.height, raster.width)
        assert first.spec.chunk_shape is not None
        chunk_shape = (
            first.spec.chunk_shape[0], min(height, raster.height), min(width, raster.width)
        )  # fmt: skip
        spec = replace(first.spec, chunk_shape=chunk_shape)
        attributes = group.attributes
        if check.along_band:
            attributes = _band_attributes(attributes, group, axes)
        tables = table.tables(with_band=not check.as_variables)
        array = tile_array(raster, spec, tables, shape=shape, dims=dims)
        return xr.Variable(dims, array, {**attributes, **reading_attributes(raster)})

    def _check_hole(self, hole: tuple[int, ...], label: Any) -> None:
        check, axes = self.check, self.axes
        first = check.groups[label].first
        where = [
            f"{dim} {values[position]}"
            for (dim, values), position in zip(axes.coordinates.items(), hole, strict=False)
        ]
        band, row, col = hole[-3:]
        if check.along_band:
            where.append(f"band {axes.bands[band]}")
        if label is not None:
            where.append(f"variable {label}")
        if check.mosaic:
            where.append(f"tile ({row}, {col})")
        text = f"there is no raster for {', '.join(where)}"
        if not self.allow_missing:
            raise MismatchError(
                f"{text}. Pass allow_missing=True (--allow-missing) to fill missing positions with "
                "nodata, or leave out its siblings."
            )
        if first.raster.fill_value is None:
            raise MismatchError(
                f"{text}, and {first.url} has no nodata that could stand there. Write the rasters "
                "with nodata, or leave out its siblings."
            )


def _dimension(name: str, values: npt.NDArray[Any]) -> xr.Variable:
    encoding: dict[str, Any] = {}
    if values.dtype.kind == "M":
        # Whatever the first dates are, later ones can be appended in the same units.
        exact = (values == values.astype("datetime64[us]")).all()
        unit = "microseconds" if exact else "nanoseconds"
        encoding = {
            "units": f"{unit} since 1970-01-01", "dtype": "int64",
            "calendar": "proleptic_gregorian",
        }  # fmt: skip
    return xr.Variable(name, values, encoding=encoding)


def _variable_name(band: Any, coordinates: dict[str, xr.Variable]) -> str:
    name = f"band_{band}" if isinstance(band, int) else str(band)
    if not name or "/" in name or name in coordinates or name in (BAND, "y", "x"):
        raise SelectionError(f"{name!r} cannot be the name of a variable here; rename the band")
    return name


def _band_attributes(
    attributes: dict[str, Any], group: VariableGroup, axes: Axes
) -> dict[str, Any]:
    """Attributes with those that differ by band as lists, and the bands' names."""
    shared = {key: value for key, value in attributes.items() if key not in _PER_BAND}
    found = [group.bands[band][1] for band in axes.bands]
    if not all(isinstance(band, int) for band in axes.bands):
        found = [
            replace(band, description=str(name))
            for band, name in zip(found, axes.bands, strict=True)
        ]
    every = stored_attributes(replace(group.first.raster, bands=tuple(found)))
    return shared | {key: every[key] for key in _PER_BAND if key in every}
