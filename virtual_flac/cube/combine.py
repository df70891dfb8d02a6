"""`stack`: labels, headers, comparison, arrangement and virtual arrays, in this order."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import xarray as xr
from obspec_utils.registry import ObjectStoreRegistry
from virtualizarr.manifests import ManifestArray

from ..attributes import data_attributes
from ..errors import FlacError, MismatchError, SelectionError
from ..file_version import FileVersion
from ..index import Band, U64Array
from ..parser import FLACParser
from ..provenance import record_sources
from ..stores import registry_for
from ..virtual_arrays import without_fill_values
from .build import ChunkTable, Tiles, assemble, template
from .facts import (
    Part,
    check_same,
    checked_ignore,
    common,
    grid_facts,
    pixel_facts,
    without_conflicts,
)
from .gather import Parallel, Skipped, SkippedWarning, read_parts
from .labels import BAND, DATE_PATTERN, as_coordinate
from .place import Footprint, Mosaic, place
from .sources import Sources, find_sources

#: What differs from band to band, and is listed where bands come from several files.
_PER_BAND = ("scale_factor", "add_offset", "scales", "offsets", "long_name", "units")


def stack(
    urls: Iterable[Any] | Any,
    *,
    dim: str | Sequence[str] | None = None,
    values: Sequence[Any] | Mapping[str, Sequence[Any]] | None = None,
    pattern: str = DATE_PATTERN,
    assets: Sequence[str] | None = None,
    mosaic: bool = False,
    as_variables: bool = False,
    allow_missing: bool = False,
    ignore: Collection[str] = (),
    registry: ObjectStoreRegistry[Any] | None = None,
    store_options: Mapping[str, Any] | None = None,
    parser: FLACParser | None = None,
    parallel: Parallel = "threads",
    workers: int = 16,
    on_error: Literal["raise", "skip"] = "raise",
    report: list[Skipped] | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> xr.Dataset:
    r"""Combine FLAC rasters to one virtual cube: along new dimensions, along bands, as a mosaic.

    Parameters
    ----------
    urls : iterable of str or path, or STAC items
        One raster each. Or an ItemCollection, a list of items, one item (dictionaries, or objects
        with ``to_dict`` such as pystac's), or the path or URL of such JSON: the rasters are their
        FLAC assets, ``time`` is their datetime in UTC, and where there are several asset keys
        those are the bands.
    dim : str or sequence of str, optional
        The new dimensions, in this order; ``time`` by default, or what `pattern` finds. ``band``
        among them makes one variable of single-band files: band is counted from 1, ``long_name``
        lists the names; or, where the names are whole numbers, band is those. With `mosaic`,
        ``()`` for none.
    values : sequence, or mapping of str to sequence, optional
        Coordinates, one value a raster; by name for several dimensions. By default they are taken
        from the file names.
    pattern : str
        Regular expression that finds them there: named groups are dimensions, ``%Y %m %d %H %M
        %S %j`` stand for parts of a date, so do three groups without names for year, month and
        day. ``r"(?P<band>B\d\w)_%Y%m%d"`` makes a cube of time and band.
    assets : sequence of str, optional
        Asset keys of STAC items, in the order of the bands. All FLAC assets by default.
    mosaic : bool
        Whether rasters of the same coordinates lie beside each other, to be placed by their
        transforms. They must have one resolution and be aligned to whole tiles; only the last
        tile row and column of the whole may be partial.
    as_variables : bool
        One variable (..., y, x) for each band, named after it, instead of a dimension. Their
        dtypes, tile shapes and nodata may differ; their grid may not.
    allow_missing : bool
        Whether places without a raster are nodata. Needs a raster with nodata.
    ignore : collection of {"crs", "transform", "nodata"}
        Properties in which the rasters may differ; those of the first are taken. No stored pixel
        changes, but where it is placed, or what counts as missing.
    registry : ObjectStoreRegistry, optional
        Stores to read with; made by `registry_for` when not given. Pickled, credentials included,
        where the executor works in other processes.
    store_options : Mapping, optional
        Options of the stores, for `registry_for`, where no `registry` is given.
    parser : FLACParser, optional
        Selects bands, overview and variable name.
    parallel : {"threads", "dask", "lithops", False} or Executor or class of executors
        Where headers are read: as in VirtualiZarr's ``open_virtual_mfdataset``, but threads by
        default. An executor that is given stays open.
    workers : int
        Files read at the same time, in each process.
    on_error : {"raise", "skip"}
        Whether a file that cannot be read or does not fit ends it all or is left out.
    report : list, optional
        Receives a `Skipped` for each file left out; without it, one warning lists them.
    progress : callable, optional
        Called with the number of files read and their total.

    Returns
    -------
    xarray.Dataset
        Virtual. ``band_data`` has the dimensions (\*`dim`, band, y, x); new coordinates are sorted,
        given bands keep their order.

    Raises
    ------
    MismatchError
        When a raster differs from the first in grid, CRS, dtype, nodata, bands, scaling, tiling
        or codec configuration; names the file, the property, both values and the way out.
    SelectionError
        When a name holds no date and no values are given, or two rasters have the same place.
    SourceError, LayoutError
        When a file cannot be read, or is no FLAC raster.

    Notes
    -----
    Costs one ranged GET per file. The result equals that of ``open_virtual_mfdataset`` with
    ``combine="nested"``, made without a dataset per file.
    """
    if on_error not in ("raise", "skip"):
        raise SelectionError(f"on_error is {on_error!r}; expected 'raise' or 'skip'")
    ignored = checked_ignore(ignore)
    options = dict(store_options or {})
    sources = find_sources(urls, dim, values, pattern, assets, options, mosaic=mosaic)
    if as_variables and BAND not in sources.labels:
        raise SelectionError(
            "as_variables (--as-variables) needs the names of the variables: as the dimension "
            "band, from a pattern with (?P<band>...), from values, or from STAC assets"
        )
    if not mosaic:
        _refuse_twice(sources)
    registry = registry or registry_for(sources.urls, **options)
    parser = parser or FLACParser()
    along_band = BAND in sources.labels and not as_variables
    collected = _Collected(ignored, mosaic=mosaic, as_variables=as_variables, along_band=along_band)
    skipped: list[Skipped] = []
    parts = read_parts(sources.urls, parser, registry, parallel=parallel, workers=workers)
    for number, (url, part) in enumerate(parts):
        try:
            if isinstance(part, Exception):
                raise part
            collected.add(number, part, sources.band(number))
        except (FlacError, OSError) as error:
            if on_error == "raise":
                raise
            skipped.append(Skipped(url, str(error)))
        if progress is not None:
            progress(number + 1, len(sources.urls))
    _tell(skipped, report, len(sources.urls))
    dataset = _build(collected, sources, registry, parser, allow_missing=allow_missing)
    record_sources(dataset, {part.url: part.version for part in collected.kept})
    return dataset


@dataclass(frozen=True, slots=True)
class _Kept:
    """What is left of a file once it has been compared."""

    number: int
    url: str
    variable: Any
    tiles: U64Array
    """Offsets and lengths, copied: views would keep the whole header's."""
    footprint: Footprint | None
    version: FileVersion


@dataclass(slots=True)
class _Group:
    """Files of one variable."""

    first: Part
    pixels: dict[str, Any]
    attributes: dict[str, Any] = field(default_factory=dict)
    bands: dict[Any, tuple[str, Band]] = field(default_factory=dict)


class _Collected:
    """Compares each file with the first as it comes and keeps little of it."""

    def __init__(
        self, ignored: Collection[str], *, mosaic: bool, as_variables: bool, along_band: bool
    ) -> None:
        self.ignored = ignored
        self.mosaic = mosaic
        self.as_variables = as_variables
        self.along_band = along_band
        self.kept: list[_Kept] = []
        self.groups: dict[Any, _Group] = {}
        self._grid: tuple[str, dict[str, Any]] | None = None

    def add(self, number: int, part: Part, band: Any) -> None:
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
            group = self.groups[key] = _Group(part, pixels)
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
        version = FileVersion(part.file_size, part.etag, part.last_modified)
        self.kept.append(
            _Kept(number, part.url, key, np.stack([part.offsets, part.lengths]), footprint, version)
        )

    def _check_alone(self, part: Part) -> None:
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

    def _check_band(self, group: _Group, band: Any, part: Part) -> None:
        here = part.raster.bands[part.bands[0]]
        url, known = group.bands.setdefault(band, (part.url, here))
        check_same(
            {"scale": known.scale, "offset": known.offset}, url,
            {"scale": here.scale, "offset": here.offset}, part.url, (),
        )  # fmt: skip


def _refuse_twice(sources: Sources) -> None:
    columns = [as_coordinate(values).tolist() for values in sources.labels.values()]
    labels = list(zip(*columns, strict=True))
    seen: dict[tuple[Any, ...], int] = {}
    for number, label in enumerate(labels):
        other = seen.setdefault(label, number)
        if other != number:
            names = ", ".join(
                f"{dim} {as_coordinate([values[number]])[0]}"
                for dim, values in sources.labels.items()
            )
            raise SelectionError(
                f"{names} belongs to {labels.count(label)} rasters, among them "
                f"{sources.urls[other]} and {sources.urls[number]}; give the values yourself, name "
                "another dimension, or pass mosaic=True (--mosaic) for rasters beside each other"
            )


def _tell(skipped: list[Skipped], report: list[Skipped] | None, total: int) -> None:
    if len(skipped) == total:
        raise MismatchError(
            f"none of the {total} rasters can be used; the first: {skipped[0].reason}"
        )
    if report is not None:
        report.extend(skipped)
    elif skipped:
        reasons = "\n".join(item.reason for item in skipped)
        warnings.warn(
            f"{len(skipped)} of {total} rasters were skipped:\n{reasons}",
            SkippedWarning,
            stacklevel=3,
        )


@dataclass(frozen=True, slots=True)
class _Axes:
    """New dimensions: their coordinates, and the place of each kept file along them."""

    coordinates: dict[str, npt.NDArray[Any]]
    positions: dict[str, npt.NDArray[np.intp]]
    bands: list[Any]
    band_positions: list[int] | None

    def lead(self) -> tuple[int, ...]:
        """Sizes of the new dimensions but band."""
        return tuple(len(values) for values in self.coordinates.values())

    def at(self, row: int) -> tuple[int, ...]:
        """Place of a kept file along them."""
        return tuple(int(places[row]) for places in self.positions.values())


def _axes(collected: _Collected, sources: Sources) -> _Axes:
    coordinates: dict[str, npt.NDArray[Any]] = {}
    positions: dict[str, npt.NDArray[np.intp]] = {}
    bands: list[Any] = []
    band_positions = None
    for dim, labels in sources.labels.items():
        here = [labels[part.number] for part in collected.kept]
        if dim == BAND:
            bands = list(dict.fromkeys(here)) if sources.bands_ordered else sorted(set(here))
            band_positions = [bands.index(name) for name in here]
        else:
            coordinates[dim], positions[dim] = np.unique(as_coordinate(here), return_inverse=True)
    return _Axes(coordinates, positions, bands, band_positions)


def _build(
    collected: _Collected,
    sources: Sources,
    registry: ObjectStoreRegistry[Any],
    parser: FLACParser,
    *,
    allow_missing: bool,
) -> xr.Dataset:
    axes = _axes(collected, sources)
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


def _variable_name(band: Any, model: xr.Dataset, axes: _Axes) -> str:
    name = f"band_{band}" if isinstance(band, int) else str(band)
    if not name or "/" in name or name in axes.coordinates or name in (*model.coords, *model.dims):
        raise SelectionError(f"{name!r} cannot be the name of a variable here; rename the band")
    return name


def _place(collected: _Collected) -> dict[Any, Mosaic]:
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
    group: _Group,
    collected: _Collected,
    axes: _Axes,
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
    group: _Group,
    axes: _Axes,
    collected: _Collected,
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


def _band_attributes(attributes: dict[str, Any], group: _Group, axes: _Axes) -> dict[str, Any]:
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
