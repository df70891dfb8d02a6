"""How the references of a large cube are shared out to manifests, so that no reader loads them all.

Knows shapes of tables of chunks and Icechunk's words for their parts.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

import xarray as xr

from .blocks import refers

#: Chunks in one manifest, about 20 bytes each: what a reader of one chunk loads at most.
MANIFEST_CHUNKS = 100_000


def split_sizes(chunk_grid: Sequence[int], limit: int) -> tuple[int, ...]:
    """Chunks of one manifest along each axis: whole rows, whole planes, whole steps while they fit.

    The first axis may grow, and others too; so along each axis a manifest takes no more than was
    there, but along the first what fits.

    Examples
    --------
    >>> split_sizes((365, 1, 11, 11), 100_000)
    (826, 1, 11, 11)
    >>> split_sizes((365, 1, 700, 700), 100_000)
    (1, 1, 142, 700)
    """
    sizes: list[int] = []
    room = max(1, limit)
    for axis in reversed(range(len(chunk_grid))):
        size = room if axis == 0 else max(1, min(chunk_grid[axis], room))
        sizes.insert(0, size)
        room = room // size if size == chunk_grid[axis] else 1
    return tuple(sizes)


def splitting_config(parts: Mapping[str | None, xr.Dataset]) -> Any:
    """Icechunk's setting for the virtual arrays of several groups.

    A repository remembers it, so that what is appended is split alike. Small cubes have one
    manifest an array, as without it.

    Parameters
    ----------
    parts : Mapping of str or None to xarray.Dataset
        By path of the group, None for the root.
    """
    from icechunk import ManifestSplitCondition, ManifestSplitDimCondition, ManifestSplittingConfig

    sizes: dict[Any, Any] = {}
    for group, part in parts.items():
        for name, variable in part.variables.items():
            data: Any = variable._data
            if not refers(data) or not variable.dims:
                continue
            path = "/".join(["", *([group] if group else []), str(name)])
            condition = ManifestSplitCondition.path_matches(f"^{re.escape(path)}$")
            shares = split_sizes(data.manifest._paths.shape, MANIFEST_CHUNKS)
            sizes[condition] = {
                ManifestSplitDimCondition.Axis(axis): size for axis, size in enumerate(shares)
            }
    return ManifestSplittingConfig.from_dict(sizes)
