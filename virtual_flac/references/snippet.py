"""The line that opens published references where this package is not installed."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlparse

from ..io.addresses import local_path
from ..model.text import quoted
from .icechunk_settings import anonymous, s3_location

_ACCESS = {
    "file": "ic.Credentials.LocalFileSystemAccess()",
    "http": "ic.Credentials.HttpAccess()",
    "https": "ic.Credentials.HttpAccess()",
    "s3": "ic.s3_from_env_credentials()",
    "gs": "ic.gcs_from_env_credentials()",
}


def snippet(
    target: str | os.PathLike[str], prefixes: list[str], options: Mapping[str, Any] | None = None
) -> str:
    """One line of Python that opens references to files as ``ds``; without any secret.

    `prefixes` are where these files lie, as `prefixes_of` gives them, or, of an Icechunk
    repository, as it has them itself. The store options say where buckets are and whether they are
    public; keys come from the reader's environment.
    """
    name = _spelled(target)
    options = options or {}
    if name.endswith((".json", ".parquet", ".parq")):
        if _is_misread(name):
            return f"import virtual_flac; ds = virtual_flac.open_references({quoted(name)})"
        return (
            f"import xarray as xr; ds = xr.open_dataset({quoted(name)}, "
            f'engine="kerchunk"{_kerchunk_options(name, prefixes, options)})'
        )
    public = anonymous(options)

    def credentials(prefix: str) -> str:
        scheme = urlparse(prefix).scheme
        return "ic.s3_anonymous_credentials()" if scheme == "s3" and public else _ACCESS[scheme]

    access = ", ".join(f"{quoted(prefix)}: {credentials(prefix)}" for prefix in prefixes)
    return (
        "import icechunk as ic, xarray as xr; "
        f"repo = ic.Repository.open({_storage(name, options)}, "
        f"authorize_virtual_chunk_access=ic.containers_credentials({{{access}}})); "
        'ds = xr.open_zarr(repo.readonly_session("main").store, consolidated=False, '
        "zarr_format=3, chunks=None)"
    )


def _spelled(target: str | os.PathLike[str]) -> str:
    """The name of a target as every reader takes it: not all unquote URLs, some know homes."""
    text = os.fspath(target)
    path = local_path(text)
    return os.fspath(path) if path is not None and ("://" in text or text[:1] == "~") else text


def _is_misread(name: str) -> bool:
    """Whether fsspec takes something in a path for its own."""
    path = local_path(name)
    if path is None:
        return False
    signs = ("::",) if path.suffix == ".json" else ("::", "{", "}", ".json")
    return any(sign in os.fspath(path) for sign in signs)


def _kerchunk_options(name: str, prefixes: list[str], options: Mapping[str, Any]) -> str:
    """Where buckets of S3 are and whether they are public, in the words of fsspec and s3fs."""
    s3_words: dict[str, Any] = {"anon": True} if anonymous(options) else {}
    location = s3_location(options)
    if "endpoint_url" in location:
        s3_words["endpoint_url"] = location["endpoint_url"]
    if "region" in location:
        s3_words["client_kwargs"] = {"region_name": location["region"]}
    words: dict[str, Any] = {}
    if s3_words and any(prefix.startswith("s3://") for prefix in prefixes):
        words |= {"remote_protocol": "s3", "remote_options": s3_words}
    if s3_words and name.startswith("s3://"):
        words["target_options"] = s3_words
    return f", storage_options={words!r}" if words else ""


def _storage(name: str, options: Mapping[str, Any]) -> str:
    if local_path(name) is not None:
        return f"ic.local_filesystem_storage({quoted(name)})"
    url = urlparse(name)
    if url.scheme in ("http", "https"):
        return f"ic.http_storage({quoted(name)})"
    words: dict[str, Any] = {"bucket": url.netloc, "prefix": url.path.strip("/")}
    words |= {"anonymous" if anonymous(options) else "from_env": True, **s3_location(options)}
    return f"ic.s3_storage({', '.join(f'{key}={value!r}' for key, value in words.items())})"
