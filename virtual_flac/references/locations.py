"""Where the chunks of a virtual dataset lie: URLs, common prefixes, other URLs for them."""

from __future__ import annotations

import posixpath
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from urllib.parse import urlparse

import xarray as xr
from obspec_utils.registry import ObjectStoreRegistry
from virtualizarr.manifests import ManifestArray, ManifestGroup

from ..errors import MismatchError, SourceChangedError
from ..io.addresses import move, object_path
from ..io.file_reader import FileReader
from ..io.stores import to_url
from ..model.file_version import FileVersion
from ..virtual.manifests import chunk_tables, count_chunks, urls_of, virtual_arrays, with_tables
from ..virtual.source_versions import attach, attached


def arrays_below(group: ManifestGroup, path: str = "") -> Iterator[tuple[str, ManifestArray]]:
    """All arrays of a group and of the groups in it, by their paths."""
    for name, node in group.items():
        if isinstance(node, ManifestGroup):
            yield from arrays_below(node, f"{path}{name}/")
        else:
            yield f"{path}{name}", node


def source_urls(vds: xr.Dataset) -> list[str]:
    """URLs that a virtual dataset refers to, each once."""
    return list(dict.fromkeys(
        url for array in virtual_arrays(vds).values() for url in urls_of(array)
    ))  # fmt: skip


def count_references(vds: xr.Dataset) -> int:
    """Byte ranges of other files that a virtual dataset refers to."""
    return sum(map(count_chunks, virtual_arrays(vds).values()))


def source_prefixes(vds: xr.Dataset) -> list[str]:
    """Prefixes of the URLs that a virtual dataset refers to, as `prefixes_of` gives them.

    Raises
    ------
    MismatchError
        When it refers to nothing.
    """
    urls = source_urls(vds)
    if not urls:
        raise MismatchError("the dataset refers to no file; is it a virtual dataset?")
    return prefixes_of(urls)


def prefixes_of(urls: list[str]) -> list[str]:
    """``https://host/``, ``s3://bucket/`` ... of URLs, and one folder for all local files.

    Icechunk compares them with paths in which nothing is quoted.
    """
    local = [url for url in urls if url.startswith("file://")]
    prefixes = [f"file://{object_path(common_folder(local))}"] if local else []
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

    It takes the place of the folder that holds all files; names below that stay. Etags and times of
    the files that were scanned are gone: `check_sources` asks for those of the others.
    """
    urls = source_urls(vds)
    folder = common_folder(urls)
    base = to_url(base_url).rstrip("/") + "/"
    moved = {url: to_url(move(url, folder, base)) for url in urls}
    tables = chunk_tables(vds)
    result = with_tables(vds, {name: found.renamed(moved) for name, found in tables.items()})
    states = attached(vds)
    sizes = {new: states[old].size if old in states else None for old, new in moved.items()}
    attach(result, {url: FileVersion(size=size) for url, size in sizes.items()})
    return result


def check_sources(vds: xr.Dataset, registry: ObjectStoreRegistry[Any], workers: int = 16) -> None:
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
