"""What was collected as one virtual dataset: extents, variables, attributes, and holes refused.

Knows all of a cube but where it comes from: no sources' names, no executor.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import xarray as xr
from obspec_utils.registry import ObjectStoreRegistry
from virtualizarr.manifests import ManifestArray

from ..errors import MismatchError, SelectionError
from ..model.attributes import data_attributes
from ..virtual.arrays import without_fill_values
from ..virtual.parser import FLACParser
from .agreement import without_conflicts
from .arrangement import Mosaic, place
from .assembly import ChunkTable, Tiles, assemble, template
from .axes import Axes
from .collect import CompatibilityCheck, VariableGroup
from .labels import BAND

#: What differs from band to band, and is listed where bands come from several files.
_PER_BAND = ("scale_factor", "add_offset", "scales", "offsets", "long_name", "units")


def to_dataset(
    collected: CompatibilityCheck,
    axes: Axes,
    registry: ObjectStoreRegistry[Any],
    parser: FLACParser,
    *,
    allow_missing: bool,
) -> xr.Dataset:
    """The cube.

    Raises
    ------
    MismatchError
        When a place has no raster and `allow_missing` is false, or no nodata could stand there,
        or two rasters have it.
    SelectionError
        When a band cannot be the name of a variable.
    """
    mosaics = _place(collected)
    base: xr.Dataset | None = None
    arrays: dict[str, xr.Variable] = {}
    names = axes.bands if collected.as_variables else [None]
    for name in names:
        group, extent = collected.groups[name], mosaics.get(name)
        model = template(
            group.first, registry, variable=parser.variable, coordinates=parser.coordinates,
            skip_variables=parser.skip_variables,
            extent=(extent.height, extent.width, extent.transform) if extent else None,
        )  # fmt: skip
        variable = parser.variable if name is None else _variable_name(name, model, axes)
        arrays[variable] = _array(
            model[parser.variable], group, collected, axes, extent, name, parser, allow_missing
        )
        base = model.drop_vars(parser.variable) if base is None else base
    assert base is not None
    coordinates = dict(axes.coordinates)
    if collected.as_variables:
        base = base.drop_vars(BAND, errors="ignore")
    elif collected.along_band and BAND in base.variables:
        whole = all(isinstance(band, int) for band in axes.bands)
        coordinates[BAND] = np.asarray(
            axes.bands if whole else range(1, len(axes.bands) + 1), dtype=np.int64
        )
    return without_fill_values(assemble(base, arrays, coordinates))


def _variable_name(band: Any, model: xr.Dataset, axes: Axes) -> str:
    name = f"band_{band}" if isinstance(band, int) else str(band)
    if not name or "/" in name or name in axes.coordinates or name in (*model.coords, *model.dims):
        raise SelectionError(f"{name!r} cannot be the name of a variable here; rename the band")
    return name


def _place(collected: CompatibilityCheck) -> dict[Any, Mosaic]:
    """One extent for all; corners in the tiles of each variable."""
    if not collected.mosaic:
        return {}
    mosaics = {}
    footprints = [part.footprint for part in collected.kept if part.footprint is not None]
    for name, group in collected.groups.items():
        mosaics[name] = place(footprints, group.first.tile_shape)
    return mosaics


def _array(
    model: xr.DataArray,
    group: VariableGroup,
    collected: CompatibilityCheck,
    axes: Axes,
    extent: Mosaic | None,
    name: Any,
    parser: FLACParser,
    allow_missing: bool,
) -> xr.Variable:
    first = model.variable._data
    assert isinstance(first, ManifestArray)
    bands, rows, cols = first.manifest.shape_chunk_grid
    if collected.along_band:
        bands = len(axes.bands)
    table = ChunkTable(
        axes.lead(), (bands, rows, cols), by_band=collected.along_band, mosaic=extent is not None
    )
    for row, part in enumerate(collected.kept):
        if part.variable != name:
            continue
        band = axes.band_positions[row] if collected.along_band and axes.band_positions else None
        corner = extent.corners[row] if extent else (0, 0)
        table.add(Tiles(part.url, *part.tiles, axes.at(row), band, corner))
    hole = table.missing()
    if hole is not None:
        _check_hole(hole, group, axes, collected, name, allow_missing=allow_missing)
    height, width = model.shape[1:]
    planes = () if collected.as_variables else (BAND,)
    count = len(axes.bands) if collected.along_band else model.shape[0]
    dims = (*axes.coordinates, *planes, "y", "x")
    shape = (*axes.lead(), *(count for _ in planes), height, width)
    attributes = without_conflicts(group.attributes)
    if collected.along_band:
        attributes = _band_attributes(attributes, group, axes)
    kept = {key: model.attrs[key] for key in ("grid_mapping", "_FillValue") if key in model.attrs}
    return xr.Variable(dims, table.array(first, shape, dims), {**attributes, **kept})


def _check_hole(
    hole: tuple[int, ...],
    group: VariableGroup,
    axes: Axes,
    collected: CompatibilityCheck,
    name: Any,
    *,
    allow_missing: bool,
) -> None:
    where = [
        f"{dim} {values[place]}"
        for (dim, values), place in zip(axes.coordinates.items(), hole, strict=False)
    ]
    band, row, col = hole[-3:]
    if collected.along_band:
        where.append(f"band {axes.bands[band]}")
    if name is not None:
        where.append(f"variable {name}")
    if collected.mosaic:
        where.append(f"tile ({row}, {col})")
    text = f"there is no raster for {', '.join(where)}"
    if not allow_missing:
        raise MismatchError(
            f"{text}. Pass allow_missing=True (--allow-missing) to have nodata there, or leave "
            "out its siblings."
        )
    if group.first.raster.fill_value is None:
        raise MismatchError(
            f"{text}, and {group.first.url} has no nodata that could stand there. Write the "
            "rasters with nodata, or leave out its siblings."
        )


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
    every = data_attributes(replace(group.first.raster, bands=tuple(found)))
    return shared | {key: every[key] for key in _PER_BAND if key in every}
