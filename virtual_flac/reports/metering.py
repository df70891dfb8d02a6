"""Stores that count what is asked of them. Knows stores; knows no files of ours."""

from __future__ import annotations

from typing import Any

from obspec_utils.registry import ObjectStoreRegistry


class MeteredRegistry(ObjectStoreRegistry[Any]):
    """A registry that counts the requests and bytes of everything read through it.

    Parameters
    ----------
    registry : ObjectStoreRegistry
        Where the stores are.
    """

    def __init__(self, registry: ObjectStoreRegistry[Any]) -> None:
        super().__init__()
        self._registry = registry
        self.requests = 0
        self.bytes = 0

    def resolve(self, url: Any) -> tuple[Any, Any]:
        """Store and path of a URL, as the registry has them."""
        store, path = self._registry.resolve(url)
        return _MeteredStore(store, self), path


class _MeteredStore:
    def __init__(self, store: Any, meter: MeteredRegistry) -> None:
        self._store = store
        self._meter = meter

    def get(self, path: str, *, options: Any = None) -> Any:
        self._meter.requests += 1
        result = self._store.get(path, options=options)
        start, end = result.range
        self._meter.bytes += end - start
        return result

    def head(self, path: str) -> Any:
        self._meter.requests += 1
        return self._store.head(path)
