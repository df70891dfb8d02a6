"""URLs to object stores: local files, HTTP, S3, Google Cloud Storage and Azure through obstore."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable
from datetime import timedelta
from typing import Any
from urllib.parse import ParseResult, unquote, urlparse

from obspec_utils.registry import ObjectStoreRegistry

from ..errors import SourceError
from ..model.arguments import checked
from ..redaction import has_credentials, redact_name, safe_cause
from .addresses import is_quoted, local_path, normalized, refuse_unspeakable, url_of_path
from .store_errors import STORE_ERRORS, first_line

#: A request that gets no byte ends after `read_timeout`, a slow one after `timeout`. What fails is
#: tried again until `retry_timeout` after its first try. So nothing takes more than three minutes.
CLIENT_OPTIONS: dict[str, Any] = {
    "connect_timeout": "5s",
    "read_timeout": "15s",
    "timeout": "120s",
}
RETRY_CONFIG: dict[str, Any] = {"max_retries": 5, "retry_timeout": timedelta(seconds=60)}

_CLOUD_SCHEMES = frozenset({"s3", "s3a", "gs", "gcs", "az", "azure", "adl", "abfs", "abfss"})
_WEB = ("http://", "https://")
_WEB_OPTIONS = frozenset({"client_options", "retry_config"})
#: What `registry_for` makes stores for.
SCHEMES = _CLOUD_SCHEMES | {"file", "http", "https"}


def is_remote(path_or_url: str | os.PathLike[str]) -> bool:
    """Whether it is a URL of another machine; paths and schemes not known here are not."""
    scheme, separator, _ = os.fspath(path_or_url).partition("://")
    return bool(separator) and scheme.lower() in SCHEMES - {"file"}


def refuse_credentials(name: str) -> None:
    """Refuse a path or URL with a user name, a password or a token before the host.

    Raises
    ------
    SourceError
    """
    if has_credentials(name):
        raise SourceError(
            f"{redact_name(name)}: the URL holds a user name, a password or a token, which would "
            "end up in references and messages. Take it out, and pass it as store option: "
            "client_options={'default_headers': {'Authorization': ...}}."
        )


def to_url(path_or_url: str | os.PathLike[str]) -> str:
    """A full URL; local paths become ``file://`` URLs.

    Raises
    ------
    SourceError
        When a URL holds ``?``, ``#`` or credentials, or is none; when no URL can carry the name of
        a file.
    """
    text = os.fspath(path_or_url)
    if not text.strip():
        raise SourceError("the name of a file is empty")
    refuse_credentials(text)
    path = local_path(text)
    if path is not None:
        return url_of_path(path)
    scheme, _, rest = text.partition("://")
    if scheme.lower() in SCHEMES:
        text = f"{scheme.lower()}://{rest}"
    for mark in "?#":
        if mark in text:
            raise SourceError(
                f"{text} holds {mark!r}; signed URLs, queries and fragments are not supported. "
                "Rename a file; for a bucket use its s3://, gs:// or az:// URL with credentials "
                "from the environment or as store options."
            )
    refuse_unspeakable(text)
    split_url(text)
    text = normalized(text)
    refuse_credentials(text)
    return text


def split_url(url: str) -> ParseResult:
    """The parts of a URL.

    Raises
    ------
    SourceError
        When it is none.
    """
    try:
        return urlparse(url)
    except ValueError as error:
        raise SourceError(f"{url} is no URL: {error}") from None


@checked
def registry_for(
    urls: str | os.PathLike[str] | Iterable[str | os.PathLike[str]], **store_options: Any
) -> ObjectStoreRegistry[Any]:
    """Object stores for URLs, to be given to VirtualiZarr, `FLACParser` and `read_index`.

    Parameters
    ----------
    urls : str, path, or iterable of them
        Local paths, ``file://``, ``http(s)://``, ``s3://``, ``gs://`` or ``az://``. One store is
        made per scheme and host or bucket.
    **store_options
        Passed to the obstore store, for example ``region``, ``endpoint``, ``skip_signature``,
        ``client_options`` or ``retry_config``. Without them, S3, Google and Azure read their
        usual environment variables.

    Returns
    -------
    ObjectStoreRegistry

    Notes
    -----
    Unless the options say otherwise, a request is given up after 15 s without a byte or 120 s in
    all (``client_options``: ``read_timeout``, ``timeout``), and tried again up to 5 times within
    60 s of the first try (``retry_config``: ``max_retries``, ``retry_timeout``).

    Raises
    ------
    SourceError
        When a URL has a scheme that is not known here, or the options do not fit.

    Examples
    --------
    >>> registry = registry_for("https://example.com/dem.flac")
    >>> registry = registry_for("s3://bucket/dem.flac", region="eu-west-1", skip_signature=True)
    """
    if isinstance(urls, str | os.PathLike):
        urls = [urls]
    registry: ObjectStoreRegistry[Any] = ObjectStoreRegistry()
    prefixes = list(dict.fromkeys(_prefix(to_url(url)) for url in urls))
    in_cloud = any(split_url(prefix).scheme in _CLOUD_SCHEMES for prefix in prefixes)
    for prefix in prefixes:
        options = store_options
        if in_cloud and prefix.startswith(_WEB):
            # What the web knows not, such as a region, is for the others.
            options = {key: options[key] for key in _WEB_OPTIONS & options.keys()}
        registry.register(prefix, _make_store(prefix, options))
    return registry


def _prefix(url: str) -> str:
    parsed = split_url(url)
    return "file://" if parsed.scheme == "file" else f"{parsed.scheme}://{parsed.netloc}"


def _make_store(prefix: str, options: dict[str, Any]) -> Any:
    from obstore.store import HTTPStore, LocalStore, from_url

    scheme = split_url(prefix).scheme
    try:
        if scheme == "file":
            return LocalStore()
        client_options = {**CLIENT_OPTIONS, **options.get("client_options", {})}
        if os.environ.get("AWS_ALLOW_HTTP", "").lower() in ("true", "1", "yes"):
            # Stores that are given options for clients ask the environment for none.
            client_options.setdefault("allow_http", True)
        options = {"retry_config": RETRY_CONFIG, **options, "client_options": client_options}
        if scheme in ("http", "https"):
            # Object stores refuse plain HTTP unless told; an http:// URL is consent.
            client_options.setdefault("allow_http", True)
            return HTTPStore.from_url(prefix, **options)
        if scheme in _CLOUD_SCHEMES:
            return from_url(prefix, **options)
    except (*STORE_ERRORS, TypeError) as error:
        said = re.sub(r".* got an unexpected keyword argument", "no such option:", str(error))
        raise SourceError(f"no store for {prefix}: {first_line(said)}") from None
    known = "expected a path, file, http, https, s3, gs or az"
    if not scheme:
        raise SourceError(f"options of a store were given for a name that is no URL; {known}")
    raise SourceError(f"{prefix} has the scheme {scheme!r}; {known}")


def resolve(registry: ObjectStoreRegistry[Any], url: str) -> tuple[Any, str]:
    """Store and path of a URL."""
    if not hasattr(registry, "resolve"):
        raise TypeError(f"the registry is {registry!r}, expected one that registry_for makes")
    try:
        store, path = registry.resolve(url)
    except ValueError as error:
        raise SourceError(
            f"{url}: the registry has no store for it. Make one with registry_for([{url!r}])."
        ) from safe_cause(error)
    # Stores take names as they are.
    return store, unquote(path) if is_quoted(url) else str(path)
