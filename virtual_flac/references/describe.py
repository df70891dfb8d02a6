"""What published references hold, as a value and as a raster to look at."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import xarray as xr
from obspec_utils.registry import ObjectStoreRegistry

from ..errors import SelectionError
from ..model.crs import crs_name
from ..model.grid import Window
from ..model.index import Band, RasterInfo
from .open import open_store
from .snippet import snippet


@dataclass(frozen=True, slots=True, kw_only=True)
class ReferencesReport:
    """What published references hold."""

    source: str
    """Path or URL."""
    kind: str
    """``kerchunk JSON``, ``kerchunk parquet`` or ``Icechunk``."""
    sizes: dict[str, int]
    """Dimensions."""
    variables: dict[str, dict[str, Any]]
    """``dims``, ``dtype`` and ``chunks`` of each data variable."""
    coordinates: tuple[str, ...]
    crs: str | None
    """Name of the CRS."""
    references: int
    """Byte ranges of other files."""
    files: int
    """Files that they lie in."""
    snippet: str
    """One line of Python that opens them."""

    def to_dict(self) -> dict[str, Any]:
        """As plain values."""
        return asdict(self)


def describe_references(
    source: str | os.PathLike[str],
    registry: ObjectStoreRegistry[Any] | None,
    options: dict[str, Any],
    *,
    allow_local: bool = False,
) -> ReferencesReport:
    """What published references hold; reads no chunk of the files that they refer to.

    Raises
    ------
    SelectionError, SourceError
        When these are not references, or cannot be read.
    SourcePermissionError
        When references at a URL name a local file, and this is not allowed.
    """
    store = open_store(source, options, registry=registry, allow_local=allow_local)
    with store.dataset(mask_and_scale=False) as dataset:
        variables = {
            str(name): {
                "dims": list(map(str, array.dims)),
                "dtype": str(array.dtype),
                "chunks": list(array.encoding.get("chunks") or ()),
            }
            for name, array in dataset.data_vars.items()
        }
        references, urls = store.count()
        return ReferencesReport(
            source=os.fspath(source),
            kind=store.kind,
            sizes={str(name): int(size) for name, size in dataset.sizes.items()},
            variables=variables,
            coordinates=tuple(sorted(map(str, dataset.coords))),
            crs=_crs_name(dataset),
            references=references,
            files=len(urls),
            snippet=snippet(source, store.prefixes, options),
        )


def _crs_name(dataset: xr.Dataset) -> str | None:
    text = next(
        (v.attrs["crs_wkt"] for v in dataset.variables.values() if "crs_wkt" in v.attrs), None
    )
    return None if text is None else crs_name(text)


def _label(value: npt.NDArray[Any]) -> str:
    if value.dtype.kind != "M":
        return str(value)
    # To the day, the minute or as far as it goes.
    return str(np.datetime_as_string(value, unit="auto"))


class ReferencedRaster:
    """The first plane of references as a raster (`rasters.RasterSource`), to look at.

    `taken` is the label that was taken along each dimension but band, y and x: the first one.
    """

    masked_bands: Sequence[int] = ()
    source_overviews = False
    extra: Mapping[str, Any] = {}
    reserve_cache = None

    def __init__(
        self,
        source: str | os.PathLike[str],
        registry: ObjectStoreRegistry[Any] | None,
        options: dict[str, Any],
        *,
        allow_local: bool = False,
    ) -> None:
        self.name = os.fspath(source)
        store = open_store(source, options, registry=registry, allow_local=allow_local)
        dataset = store.dataset(mask_and_scale=False)
        planes = [array for array in dataset.data_vars.values() if array.ndim >= 2]
        if not planes:
            raise SelectionError(f"{self.name}: no variable has two dimensions; nothing to show")
        others = planes[0].dims[:-2]
        leading = [dim for dim in others if dim != "band"]
        array = planes[0].isel({dim: 0 for dim in leading})
        self.taken = {
            str(dim): _label(array[dim].values) if dim in array.coords else "0" for dim in leading
        }
        self._array = array if "band" in others else array.expand_dims("band")
        count, height, width = self._array.shape
        self.sizes = [(width, height)]
        chunks = planes[0].encoding.get("chunks") or (height, width)
        self.block_shape = (1, int(chunks[-2]), int(chunks[-1]))
        self.bands = range(1, count + 1)
        self.info = RasterInfo(
            width=width,
            height=height,
            dtype=self._array.dtype,
            nodata=self._array.attrs.get("_FillValue"),
            bands=(Band(),) * count,
        )

    def read(
        self, window: Window, *, level: int = 0, bands: Sequence[int] | None = None
    ) -> npt.NDArray[Any]:
        """Pixels as they are stored, shape (band, y, x); bands are 1-based."""
        rows = slice(window.row_off, window.row_off + window.height)
        cols = slice(window.col_off, window.col_off + window.width)
        chosen = slice(None) if bands is None else [band - 1 for band in bands]
        found: npt.NDArray[Any] = self._array[chosen, rows, cols].to_numpy()
        return found

    def read_mask(
        self, window: Window, *, level: int = 0, bands: Sequence[int] | None = None
    ) -> npt.NDArray[np.bool_]:
        """All valid: references have no masks."""
        count = self.info.count if bands is None else len(bands)
        return np.ones((count, window.height, window.width), np.bool_)
