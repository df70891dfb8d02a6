"""What has been read of files, for as long as the registry that it was read with lives.

Bounded, shared by threads, and no part of a pickled registry. Knows neither headers nor files.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from typing import Any
from weakref import WeakKeyDictionary

from obspec_utils.registry import ObjectStoreRegistry

#: Headers kept for one registry, and what they may weigh together; the oldest go first.
MAX_HEADERS = 256
MAX_WEIGHT = 2**20


class HeaderCache[T]:
    """Values by registry and URL.

    A value counts only while the registry answers the URL with the store it was read from.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._known: WeakKeyDictionary[
            ObjectStoreRegistry[Any], OrderedDict[str, tuple[Any, T, int]]
        ] = WeakKeyDictionary()

    def get(self, registry: ObjectStoreRegistry[Any], url: str, store: Any) -> T | None:
        """The value that `put` was given, if it is still there."""
        with self._lock:
            entries = self._known.get(registry)
            if entries is None or url not in entries or entries[url][0] is not store:
                return None
            entries.move_to_end(url)
            return entries[url][1]

    def put(
        self, registry: ObjectStoreRegistry[Any], url: str, store: Any, value: T, weight: int
    ) -> None:
        """Keep a value, unless it alone is too heavy."""
        self.forget(registry, url)
        if weight > MAX_WEIGHT:
            return
        with self._lock:
            entries = self._known.setdefault(registry, OrderedDict())
            entries[url] = (store, value, weight)
            total = sum(kept for *_, kept in entries.values())
            while len(entries) > MAX_HEADERS or total > MAX_WEIGHT:
                _, (*_, dropped) = entries.popitem(last=False)
                total -= dropped

    def forget(self, registry: ObjectStoreRegistry[Any], url: str) -> None:
        """Drop the value of a URL."""
        with self._lock:
            self._known.get(registry, OrderedDict()).pop(url, None)


#: Headers of FLAC rasters, a `TileIndex` each.
HEADERS: HeaderCache[Any] = HeaderCache()
