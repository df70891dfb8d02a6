"""What reading costs: requests, bytes and time of one action. Knows the server's log only."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator
from dataclasses import dataclass, field

from .server import RangeServer


@dataclass(frozen=True, slots=True)
class Cost:
    """What one action asked of the server."""

    reader: str
    """File and how it was read: ``FLAC, xr.open_dataset(engine="flac")``."""
    action: str
    """``open``, ``window`` or ``time series``."""
    requests: int
    """Whatever their method."""
    bytes: int
    seconds: float


@dataclass(slots=True)
class Meter:
    """Collects costs, one for each `measure`.

    Parameters
    ----------
    server : RangeServer
        Asked by one reader at a time.
    """

    server: RangeServer
    costs: list[Cost] = field(default_factory=list)

    @contextlib.contextmanager
    def measure(self, reader: str, action: str) -> Iterator[None]:
        """Add the cost of the block."""
        before = len(self.server.requests())
        start = time.perf_counter()
        yield
        seconds = time.perf_counter() - start
        asked = self.server.requests()[before:]
        sent = sum(request.bytes_sent for request in asked)
        self.costs.append(Cost(reader, action, len(asked), sent, round(seconds, 4)))
