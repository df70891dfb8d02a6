"""Cores for the work, and callbacks that report its progress."""

from __future__ import annotations

import os
from collections.abc import Callable

#: Called with the amount done and the total, in pixels, bytes or files.
Progress = Callable[[int, int], object]


def available_cores() -> int:
    """Number of cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


class Counter:
    """Reports progress to a callback."""

    def __init__(self, progress: Progress | None, total: int) -> None:
        self._progress = progress
        self._done = 0
        self._total = total

    def add(self, amount: int) -> None:
        """Count what has been done."""
        self._done += amount
        if self._progress:
            self._progress(self._done, self._total)
