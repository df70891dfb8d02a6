"""Options of obstore's stores as GDAL's settings: a GeoTIFF is read with the same credentials.

Secrets pass through and are never printed.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

from obspec_utils.registry import ObjectStoreRegistry
from rasterio.session import Session

from ..errors import SourceError
from ..io.stores import resolve, split_url, to_url

#: Options of a store that GDAL has, too.
_NAMES = {
    "s3": {
        "access_key_id": "AWS_ACCESS_KEY_ID",
        "secret_access_key": "AWS_SECRET_ACCESS_KEY",
        "session_token": "AWS_SESSION_TOKEN",
        "token": "AWS_SESSION_TOKEN",
        "region": "AWS_REGION",
        "default_region": "AWS_REGION",
        "skip_signature": "AWS_NO_SIGN_REQUEST",
        "virtual_hosted_style_request": "AWS_VIRTUAL_HOSTING",
    },
    "gs": {
        "service_account": "GOOGLE_APPLICATION_CREDENTIALS",
        "application_credentials": "GOOGLE_APPLICATION_CREDENTIALS",
        "skip_signature": "GS_NO_SIGN_REQUEST",
    },
    "az": {
        "account_name": "AZURE_STORAGE_ACCOUNT",
        "account_key": "AZURE_STORAGE_ACCESS_KEY",
        "sas_key": "AZURE_STORAGE_SAS_TOKEN",
        "skip_signature": "AZURE_NO_SIGN_REQUEST",
    },
}
_KEYS = ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN")
_FAMILIES = {"s3a": "s3", "gcs": "gs", **dict.fromkeys(("azure", "adl", "abfs", "abfss"), "az")}
_CLIENT_NAMES = {
    "user_agent": "GDAL_HTTP_USERAGENT",
    "proxy_url": "GDAL_HTTP_PROXY",
    "allow_invalid_certificates": "GDAL_HTTP_UNSAFESSL",
}
#: They choose the object, or say how it is written or how long to wait.
_WITHOUT_EFFECT = ("bucket", "container_name", "unsigned_payload", "checksum_algorithm")
_CLIENT_WITHOUT_EFFECT = (
    *("allow_http", "timeout", "connect_timeout", "read_timeout"),
    *("pool_idle_timeout", "pool_max_idle_per_host"),
    *("http1_only", "http2_only", "http2_keep_alive_interval", "http2_keep_alive_timeout"),
    *("http2_keep_alive_while_idle", "http2_max_frame_size", "randomize_addresses"),
)


class StoreSession(Session):  # type: ignore[misc]
    """GDAL's settings for a store. rasterio takes credentials from sessions only."""

    def __init__(self, options: Mapping[str, str]) -> None:
        self._options = dict(options)

    def get_credential_options(self) -> dict[str, str]:
        """The settings."""
        return self._options


def remote_settings(name: str, registry: ObjectStoreRegistry[Any] | None = None) -> dict[str, Any]:
    """Arguments of `rasterio.Env` for a path or URL, from the options of its store.

    Without a registry they come from the environment, as for obstore.

    Raises
    ------
    SourceError
        When GDAL has no setting like an option of the store.
    """
    scheme, separator, _ = name.partition("://")
    family = _FAMILIES.get(scheme, scheme)
    if not separator or family == "file":
        return {}
    options = {"GDAL_DISABLE_READDIR_ON_OPEN": "EMPTY_DIR", **_of_environment()}
    if registry is None or family not in ("http", "https", *_NAMES):
        return options
    return {"session": StoreSession({**options, **_of_store(name, family, registry)})}


def _of_environment() -> dict[str, str]:
    found = _endpoint(os.environ.get("AWS_ENDPOINT_URL") or os.environ.get("AWS_ENDPOINT") or "")
    if os.environ.get("AWS_SKIP_SIGNATURE", "").lower() in ("true", "1", "yes"):
        found["AWS_NO_SIGN_REQUEST"] = "YES"
    return found


def _endpoint(url: str) -> dict[str, str]:
    address = split_url(url)
    if not address.netloc:
        return {}
    return {
        "AWS_S3_ENDPOINT": address.netloc,
        "AWS_HTTPS": "NO" if address.scheme == "http" else "YES",
        "AWS_VIRTUAL_HOSTING": "FALSE",
    }


def _of_store(name: str, family: str, registry: ObjectStoreRegistry[Any]) -> dict[str, str]:
    store, _ = resolve(registry, to_url(name))
    config = dict(getattr(store, "config", None) or {})
    client = dict(getattr(store, "client_options", None) or {})
    found = _endpoint(config.pop("endpoint", "")) if family == "s3" else {}
    if "access_key_id" not in config:
        # All that counts comes from here, or rasterio puts what the environment says over it.
        found |= {key: os.environ[key] for key in _KEYS if family == "s3" and key in os.environ}
    unknown = ["credential_provider"] * (getattr(store, "credential_provider", None) is not None)
    for key, value in config.items():
        if key in _NAMES.get(family, {}):
            found[_NAMES[family][key]] = _text(value)
        elif key not in _WITHOUT_EFFECT:
            unknown.append(key)
    headers: Mapping[str, Any] = client.pop("default_headers", {})
    if headers:
        lines = [f"{key}: {_text(value)}" for key, value in headers.items()]
        found["GDAL_HTTP_HEADERS"] = "\r\n".join(lines)
    for key, value in client.items():
        if key in _CLIENT_NAMES:
            found[_CLIENT_NAMES[key]] = _text(value)
        elif key not in _CLIENT_WITHOUT_EFFECT:
            unknown.append(f"client_options.{key}")
    if unknown:
        raise SourceError(
            f"{name}: GDAL reads it and has nothing like the store's {', '.join(sorted(unknown))}. "
            "Say it in the environment in GDAL's words, or download the file."
        )
    return found


def _text(value: Any) -> str:
    if isinstance(value, bytes):
        return value.decode("latin-1")
    return {"true": "YES", "false": "NO"}.get(str(value).lower(), str(value))
