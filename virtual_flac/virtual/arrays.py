"""Virtual arrays that hold their values: coordinates, inside the references, in compressed form."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
import xarray as xr
from numcodecs import LZMA, Shuffle
from virtualizarr.manifests import ManifestArray
from xarray.conventions import encode_cf_variable

from .manifests import inline_manifest, virtual_array, with_variables, without_fill_values

#: Coordinates are linear but for the rounding of the last bits. Byte planes, then the differences
#: of neighbouring bytes (the LZMA filter 3, delta), are nearly all the same: 10,980 of them take
#: 0.2 to 0.9 kB, where Blosc or Zstandard over byte planes take 1.6 to 9.2 kB.
#: The dictionary is as large as such an array: the preset's 64 MiB would cost 50 ms to set up.
_LZMA_FILTERS = [{"id": 3, "dist": 1}, {"id": 33, "preset": 9, "dict_size": 1 << 17}]
_COORDINATE_CODECS: list[dict[str, Any]] = [
    {"name": "numcodecs.shuffle", "configuration": {"elementsize": 8}},
    {
        "name": "numcodecs.lzma",
        "configuration": {"format": 3, "check": -1, "preset": None, "filters": _LZMA_FILTERS},
    },
]


def inline_array(
    values: npt.NDArray[Any], dims: tuple[str, ...], attributes: Mapping[str, Any] | None = None
) -> ManifestArray:
    """A small array of a fixed-size dtype whose one chunk is inside the references.

    64-bit values are compressed when there are more than a few.
    """
    raw = np.asarray(values, dtype=values.dtype.newbyteorder("<"), order="C")
    data = raw.tobytes()
    compress = values.dtype.itemsize == 8 and values.size > 16
    if compress:
        planes = Shuffle(elementsize=8).encode(raw)
        data = bytes(LZMA(format=3, filters=_LZMA_FILTERS).encode(planes))
    return virtual_array(
        inline_manifest(data, values.ndim),
        shape=values.shape,
        dtype=values.dtype,
        chunk_shape=values.shape,
        dims=dims,
        codecs=_COORDINATE_CODECS if compress else [],
        attributes=attributes,
    )


def inline_loaded(vds: xr.Dataset) -> xr.Dataset:
    """The same dataset with every loaded variable inside the references, in compressed form.

    Loaded numbers and times become virtual arrays without an index; virtual arrays without
    ``_FillValue`` say ``fill_value: null``.
    """
    result = {name: _inline(variable, name) for name, variable in vds.variables.items()}
    return without_fill_values(with_variables(vds, result))


def _inline(variable: xr.Variable, name: Hashable) -> xr.Variable:
    plain = variable.to_base_variable().copy(deep=False)
    if isinstance(plain.data, ManifestArray):
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
    return value.tolist() if isinstance(value, np.generic | np.ndarray) else value
