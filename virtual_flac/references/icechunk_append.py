"""More of a virtual dataset along a dimension of an Icechunk repository, where all else agrees."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
import virtualizarr  # noqa: F401  (registers the accessor `Dataset.vz`)
import xarray as xr
import zarr
from virtualizarr.manifests import ManifestArray
from xarray.conventions import encode_cf_variable

from ..errors import MismatchError, SelectionError, shortened
from ..virtual.manifests import ChunkTables, chunk_tables, virtual_arrays, with_tables
from .icechunk_chunks import set_references

#: Attributes that say what a stored number means.
_MEANING = ("_FillValue", "scale_factor", "add_offset", "scales", "offsets", "grid_mapping")


def append(
    vds: xr.Dataset, ready: xr.Dataset, store: Any, dim: str, versions: Mapping[str, Any]
) -> None:
    """Enter a virtual dataset into an Icechunk session, behind what is there along `dim`.

    `ready` is the same with coordinates as they are to be written, `versions` as for
    `set_references`.

    Raises
    ------
    SelectionError
        When there is no such dimension.
    MismatchError
        When the datasets differ in anything but `dim`, new values do not come after old ones, or
        what was written does not read back as it was meant.
    """
    before = _check_appendable(vds, store, dim)
    growing = [name for name, variable in ready.variables.items() if dim in variable.dims]
    root = zarr.open_group(store, mode="r+", zarr_format=3)
    attributes = dict(root.attrs)
    offsets: dict[Any, tuple[int, ...]] = {}
    for name in growing:
        dims = ready.variables[name].dims
        array: Any = root[str(name)]
        at = dims.index(dim)
        chunks = -(-array.shape[at] // array.chunks[at])
        offsets[name] = tuple(chunks if axis == at else 0 for axis in range(len(dims)))
    tables = chunk_tables(ready)
    bare = with_tables(
        ready, {name: ChunkTables.absent(found.paths.shape) for name, found in tables.items()}
    )
    bare.drop_vars([name for name in bare.variables if name not in growing]).vz.to_icechunk(
        store, append_dim=dim, validate_containers=False
    )
    zarr.open_group(store, mode="r+", zarr_format=3).attrs.put(attributes)
    for name in growing:
        if name in tables:
            set_references(store, str(name), tables[name], versions, offsets[name])
    _check_appended(vds, store, dim, before)


def _check_appendable(vds: xr.Dataset, store: Any, dim: str) -> npt.NDArray[Any]:
    """The values along `dim` that are there, once everything else has been found to agree."""
    old = _open(store)
    for dataset, what in ((old, "the repository"), (vds, "what is to be appended")):
        if dim not in dataset.dims or dim not in dataset.variables:
            raise SelectionError(
                f"{what} has no dimension {dim!r} with values; it has {list(dataset.dims)}"
            )
    _compare("variables", sorted(map(str, old.variables)), sorted(map(str, vds.variables)))
    root = zarr.open_group(store, mode="r", zarr_format=3)
    virtual = virtual_arrays(vds)
    for name, array in virtual.items():
        # First: of a mismatch, the pixels say more than the coordinates do.
        if dim in vds.variables[name].dims:
            _compare_arrays(str(name), root[str(name)], vds.variables[name], array, dim)
    for name, variable in vds.variables.items():
        if dim in variable.dims:
            continue
        if name in virtual:
            there, here = old[name].attrs, variable.attrs
            for key in sorted({*there, *here}):
                _compare(f"{key} of {name}", there.get(key), here.get(key))
        else:
            _compare(str(name), old[name].to_numpy(), variable.to_numpy())
    before = old[dim].to_numpy()
    _check_order(before, vds[dim].to_numpy(), dim)
    _check_units(vds.variables[dim], old.variables[dim], dim)
    return before


def _check_appended(vds: xr.Dataset, store: Any, dim: str, before: npt.NDArray[Any]) -> None:
    found = _open(store)[dim].to_numpy()
    expected = np.concatenate([before, vds[dim].to_numpy().astype(before.dtype)])
    if not np.array_equal(found, expected):
        raise MismatchError(
            f"the values of {dim} cannot be kept as {found.dtype}, as which the first "
            "ones are stored. Write a new repository with all of them."
        )


def _open(store: Any) -> xr.Dataset:
    dataset: xr.Dataset = xr.open_zarr(
        store, consolidated=False, zarr_format=3, mask_and_scale=False, chunks=None
    )
    return dataset


def _compare_arrays(
    name: str, old: Any, variable: xr.Variable, array: ManifestArray, dim: str
) -> None:
    new = array.metadata
    at = variable.dims.index(dim)

    def others(shape: Any) -> tuple[int, ...]:
        return tuple(int(n) for axis, n in enumerate(shape) if axis != at)

    pairs: dict[str, tuple[Any, Any]] = {
        "dimensions": (old.metadata.dimension_names, tuple(map(str, variable.dims))),
        "dtype": (str(old.dtype), str(array.dtype)),
        "shape": (others(old.shape), others(new.shape)),
        "tile shape": (tuple(old.chunks), tuple(new.chunks)),
        **{key: (old.attrs.get(key), variable.attrs.get(key)) for key in _MEANING},
        "codecs": (
            [codec.to_dict() for codec in old.metadata.codecs],
            [codec.to_dict() for codec in new.codecs],
        ),
    }
    for what, (there, here) in pairs.items():
        _compare(f"{what} of {name}", there, here)


def _compare(what: str, there: Any, here: Any) -> None:
    same = np.array_equal(there, here) if isinstance(there, np.ndarray) else there == here
    if not same:
        raise MismatchError(
            f"{what} is {shortened(there)} there and {shortened(here)} in what is to be "
            "appended. Only what agrees can be appended; write another repository."
        )


def _check_order(before: npt.NDArray[Any], after: npt.NDArray[Any], dim: str) -> None:
    twice: Any = np.intersect1d(before, after) if before.dtype.kind == after.dtype.kind else ()
    if len(twice):
        raise MismatchError(
            f"{dim} {twice[0]} is there already ({len(twice)} of the {len(after)} new "
            "values are). Leave them out."
        )
    if before.dtype.kind == after.dtype.kind == "U" and after.dtype > before.dtype:
        letters = before.dtype.itemsize // 4
        raise MismatchError(
            f"{dim} is stored as words of at most {letters} letters; "
            f"{max(after.tolist(), key=len)!r} is longer. Write a new repository with all of them."
        )
    ordered = before.dtype.kind in "iufM" and after.dtype.kind in "iufM" and before.size
    if ordered and after.min() < before.max():
        raise MismatchError(
            f"{dim} {after.min()} comes before {before.max()}, the last one there. "
            "Append in order, or write a new repository with all of them."
        )


def _check_units(new: xr.Variable, old: xr.Variable, dim: str) -> None:
    """Moments between the units of those that are there would be rounded."""
    units = old.encoding.get("units")
    if old.dtype.kind != "M" or not units:
        return
    plain = new.to_base_variable().copy(deep=False)
    plain.encoding = {"units": units, "calendar": old.encoding.get("calendar")}
    encoded = encode_cf_variable(plain, name=dim).values
    if not np.array_equal(encoded, encoded.astype("int64")):
        raise MismatchError(
            f"{dim} is stored in whole {units}; {new.values[0]} or one of the others is "
            "none. Write a new repository with all of them."
        )
