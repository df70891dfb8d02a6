"""URLs to published references: open or stack, choose the writer, say how to open the result.

Knows the parser, the cube and the writers of references; knows no terminal and no bytes.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

import xarray as xr

from .cube import DATE_PATTERN, stack
from .errors import SelectionError, TargetExistsError
from .levels import FULL_RESOLUTION
from .parser import FLACParser
from .references import source_prefixes, write_icechunk, write_kerchunk
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
    variable, dtype : str
    groups : tuple of str
        Child groups beside the root.
    references : int
        Byte ranges, those of child groups included.
    bytes : int
        Size of the target, a folder's files together.
    recipe : str
        One line of Python that opens the target.
    """

    target: Path
    kind: str
    sources: tuple[str, ...]
    sizes: dict[str, int]
    variable: str
    dtype: str
    groups: tuple[str, ...]
    references: int
    bytes: int
    recipe: str

    def to_json(self) -> dict[str, Any]:
        """As plain values."""
        return {
            "target": str(self.target),
            "kind": self.kind,
            "sources": list(self.sources),
            "sizes": self.sizes,
            "variable": self.variable,
            "dtype": self.dtype,
            "groups": list(self.groups),
            "references": self.references,
            "bytes": self.bytes,
            "recipe": self.recipe,
        }


def check_reference_target(target: str | os.PathLike[str], *, overwrite: bool = False) -> Path:
    """Refuse a target that cannot be written, before anything is read.

    Raises
    ------
    SelectionError
        When its suffix is not known, or what writes it is not installed.
    TargetExistsError
        When it exists and `overwrite` is false.
    FileNotFoundError
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
        raise FileNotFoundError(f"{path.parent}: no such folder. Create it first.")
    if path.exists() and not overwrite:
        raise TargetExistsError(f"{path} exists. Replace it with --force (overwrite=True).")
    if path.is_dir() and not _is_ours(path):
        # A typing error must not cost anybody a folder of something else.
        raise TargetExistsError(f"{path} is a folder, but not one of {kind}; remove it yourself")
    return path


def publish(
    urls: Sequence[str | os.PathLike[str]],
    target: str | os.PathLike[str],
    *,
    dim: str | None = None,
    values: Sequence[Any] | None = None,
    pattern: str = DATE_PATTERN,
    parser: FLACParser | None = None,
    overwrite: bool = False,
    store_options: Mapping[str, Any] | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> Published:
    """Write references to one FLAC raster, or to several stacked.

    Parameters
    ----------
    urls : sequence of str or path
    target : str or path
        Ends in ``.json`` or ``.parquet`` for kerchunk, in ``.icechunk`` for Icechunk. An Icechunk
        repository of one raster has its overviews as child groups.
    dim : str, optional
        Stack along this new dimension, even a single raster; ``time`` by default for several.
    values, pattern
        Of the new dimension, see `stack`.
    parser : FLACParser, optional
        Selects bands, overview and variable name.
    overwrite : bool
        Whether an existing target may be replaced.
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
    path = check_reference_target(target, overwrite=overwrite)
    sources = tuple(to_url(url) for url in urls)
    if not sources:
        raise SelectionError("there is no raster to refer to")
    parser = parser or FLACParser()
    registry = registry_for(sources, **(store_options or {}))
    groups: dict[str, xr.Dataset] = {}
    if dim is None and len(sources) == 1:
        if values is not None:
            raise SelectionError("values belong to a dimension; name it")
        store = parser(sources[0], registry)
        dataset = store.to_virtual_dataset()
        if path.suffix == ".icechunk":
            groups = _overviews(store)
    else:
        dataset = stack(
            sources, dim=dim or "time", values=values, pattern=pattern, registry=registry,
            parser=parser, progress=progress,
        )  # fmt: skip
    _write(dataset, groups, path)
    data = dataset[parser.variable]
    return Published(
        target=path,
        kind=_KINDS[path.suffix][0],
        sources=sources,
        sizes={str(name): int(size) for name, size in data.sizes.items()},
        variable=parser.variable,
        dtype=str(data.dtype),
        groups=tuple(groups),
        references=sum(_count(part, parser.variable) for part in (dataset, *groups.values())),
        bytes=_size(path),
        recipe=_recipe(path, dataset),
    )


def _overviews(store: ManifestStore) -> dict[str, xr.Dataset]:
    tree = store.to_virtual_datatree()
    return {
        name: without_fill_values(node.to_dataset(inherit=False))
        for name, node in tree.children.items()
        if name != FULL_RESOLUTION
    }


def _write(dataset: xr.Dataset, groups: Mapping[str, xr.Dataset], path: Path) -> None:
    if path.suffix != ".icechunk":
        write_kerchunk(dataset, path, overwrite=True)
        return
    # Beside the old one, which stays until the new one is complete.
    part = path.with_name(f".{path.name}.part")
    _remove(part)
    try:
        write_icechunk(dataset, part, groups=groups)
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


def _count(dataset: xr.Dataset, variable: str) -> int:
    data: Any = dataset[variable].variable._data
    return len(data.manifest.dict())


def _size(path: Path) -> int:
    files = path.rglob("*") if path.is_dir() else [path]
    return sum(file.stat().st_size for file in files if file.is_file())


def _recipe(path: Path, dataset: xr.Dataset) -> str:
    """One line that opens the target, where zarr-flac is installed and this package need not be."""
    name = json.dumps(str(path))
    if path.suffix != ".icechunk":
        return f'import xarray as xr; ds = xr.open_dataset({name}, engine="kerchunk")'
    access = ", ".join(
        f"{json.dumps(prefix)}: {_access(prefix)}" for prefix in source_prefixes(dataset)
    )
    return (
        "import icechunk as ic, xarray as xr; "
        f"repo = ic.Repository.open(ic.local_filesystem_storage({name}), "
        f"authorize_virtual_chunk_access=ic.containers_credentials({{{access}}})); "
        'ds = xr.open_zarr(repo.readonly_session("main").store, consolidated=False, chunks=None)'
    )


def _access(prefix: str) -> str:
    return {
        "file": "ic.Credentials.LocalFileSystemAccess()",
        "http": "ic.Credentials.HttpAccess()",
        "https": "ic.Credentials.HttpAccess()",
        "s3": "ic.s3_from_env_credentials()",
        "gs": "ic.gcs_from_env_credentials()",
    }[prefix.partition(":")[0]]
