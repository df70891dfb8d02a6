"""URLs to published references: open or stack, choose the writer, say how to open the result.

Knows the parser, the cube and the writers of references; knows no terminal and no bytes.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

import xarray as xr

from .cube import Skipped, stack
from .errors import SelectionError, SourceNotFoundError, TargetExistsError, TargetFolderError
from .levels import FULL_RESOLUTION
from .parser import FLACParser
from .provenance import record_sources, recorded_sources
from .references import (
    check_sources,
    count_references,
    rebase,
    recipe,
    source_urls,
    write_icechunk,
    write_kerchunk,
)
from .stores import registry_for, to_url
from .virtual_arrays import without_fill_values

if TYPE_CHECKING:
    from virtualizarr.manifests import ManifestStore

#: Suffix of the target, and the module and extra that writing it needs.
_KINDS = {
    ".json": ("kerchunk JSON", None, None),
    ".parquet": ("kerchunk parquet", "fastparquet", "kerchunk"),
    ".parq": ("kerchunk parquet", "fastparquet", "kerchunk"),
    ".icechunk": ("Icechunk", "icechunk", "icechunk"),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Published:
    """What was written.

    Parameters
    ----------
    target : Path
    kind : str
        ``kerchunk JSON``, ``kerchunk parquet`` or ``Icechunk``.
    sources : tuple of str
        URLs that the references point to.
    sizes : dict of str to int
        Dimensions of the data variable.
    variables : tuple of str
        Names of the data variables.
    dtype : str
        Of the first one.
    groups : tuple of str
        Child groups beside the root.
    references : int
        Byte ranges, those of child groups included.
    bytes : int
        Size of the target, a folder's files together.
    recipe : str
        One line of Python that opens the target.
    skipped : tuple of Skipped
        Rasters that were left out.
    """

    target: Path
    kind: str
    sources: tuple[str, ...]
    sizes: dict[str, int]
    variables: tuple[str, ...]
    dtype: str
    groups: tuple[str, ...]
    references: int
    bytes: int
    recipe: str
    skipped: tuple[Skipped, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """As plain values."""
        return {
            "target": str(self.target),
            "kind": self.kind,
            "sources": list(self.sources),
            "sizes": self.sizes,
            "variables": list(self.variables),
            "dtype": self.dtype,
            "groups": list(self.groups),
            "references": self.references,
            "bytes": self.bytes,
            "recipe": self.recipe,
            "skipped": [{"url": item.url, "reason": item.reason} for item in self.skipped],
        }


def check_reference_target(
    target: str | os.PathLike[str], *, overwrite: bool = False, append: bool = False
) -> Path:
    """Refuse a target that cannot be written, before anything is read.

    Raises
    ------
    SelectionError
        When its suffix is not known, or what writes it is not installed.
    TargetExistsError
        When it exists and `overwrite` is false.
    TargetFolderError
        When its folder does not exist.
    """
    path = Path(target)
    if path.suffix not in _KINDS:
        raise SelectionError(
            f"{path} ends in {path.suffix!r}; expected .json or .parquet for kerchunk, "
            ".icechunk for Icechunk"
        )
    kind, module, extra = _KINDS[path.suffix]
    if module is not None and find_spec(module) is None:
        raise SelectionError(f'{kind} needs {module}; install "virtual-flac[{extra}]"')
    if not path.absolute().parent.is_dir():
        raise TargetFolderError(f"{path.parent}: no such folder. Create it first.")
    if append:
        if path.suffix != ".icechunk":
            raise SelectionError(f"{path}: only to Icechunk repositories can be appended")
        if not path.exists():
            raise SourceNotFoundError(f"{path}: there is no repository to append to")
        return path
    if path.exists() and not overwrite:
        raise TargetExistsError(f"{path} exists. Replace it with --force (overwrite=True).")
    if path.is_dir() and not _is_ours(path):
        # A typing error must not cost anybody a folder of something else.
        raise TargetExistsError(f"{path} is a folder, but not one of {kind}; remove it yourself")
    return path


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

    Parameters
    ----------
    urls : sequence of str or path, or STAC items
        As for `stack`.
    target : str or path
        Ends in ``.json`` or ``.parquet`` for kerchunk, in ``.icechunk`` for Icechunk. An Icechunk
        repository of one raster has its overviews as child groups.
    cube : Mapping, optional
        Arguments of `stack`. Without any, a single raster is not stacked.
    parser : FLACParser, optional
        Selects bands, overview and variable name.
    overwrite : bool
        Whether an existing target may be replaced.
    append : bool
        Append to an Icechunk repository that exists, along the first new dimension.
    base_url : str, optional
        Let the references point below this URL instead of the folder that holds all rasters.
    check_base_url : bool
        Ask for each file there, by a HEAD request, and compare sizes. Icechunk's readers then
        notice when one of them changes; without it, they do not.
    store_options : Mapping, optional
        Options of the stores to read with, see `registry_for`.
    progress : callable, optional
        Called with the number of files read and their total.

    Returns
    -------
    Published

    Raises
    ------
    SelectionError, TargetExistsError
        When the request cannot be fulfilled.
    SourceError, LayoutError, MismatchError
        When a file cannot be read, is no FLAC raster, or fits not the others.
    """
    path = check_reference_target(target, overwrite=overwrite, append=append)
    parser = parser or FLACParser()
    options = dict(store_options or {})
    arguments = {name: value for name, value in (cube or {}).items() if value is not None}
    skipped: list[Skipped] = []
    groups: dict[str, xr.Dataset] = {}
    one = None if arguments or append else _only(urls)
    if one is not None:
        store = parser(one, registry_for(one, **options))
        dataset = store.to_virtual_dataset()
        if path.suffix == ".icechunk":
            groups = _overviews(store, dataset)
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
        dataset, groups = _moved(dataset, groups, sources, base_url)
        if check_base_url:
            registry = registry_for(source_urls(dataset), **options)
            for part in (dataset, *groups.values()):
                check_sources(part, registry)
    _write(dataset, groups, path, _first(new, dataset) if append else None, options)
    arrays = [name for name, data in dataset.data_vars.items() if data.ndim > 1]
    data = dataset[arrays[0]]
    return Published(
        target=path,
        kind=_KINDS[path.suffix][0],
        sources=sources,
        sizes={str(name): int(size) for name, size in data.sizes.items()},
        variables=tuple(str(name) for name in arrays),
        dtype=str(data.dtype),
        groups=tuple(groups),
        references=sum(count_references(part) for part in (dataset, *groups.values())),
        bytes=_size(path),
        recipe=recipe(path, dataset, options),
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


def _moved(
    dataset: xr.Dataset, groups: dict[str, xr.Dataset], sources: Sequence[str], base_url: str
) -> tuple[xr.Dataset, dict[str, xr.Dataset]]:
    if len(set(sources)) == 0:
        raise SelectionError("there is nothing to be found below another URL")
    moved = {name: rebase(part, base_url) for name, part in groups.items()}
    return rebase(dataset, base_url), moved


def _overviews(store: ManifestStore, root: xr.Dataset) -> dict[str, xr.Dataset]:
    tree = store.to_virtual_datatree()
    groups = {
        name: without_fill_values(node.to_dataset(inherit=False))
        for name, node in tree.children.items()
        if name != FULL_RESOLUTION
    }
    for group in groups.values():
        record_sources(group, recorded_sources(root))
    return groups


def _write(
    dataset: xr.Dataset,
    groups: Mapping[str, xr.Dataset],
    path: Path,
    append_dim: str | None,
    options: Mapping[str, Any],
) -> None:
    if path.suffix != ".icechunk":
        write_kerchunk(dataset, path, overwrite=True)
        return
    if append_dim is not None:
        write_icechunk(dataset, path, append_dim=append_dim, store_options=options)
        return
    # Beside the old one, which stays until the new one is complete.
    part = path.with_name(f".{path.name}.part")
    _remove(part)
    try:
        write_icechunk(dataset, part, groups=groups, store_options=options)
        _remove(path)
        part.rename(path)
    finally:
        _remove(part)


def _is_ours(path: Path) -> bool:
    """Whether a folder is what its suffix says: parquet references, an Icechunk repository."""
    inside = ("snapshots",) if path.suffix == ".icechunk" else (".zmetadata",)
    return any((path / name).exists() for name in inside) or not any(path.iterdir())


def _remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def _size(path: Path) -> int:
    files = path.rglob("*") if path.is_dir() else [path]
    return sum(file.stat().st_size for file in files if file.is_file())
