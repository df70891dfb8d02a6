"""Options of object stores, as obstore users know them, in Icechunk's words; sizes of manifests.

Secrets go into credentials, which Icechunk does not write; never into containers, which it does.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Mapping, Sequence
from datetime import timedelta
from typing import Any
from urllib.parse import urlparse

import xarray as xr

from ..errors import SelectionError, SourceError
from ..io.addresses import local_path
from ..io.stores import (
    CLIENT_OPTIONS,
    RETRY_CONFIG,
    is_remote,
    refuse_credentials,
    split_url,
    to_url,
)
from ..virtual.manifests import chunk_tables

#: Bytes that Icechunk keeps in its manifests instead of in an object of their own: coordinates.
INLINE_BYTES = 16 * 1024
#: Chunks in one manifest, about 20 bytes each: what a reader of one chunk loads at most.
MANIFEST_CHUNKS = 100_000
#: What obstore waits before it tries again, unless told otherwise.
_BACKOFF = {"init_backoff": "100ms", "max_backoff": "15s"}
_KEYS = ("access_key_id", "secret_access_key", "session_token")
_UNITS = {"ms": 1, "s": 1000, "sec": 1000, "m": 60_000, "min": 60_000, "h": 3_600_000}


def repository_config(options: Mapping[str, Any]) -> Any:
    """Settings that make one chunk one request, coordinates none, and that end in time.

    Icechunk splits a chunk of more than 8 to 12 MB into several requests, and writes every chunk
    of more than 512 bytes as an object. A repository remembers these settings for its readers.
    """
    import icechunk

    retry = {**RETRY_CONFIG, **options.get("retry_config", {})}
    backoff = {**_BACKOFF, **retry.get("backoff", {})}
    times = _times(options)
    config = icechunk.RepositoryConfig.default()
    config.inline_chunk_threshold_bytes = INLINE_BYTES
    config.storage = icechunk.StorageSettings(
        concurrency=icechunk.StorageConcurrencySettings(
            max_concurrent_requests_for_object=1, ideal_concurrent_request_size=2**40
        ),
        # Where storage settings are given at all, retries left out would be none.
        retries=icechunk.StorageRetriesSettings(
            max_tries=1 + retry["max_retries"],
            initial_backoff_ms=_milliseconds(backoff["init_backoff"]),
            max_backoff_ms=_milliseconds(backoff["max_backoff"]),
        ),
        # For S3; other stores have theirs in the containers.
        timeouts=icechunk.StorageTimeoutSettings(
            connect_timeout_ms=times["connect_timeout"],
            read_timeout_ms=times["read_timeout"],
            operation_attempt_timeout_ms=times["timeout"],
        ),
    )
    return config


def _times(options: Mapping[str, Any]) -> dict[str, int]:
    """The limits of a request in milliseconds, by obstore's names."""
    given = options.get("client_options", {})
    return {name: _milliseconds(given.get(name, CLIENT_OPTIONS[name])) for name in CLIENT_OPTIONS}


def _milliseconds(duration: timedelta | str) -> int:
    """A duration as obstore takes it: ``timedelta(seconds=15)``, ``"15s"``, ``"2m 30s"``."""
    if isinstance(duration, timedelta):
        return round(duration / timedelta(milliseconds=1))
    parts = re.findall(r"(\d+)\s*([a-z]+)", duration)
    if not parts or any(unit not in _UNITS for _, unit in parts):
        raise SelectionError(
            f"{duration!r} is not a duration; write it as '15s', '700ms' or '2m 30s'"
        )
    return sum(int(number) * _UNITS[unit] for number, unit in parts)


def container(prefix: str, options: Mapping[str, Any]) -> Any:
    """A virtual chunk container: where chunks lie, without what is secret.

    Raises
    ------
    SourceError
        When Icechunk cannot read there.
    """
    import icechunk

    scheme = urlparse(prefix).scheme
    store: Any
    if scheme == "file":
        store = icechunk.local_filesystem_store(prefix.removeprefix("file://"))
    elif scheme in ("http", "https"):
        opts = {name: f"{time}ms" for name, time in _times(options).items()}
        store = icechunk.http_store(opts | ({"allow_http": "true"} if scheme == "http" else {}))
    elif scheme == "s3":
        location = s3_location(options)
        store = icechunk.s3_store(
            **location, anonymous=anonymous(options), s3_compatible="endpoint_url" in location
        )
    elif scheme == "gs":
        store = icechunk.gcs_store(None)
    else:
        raise SourceError(f"{prefix}: Icechunk reads file, http, https, s3 and gs, not {scheme!r}")
    return icechunk.VirtualChunkContainer(prefix, store)


def access(prefixes: Iterable[str], options: Mapping[str, Any]) -> dict[str, Any]:
    """Permission to read virtual chunks, for ``icechunk.Repository.open``.

    What is not in the options comes from the environment.
    """
    import icechunk

    return icechunk.containers_credentials(
        {prefix: _credentials(urlparse(prefix).scheme, options) for prefix in prefixes}
    )


def _credentials(scheme: str, options: Mapping[str, Any]) -> Any:
    import icechunk

    if scheme == "s3":
        if anonymous(options):
            return icechunk.s3_anonymous_credentials()
        keys = {name: _option(options, name) for name in _KEYS}
        if keys["access_key_id"] and keys["secret_access_key"]:
            return icechunk.s3_static_credentials(**keys)
        return icechunk.s3_from_env_credentials()
    if scheme == "file":
        return icechunk.Credentials.LocalFileSystemAccess()
    if scheme in ("http", "https"):
        return icechunk.Credentials.HttpAccess()
    if scheme == "gs":
        return icechunk.gcs_from_env_credentials()
    raise SourceError(f"Icechunk reads file, http, https, s3 and gs, not {scheme!r}")


def storage(target: str | os.PathLike[str], options: Mapping[str, Any]) -> Any:
    """Where a repository lies: a local folder, ``s3://bucket/prefix``, or, to be read, a URL.

    Raises
    ------
    SourceError
        When repositories cannot lie there.
    """
    import icechunk

    text = os.fspath(target)
    if is_remote(text):
        text = to_url(text)
    path = local_path(text)
    if path is not None:
        return icechunk.local_filesystem_storage(os.fspath(path))
    parsed = split_url(text)
    if parsed.scheme in ("http", "https"):
        return icechunk.http_storage(text)
    if parsed.scheme != "s3":
        raise SourceError(f"{text}: repositories lie in folders, on s3:// or, to be read, http(s)")
    location: dict[str, Any] = {**s3_location(options), "bucket": parsed.netloc}
    if anonymous(options):
        location["anonymous"] = True
    elif _option(options, "access_key_id"):
        location |= {name: _option(options, name) for name in _KEYS}
    else:
        location["from_env"] = True
    return icechunk.s3_storage(prefix=parsed.path.strip("/"), **location)


def s3_location(options: Mapping[str, Any]) -> dict[str, Any]:
    """Region and endpoint of S3, in Icechunk's words; nothing secret.

    Raises
    ------
    SourceError
        When the endpoint holds credentials: repositories remember it, and snippets show it.
    """
    location: dict[str, Any] = {}
    region = _option(options, "region") or os.environ.get("AWS_DEFAULT_REGION")
    endpoint = _option(options, "endpoint_url") or _option(options, "endpoint")
    if region:
        location["region"] = region
    if endpoint:
        refuse_credentials(endpoint)
        location["endpoint_url"] = endpoint
        location["allow_http"] = endpoint.startswith("http://")
        # As obstore: buckets stand in the path unless told otherwise.
        location["force_path_style"] = not _flag(_option(options, "virtual_hosted_style_request"))
    return location


def anonymous(options: Mapping[str, Any]) -> bool:
    """Whether buckets are public: requests to S3 are not to be signed."""
    return _flag(_option(options, "skip_signature"))


def _option(options: Mapping[str, Any], name: str) -> Any:
    """An option of an S3 store by any of its names, or from the environment."""
    for key in (name, f"aws_{name}"):
        if options.get(key) is not None:
            return options[key]
    return os.environ.get(f"AWS_{name.upper()}")


def _flag(value: Any) -> bool:
    return value is True or str(value).lower() in ("true", "1", "yes", "on")


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

    Groups are given by their paths, None for the root. A repository remembers the setting, so that
    what is appended is split alike. Small cubes have one manifest an array, as without it.
    """
    from icechunk import ManifestSplitCondition, ManifestSplitDimCondition, ManifestSplittingConfig

    sizes: dict[Any, Any] = {}
    for group, part in parts.items():
        for name, tables in chunk_tables(part).items():
            path = "/".join(["", *([group] if group else []), str(name)])
            condition = ManifestSplitCondition.path_matches(f"^{re.escape(path)}$")
            shares = split_sizes(tables.paths.shape, MANIFEST_CHUNKS)
            sizes[condition] = {
                ManifestSplitDimCondition.Axis(axis): size for axis, size in enumerate(shares)
            }
    return ManifestSplittingConfig.from_dict(sizes)
