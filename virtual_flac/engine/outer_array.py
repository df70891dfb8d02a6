"""What the lazy arrays of xarray's engine have in common."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from typing import Any

import numpy.typing as npt
from xarray.backends import BackendArray
from xarray.core import indexing


class OuterArray(BackendArray):
    """A lazy array of which positions along each axis are read, where they meet."""

    shape: tuple[int, ...]

    def __getitem__(self, key: indexing.ExplicitIndexer) -> npt.NDArray[Any]:
        result: npt.NDArray[Any] = indexing.explicit_indexing_adapter(
            key, self.shape, indexing.IndexingSupport.OUTER, self._select
        )
        return result

    @abstractmethod
    def _select(self, key: tuple[Any, ...]) -> npt.NDArray[Any]:
        """Values where a position, slice or array of positions along each axis meet."""


def without_single(
    values: npt.NDArray[Any], positions: Sequence[npt.NDArray[Any]]
) -> npt.NDArray[Any]:
    """Values without the axes along which a single position was asked for."""
    result: npt.NDArray[Any] = values[
        tuple(0 if axis.ndim == 0 else slice(None) for axis in positions)
    ]
    return result
