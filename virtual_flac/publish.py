"""URLs to published references: open or stack, choose the writer, say how to open the result."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import xarray as xr

from .cube import Skipped, stack
from .errors import SelectionError
from .io.stores import registry_for, to_url
from .model.levels import FULL_RESOLUTION
from .references.icechunk_write import create_repository, with_groups, write_icechunk
from .references.kerchunk import write_kerchunk
from .references.locations import check_sources, count_references, prefixes_of, rebase, source_urls
from .references.open import open_store
from .references.snippet import snippet
from .references.target import Target
from .virtual.parser import FLACParser

if TYPE_CHECKING:
    from virtualizarr.manifests import ManifestStore


@dataclass(frozen=True, slots=True, kw_only=True)
class Published:
    """What was written."""

    target: str
    kind: str
    """``kerchunk JSON``, ``kerchunk parquet`` or ``Icechunk``."""
    sources: tuple[str, ...]
    """URLs that the references point to."""
    sizes: dict[str, int]
    """Dimensions of the data variable; after appending, those of the whole."""
    variables: tuple[str, ...]
    dtype: str
    """Of the first variable."""
    groups: tuple[str, ...]
    """Child groups beside the root."""
    references: int
    """Byte ranges, those of child groups included."""
    bytes: int
    """Size of the target, a folder's files together."""
    snippet: str
    """One line of Python that opens the target."""
    skipped: tuple[Skipped, ...] = ()
    """Rasters that were left out."""

    def to_dict(self) -> dict[str, Any]:
        """As plain values."""
        return asdict(self)


def publish(
    urls: Any,
    target: str | os.PathLike[str],
    *,
    cube: Mapping[str, Any] | None = None,
    parser: FLACParser | None = None,
    overwrite: bool = False,
    append: bool = False,
    base_url: str | None = None,
    check_base_url: bool = False,
    store_options: Mapping[str, Any] | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> Published:
    """Write references to one FLAC raster, or to several stacked.

    `cube` holds arguments of `stack`; without any, a single raster is not stacked. The ending of
    `target` says what is written: ``.json`` or ``.parquet`` for kerchunk, ``.icechunk`` for
    Icechunk, where the overviews of one raster are child groups. With `append`, an Icechunk
    repository that exists grows along the first new dimension. The references point below
    `base_url` instead of the folder that holds all rasters; with `check_base_url`, each file there
    is asked for by a HEAD request and its size compared. Icechunk's readers then notice when one of
    them changes; without it, they do not.

    Raises
    ------
    SelectionError, TargetExistsError
        When the request cannot be fulfilled.
    SourceError, LayoutError, MismatchError
        When a file cannot be read, is not a FLAC raster, or does not match the others.
    """
    options = dict(store_options or {})
    destination = Target(target, options)
    destination.check(overwrite=overwrite, append=append)
    parser = parser or FLACParser()
    arguments = {name: value for name, value in (cube or {}).items() if value is not None}
    skipped: list[Skipped] = []
    groups: dict[str, xr.Dataset] = {}
    one = None if arguments or append else _only(urls)
    if one is not None:
        store = parser(one, registry_for(one, **options))
        dataset = store.to_virtual_dataset()
        if destination.suffix == ".icechunk":
            groups = _overviews(store)
    else:
        # Options of the stores are those of STAC items' JSON, too.
        dataset = stack(
            urls, parser=parser, progress=progress, report=skipped, store_options=options,
            **arguments,
        )  # fmt: skip
    new = [str(name) for name in dataset.dims if name not in ("band", "y", "x")]
    if append and not new:
        raise SelectionError("there is no new dimension to append along")
    sources = tuple(source_urls(dataset))
    if base_url is not None:
        dataset = rebase(dataset, base_url)
        groups = {name: rebase(part, base_url) for name, part in groups.items()}
        if check_base_url:
            registry = registry_for(source_urls(dataset), **options)
            for part in (dataset, *groups.values()):
                check_sources(part, registry)
    first = _first(new, dataset) if append else None
    # First: it refuses an endpoint with a password.
    line = snippet(target, prefixes_of(source_urls(dataset)), options)
    _write(dataset, groups, destination, first, overwrite=overwrite)
    arrays = [name for name, data in dataset.data_vars.items() if data.ndim > 1]
    data = dataset[arrays[0]]
    sizes = data.sizes
    if destination.suffix == ".icechunk":
        # It may refer to more than this time.
        written = open_store(target, options)
        line = snippet(target, written.prefixes, options)
        if append:
            with written.dataset() as whole:
                sizes = whole[arrays[0]].sizes
    return Published(
        target=str(destination),
        kind=destination.kind,
        sources=sources,
        sizes={str(name): int(size) for name, size in sizes.items()},
        variables=tuple(str(name) for name in arrays),
        dtype=str(data.dtype),
        groups=tuple(groups),
        references=sum(count_references(part) for part in (dataset, *groups.values())),
        bytes=destination.size(),
        snippet=line,
        skipped=tuple(skipped),
    )


def _only(urls: Any) -> str | None:
    """The URL of a single raster, None when there is more to it."""
    if isinstance(urls, Mapping) or hasattr(urls, "to_dict"):
        return None
    if isinstance(urls, str | os.PathLike):
        urls = [urls]
    if len(urls) == 1 and isinstance(urls[0], str | os.PathLike):
        url = to_url(urls[0])
        return None if url.endswith((".json", ".geojson")) else url
    return None


def _first(new: Sequence[str], dataset: xr.Dataset) -> str:
    """The new dimension that stands first in the arrays."""
    for variable in dataset.variables.values():
        if variable.dims and variable.dims[0] in new and len(variable.dims) > 1:
            return str(variable.dims[0])
    return new[0]


def _overviews(store: ManifestStore) -> dict[str, xr.Dataset]:
    children = store.to_virtual_datatree().children.items()
    return {name: node.to_dataset() for name, node in children if name != FULL_RESOLUTION}


def _write(
    dataset: xr.Dataset,
    groups: Mapping[str, xr.Dataset],
    destination: Target,
    append_dim: str | None,
    *,
    overwrite: bool,
) -> None:
    options = destination.options
    if destination.suffix != ".icechunk":
        write_kerchunk(dataset, destination.name, overwrite=overwrite, store_options=options)
    elif append_dim is not None:
        write_icechunk(dataset, destination.name, append_dim=append_dim, store_options=options)
    elif destination.path is None:
        write_icechunk(
            dataset, destination.name, groups=groups, overwrite=overwrite, store_options=options
        )
    else:
        # Beside the old one, which stays until the new one is complete, and leaves no history.
        with destination.replacing(overwrite=overwrite) as part:
            create_repository(with_groups(dataset, groups), part, options)
