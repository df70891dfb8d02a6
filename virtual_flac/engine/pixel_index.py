"""x and y of rasters whose axes are too long to be kept in memory: computed where they are needed.

Everything behaves as with the pandas index of shorter axes. Whatever takes all labels at once, such
as an outer join, makes that index.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Mapping, Sequence
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import xarray as xr
from xarray.core import indexing
from xarray.indexes import PandasIndex

from ..model.pixel_axis import LONG_AXIS, PixelAxis, Positions, positions_of
from .coordinate_arrays import AxisArray


class PixelIndex(PandasIndex):
    """An index over a `PixelAxis`: that of pandas, without its labels.

    Parts of up to `LONG_AXIS` labels have an index of pandas. What this class does not do itself
    is done by the base class with all labels (`index`).
    """

    def __init__(self, axis: PixelAxis, dim: Hashable, name: Hashable) -> None:
        self.axis = axis
        self.dim = dim
        self.name = name
        self.coord_dtype = np.dtype(np.float64)

    def __reduce__(self) -> Any:
        return PixelIndex, (self.axis, self.dim, self.name)

    def __repr__(self) -> str:
        return f"PixelIndex({self.name!r}, {len(self.axis)} pixels)"

    @property
    def index(self) -> Any:
        """All labels, as pandas has them."""
        return self._with(self.axis.values()).index

    def _with(self, labels: npt.NDArray[Any]) -> PandasIndex:
        index: Any = PandasIndex(labels, self.dim, self.coord_dtype)
        renamed: PandasIndex = index.rename({self.dim: self.name}, {})
        return renamed

    def _of(self, axis: PixelAxis) -> PandasIndex:
        if len(axis) <= LONG_AXIS:
            return self._with(axis.values())
        return PixelIndex(axis, self.dim, self.name)

    def _replace(self, index: Any, dim: Hashable = None, coord_dtype: Any = None) -> PandasIndex:
        # The base class makes the results of its own methods with it.
        return PandasIndex(index, self.dim if dim is None else dim, coord_dtype or self.coord_dtype)

    @classmethod
    def from_variables(
        cls, variables: Mapping[Any, xr.Variable], *, options: Mapping[str, Any]
    ) -> Any:
        """An index of pandas: labels do not say how they were computed."""
        return PandasIndex.from_variables(variables, options=options)

    def create_variables(self, variables: Mapping[Any, xr.Variable] | None = None) -> Any:
        """The lazy coordinate, with the attributes of the variable that it replaces."""
        data = indexing.LazilyIndexedArray(AxisArray(self.axis))
        variable = xr.Variable((self.dim,), data)
        if variables is not None and self.name in variables:
            old = variables[self.name]
            variable.attrs, variable.encoding = old.attrs, old.encoding
        return {self.name: variable}

    def isel(self, indexers: Mapping[Any, Any]) -> PandasIndex | None:
        """The index of a part; None for one position, and for several dimensions."""
        indexer = indexers[self.dim]
        if isinstance(indexer, slice):
            return self._of(self.axis[indexer])
        if isinstance(indexer, xr.Variable):
            if indexer.dims != (self.dim,):
                return None
            indexer = indexer.data
        positions = np.arange(len(self.axis))[indexer] if _is_mask(indexer) else np.asarray(indexer)
        if positions.ndim == 0:
            return None
        return self._with(self.axis.at(positions_of(positions, len(self.axis))))

    def sel(
        self, labels: dict[Any, Any], method: Any = None, tolerance: Any = None
    ) -> indexing.IndexSelResult:
        """Positions of labels, by pandas: it is asked about the labels around those wanted."""
        ((name, label),) = labels.items()
        wanted = [label.start, label.stop] if isinstance(label, slice) else label
        wanted = np.asarray(getattr(wanted, "values", wanted))
        backwards = isinstance(label, slice) and label.step is not None and label.step < 0
        if backwards or _is_mask(wanted):
            return super().sel(labels, method, tolerance)
        near = self._around(wanted)
        few = self._with(self.axis.at(near))
        if isinstance(label, slice):
            ends = few.sel({name: slice(label.start, label.stop)}, method, tolerance)
            part = ends.dim_indexers[self.dim]
            chosen = near[part]
            start, stop = (chosen[0], chosen[-1] + 1) if len(chosen) else (0, 0)
            return indexing.IndexSelResult({self.dim: slice(int(start), int(stop), label.step)})
        found = few.sel({name: label}, method, tolerance).dim_indexers[self.dim]
        if isinstance(found, slice):  # a label that occurs several times
            chosen = near[found]
            found = slice(int(chosen[0]), int(chosen[-1]) + 1)
        elif isinstance(found, xr.Variable | xr.DataArray):
            found = found.copy(data=near[found.values])
        else:
            found = near[found]
        return indexing.IndexSelResult({self.dim: found})

    def _around(self, labels: npt.NDArray[Any]) -> Positions:
        """Positions of the labels that lie next to some, and both ends; ascending."""
        ends = np.array([0, len(self.axis) - 1])
        try:
            numbers = np.array([v for v in labels.ravel().tolist() if v is not None], np.float64)
        except (TypeError, ValueError):
            return ends  # pandas says what is wrong with them
        sides: tuple[Literal["left"], Literal["right"]] = ("left", "right")
        places = [self.axis.search(numbers, side) for side in sides]
        near = np.concatenate([ends, *(place + step for place in places for step in (-1, 0))])
        return np.unique(np.clip(near, *ends))

    def equals(self, other: xr.Index, *, exclude: frozenset[Hashable] | None = None) -> bool:
        """Whether the labels are the same."""
        if isinstance(other, PixelIndex):
            return bool((self.axis, self.dim) == (other.axis, other.dim))
        same_size = isinstance(other, PandasIndex) and len(other.index) == len(self.axis)
        return same_size and bool(super().equals(other, exclude=exclude))

    def join(self, other: Any, how: str = "inner") -> Any:
        """The index of both where they are the same, else one of pandas."""
        return self if self.equals(other) else self._with(self.axis.values()).join(other, how)

    def rename(
        self, name_dict: Mapping[Any, Hashable], dims_dict: Mapping[Any, Hashable]
    ) -> PixelIndex:
        """The index with other names."""
        return PixelIndex(
            self.axis, dims_dict.get(self.dim, self.dim), name_dict.get(self.name, self.name)
        )

    def _copy(self, deep: bool = True, memo: dict[int, Any] | None = None) -> PixelIndex:
        return PixelIndex(self.axis, self.dim, self.name)

    @classmethod
    def concat(
        cls,
        indexes: Sequence[PandasIndex],
        dim: Hashable,
        positions: Iterable[Iterable[int]] | None = None,
    ) -> Any:
        """Neighbouring parts of one axis as one; others as pandas does it."""
        parts = [part for part in indexes if isinstance(part, PixelIndex) and part.dim == dim]
        if len(parts) == len(indexes) and positions is None:
            axis: PixelAxis | None = parts[0].axis
            for part in parts[1:]:
                axis = axis and _joined(axis, part.axis)
            if axis:
                return PixelIndex(axis, dim, parts[0].name)
        return PandasIndex.concat(indexes, dim, positions)


def _is_mask(indexer: Any) -> bool:
    return bool(np.asarray(indexer).dtype.kind == "b")


def _joined(first: PixelAxis, second: PixelAxis) -> PixelAxis | None:
    """The axis that two parts make, None unless the second begins where the first ends."""
    whole = range(first.pixels.start, second.pixels.stop, first.pixels.step)
    fits = (first.centre, first.name, first.pixels.step) == (
        second.centre,
        second.name,
        second.pixels.step,
    )
    if not fits or whole[: len(first)] != first.pixels or whole[len(first) :] != second.pixels:
        return None
    return PixelAxis(first.centre, first.name, whole)
