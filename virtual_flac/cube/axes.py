"""The new dimensions of a cube: their coordinates, and where along them each file lies.

Knows labels; knows no pixels.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from .inputs import CubeInputs
from .labels import BAND, as_coordinate


@dataclass(frozen=True, slots=True)
class Axes:
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


def find_axes(sources: CubeInputs, numbers: Sequence[int]) -> Axes:
    """Axes of the files that were kept, given by their numbers among the sources."""
    coordinates: dict[str, npt.NDArray[Any]] = {}
    positions: dict[str, npt.NDArray[np.intp]] = {}
    bands: list[Any] = []
    band_positions = None
    for dim, labels in sources.labels.items():
        here = [labels[number] for number in numbers]
        if dim == BAND:
            bands = list(dict.fromkeys(here)) if sources.bands_ordered else sorted(set(here))
            band_positions = [bands.index(name) for name in here]
        else:
            coordinates[dim], positions[dim] = np.unique(as_coordinate(here), return_inverse=True)
    return Axes(coordinates, positions, bands, band_positions)
