"""Loaded variables of a virtual dataset as compressed chunks inside the references.

Knows xarray's encoding; knows no format of references.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import xarray as xr
from virtualizarr.manifests import ManifestArray
from xarray.conventions import encode_cf_variable

from ..virtual.arrays import inline_array, without_fill_values


def inline_loaded(vds: xr.Dataset) -> xr.Dataset:
    """The same dataset with every loaded variable as a compressed inline chunk.

    Parameters
    ----------
    vds : xarray.Dataset

    Returns
    -------
    xarray.Dataset
        Loaded numbers and times become virtual arrays without an index; virtual arrays without
        ``_FillValue`` say ``fill_value: null``.
    """
    result = {name: _inline(variable, name) for name, variable in vds.variables.items()}
    coords = {name: result[name] for name in vds.coords}
    data = {name: result[name] for name in vds.data_vars}
    # Without indexes: xarray would want to read a virtual coordinate to make one.
    inlined = xr.Dataset(data, coords=xr.Coordinates(coords, indexes={}), attrs=vds.attrs)
    return without_fill_values(inlined)


def _inline(variable: xr.Variable, name: Any) -> xr.Variable:
    plain = variable.to_base_variable().copy(deep=False)
    if isinstance(plain._data, ManifestArray):
        return plain
    # Otherwise xarray gives floats a NaN as _FillValue, which JSON does not have.
    plain.encoding = {"_FillValue": None, **plain.encoding}
    encoded = encode_cf_variable(plain, name=name)
    values = np.asarray(encoded.values)
    if values.dtype.kind not in "iufb" or values.ndim == 0:
        return variable.to_base_variable()  # text and scalars: VirtualiZarr knows how
    attributes = {key: _json_value(value) for key, value in encoded.attrs.items()}
    dims = tuple(str(dim) for dim in encoded.dims)
    return xr.Variable(dims, inline_array(values, dims, attributes), attributes)


def _json_value(value: Any) -> Any:
    if isinstance(value, np.generic | np.ndarray):
        return value.tolist()
    return value
