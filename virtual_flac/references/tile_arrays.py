"""The arrays of tiles among published references: which bytes of which file each chunk is."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from virtualizarr.manifests import ManifestArray
from zarr_flac import FlacCodec, TileSpec

from ..io.addresses import normalized
from ..virtual.manifests import ChunkTables
from .open import OpenedReferences

_OVERVIEW = re.compile(r"(?:.*/)?overview_(\d+)")


@dataclass(frozen=True, slots=True, eq=False)
class TileArray:
    """An array whose chunks are tiles of files.

    Its tables have the axes slice, band, row and column. A slice is a position along all dimensions
    but band, y and x.
    """

    path: str
    dtype: np.dtype[Any]
    spec: TileSpec | None
    """Configuration of the codec; None when it is not ours."""
    shape: tuple[int, int]
    """Pixels along y and x."""
    chunk_shape: tuple[int, int]
    level: int | None
    """What the name of its group says."""
    urls: tuple[str, ...]
    files: npt.NDArray[np.int32]
    """Positions in `urls`; -1 for a chunk that is absent or inside."""
    offsets: npt.NDArray[np.uint64]
    lengths: npt.NDArray[np.uint64]
    inside: npt.NDArray[np.bool_]
    """Chunks that the references hold themselves."""
    bands: npt.NDArray[Any] | None = None
    """Labels along band."""
    y: npt.NDArray[Any] | None = None
    x: npt.NDArray[Any] | None = None
    chunk_grid: tuple[int, ...] = ()
    band_axis: int | None = None

    def chunk(self, cell: tuple[int, ...]) -> tuple[int, ...]:
        """The position in the array's own chunk grid of one in the tables."""
        lead = [n for axis, n in enumerate(self.chunk_grid[:-2]) if axis != self.band_axis]
        found = [int(n) for n in np.unravel_index(cell[0], lead)] if lead else []
        if self.band_axis is not None:
            found.insert(self.band_axis, cell[1])
        return (*found, *cell[2:])


def tile_arrays(store: OpenedReferences) -> list[TileArray]:
    """The arrays that refer to files, or whose codec is for tiles; all others are inside.

    Raises
    ------
    ReferencesError, SourceError
        When the references cannot be read, their coordinates included.
    """
    coordinates: dict[str, dict[str, npt.NDArray[Any]]] = {}
    found = []
    for path, array in store.arrays().items():
        spec = next((c.spec for c in array.metadata.codecs if isinstance(c, FlacCodec)), None)
        tables, inside = ChunkTables.split(array)
        if spec is None and not tables.urls():
            continue
        group = path.rpartition("/")[0]
        if group not in coordinates:
            coordinates[group] = _coordinates(store, group)
        found.append(_tile_array(path, array, spec, tables, inside, coordinates[group]))
    return found


def _coordinates(store: OpenedReferences, group: str) -> dict[str, npt.NDArray[Any]]:
    options = {"group": group} if group else {}
    with store.dataset(mask_and_scale=False, decode_times=False, **options) as dataset:
        return {
            str(name): variable.to_numpy() for name, variable in dataset.coords.items()
            if variable.dims == (name,) and variable.dtype.kind in "iuf"
        }  # fmt: skip


def _tile_array(
    path: str,
    array: ManifestArray,
    spec: TileSpec | None,
    tables: ChunkTables,
    inside: npt.NDArray[np.bool_],
    coordinates: Mapping[str, npt.NDArray[Any]],
) -> TileArray:
    metadata = array.metadata
    shape, chunks = tuple(metadata.shape), tuple(metadata.chunks)
    names = metadata.dimension_names or ("",) * len(shape)
    band_axis = names.index("band") if "band" in names[:-2] else None
    if len(shape) < 2:
        spec, shape, chunks = None, (1, *shape)[-2:], (1, *chunks)[-2:]

    def arranged(table: npt.NDArray[Any]) -> npt.NDArray[Any]:
        table = table.reshape((1,) * (2 - table.ndim) + table.shape)
        moved = table[..., None, :, :] if band_axis is None else np.moveaxis(table, band_axis, -3)
        return moved.reshape(-1, *moved.shape[-3:])

    urls: dict[str, int] = {}
    numbers = {"": -1}
    for url in tables.urls():
        numbers[url] = urls.setdefault(normalized(url), len(urls))
    few = tables.distinct_paths()
    files = np.array([numbers[url] for url in few.ravel().tolist()], np.int32).reshape(few.shape)
    labels = coordinates.get("band") if band_axis is not None else None
    return TileArray(
        path=path,
        dtype=array.dtype,
        spec=spec,
        shape=(int(shape[-2]), int(shape[-1])),
        chunk_shape=(int(chunks[-2]), int(chunks[-1])),
        level=_level(path.rpartition("/")[0]),
        urls=tuple(urls),
        files=arranged(np.broadcast_to(files, tables.paths.shape)),
        offsets=arranged(tables.offsets),
        lengths=arranged(tables.lengths),
        inside=arranged(inside),
        bands=labels if labels is not None and labels.dtype.kind in "iu" else None,
        y=coordinates.get(str(names[-2])) if len(names) > 1 else None,
        x=coordinates.get(str(names[-1])),
        chunk_grid=tables.paths.shape,
        band_axis=band_axis,
    )


def _level(group: str) -> int | None:
    match = _OVERVIEW.fullmatch(group)
    return 0 if group.rpartition("/")[2] == "full" else int(match[1]) if match else None
