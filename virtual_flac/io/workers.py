"""How work is shared out and how far it is: cores of this process, callbacks of progress."""

from __future__ import annotations

import os
from collections.abc import Callable

#: Called with what is done and what there is in all, in pixels, bytes or files.
Progress = Callable[[int, int], object]


def available_cores() -> int:
    """Number of cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
