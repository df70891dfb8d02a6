"""Where the chunks of a virtual dataset lie: URLs, their common prefixes, and other URLs for them.

Knows manifests and URLs; knows no stores but to ask whether a file is there.
"""

from __future__ import annotations

import posixpath
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any, cast
from urllib.parse import urlparse

import numpy as np
import numpy.typing as npt
import xarray as xr
from obspec_utils.registry import ObjectStoreRegistry
from virtualizarr.manifests import ChunkManifest, ManifestArray

from ..errors import MismatchError, SourceChangedError
from ..io.file_reader import FileReader
from ..io.stores import to_url
from ..model.file_version import FileVersion
from ..virtual.source_versions import attach, attached


def distinct_paths(manifest: ChunkManifest) -> npt.NDArray[Any]:
    """The table of paths without the axes along which it repeats itself."""
    paths: npt.NDArray[Any] = manifest._paths
    return paths[(*(slice(0, 1) if step == 0 else slice(None) for step in paths.strides), ...)]


def source_urls(vds: xr.Dataset) -> list[str]:
    """URLs that a virtual dataset refers to, each once."""
    arrays: Iterator[Any] = (variable._data for variable in vds.variables.values())
    return urls_of(array for array in arrays if isinstance(array, ManifestArray))


def urls_of(arrays: Iterable[ManifestArray]) -> list[str]:
    """URLs that virtual arrays refer to, each once."""
    found: dict[str, None] = {}
    for array in arrays:
        paths = distinct_paths(array.manifest)
        found |= dict.fromkeys(url for url in paths.ravel().tolist() if "://" in url)
    return list(found)


def count_references(vds: xr.Dataset) -> int:
    """Byte ranges of other files that a virtual dataset refers to."""
    arrays: Iterator[Any] = (variable._data for variable in vds.variables.values())
    return sum(
        int(np.count_nonzero(array.manifest._lengths))
        for array in arrays
        if isinstance(array, ManifestArray) and urls_of([array])
    )


def source_prefixes(vds: xr.Dataset) -> list[str]:
    """Prefixes of the URLs that a virtual dataset refers to, one a store.

    Returns
    -------
    list of str
        ``"file:///folder/"``, ``"https://host/"``, ``"s3://bucket/"`` ...; one folder for all
        local files.

    Raises
    ------
    MismatchError
        When it refers to nothing.
    """
    urls = source_urls(vds)
    if not urls:
        raise MismatchError("the dataset refers to no file; is it a virtual dataset?")
    local = [url for url in urls if url.startswith("file://")]
    prefixes = [common_folder(local)] if local else []
    others = (urlparse(url) for url in urls if not url.startswith("file://"))
    return prefixes + list(dict.fromkeys(f"{url.scheme}://{url.netloc}/" for url in others))


def common_folder(urls: list[str]) -> str:
    """The deepest folder that holds all files, with a slash at its end."""
    scheme, _, _ = urls[0].partition("://")
    folders = {posixpath.dirname(url.partition("://")[2]) for url in urls}
    if any(not url.startswith(f"{scheme}://") for url in urls):
        raise MismatchError(f"the files lie in different stores: {urls[0]} and others")
    common = posixpath.commonpath(sorted(folders))
    return f"{scheme}://{common.rstrip('/')}/"


def rebase(vds: xr.Dataset, base_url: str) -> xr.Dataset:
    """The same virtual dataset referring to files below another URL.

    Parameters
    ----------
    vds : xarray.Dataset
    base_url : str
        Takes the place of the folder that holds all files; names below it stay.

    Returns
    -------
    xarray.Dataset
        Without the etags and times of the files that were scanned: those of the others are not
        known. `check_sources` asks for them.
    """
    urls = source_urls(vds)
    folder = common_folder(urls)
    base = to_url(base_url).rstrip("/") + "/"
    moved = {url: base + url.removeprefix(folder) for url in urls}
    variables: dict[Any, xr.Variable] = {}
    for name, variable in vds.variables.items():
        data = variable._data
        if isinstance(data, ManifestArray):
            array = ManifestArray(data.metadata, _rename(data.manifest, moved))
            variables[name] = xr.Variable(variable.dims, array, variable.attrs, variable.encoding)
    result = vds.copy(deep=False)
    result._variables.update(variables)
    states = attached(vds)
    sizes = {new: states[old].size if old in states else None for old, new in moved.items()}
    attach(result, {url: FileVersion(size=size) for url, size in sizes.items()})
    return result


def _rename(manifest: ChunkManifest, moved: Mapping[str, str]) -> ChunkManifest:
    if manifest._inlined:
        return manifest
    few = distinct_paths(manifest)
    renamed = np.array([moved.get(path, path) for path in few.ravel().tolist()], dtype=few.dtype)
    return ChunkManifest.from_arrays(
        paths=cast("Any", np.broadcast_to(renamed.reshape(few.shape), manifest._paths.shape)),
        offsets=manifest._offsets,
        lengths=manifest._lengths,
        validate_paths=False,
        inlined=manifest._inlined,
    )


def check_sources(
    vds: xr.Dataset, registry: ObjectStoreRegistry[Any], *, workers: int = 16
) -> xr.Dataset:
    """Ask for every file that a virtual dataset refers to, and note what its store says of it.

    One HEAD request a file. That bytes are the same cannot be asked for; sizes can.

    Raises
    ------
    SourceError
        When a file is not there.
    SourceChangedError
        When it has another size than the one that was scanned.
    """
    states = attached(vds)
    urls = source_urls(vds)

    def check(url: str) -> FileVersion:
        found = FileReader(url, registry).ask_version()
        expected = states.get(url, FileVersion())
        difference = FileVersion(size=expected.size).difference(found)
        if difference is not None:
            raise SourceChangedError(
                f"{url}: is not the file that was scanned, {difference}. Upload it again."
            )
        return found

    with ThreadPoolExecutor(max(1, min(workers, len(urls)))) as pool:
        found = dict(zip(urls, pool.map(check, urls), strict=True))
    attach(vds, found)
    return vds
