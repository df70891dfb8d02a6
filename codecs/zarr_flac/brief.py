"""How values of strangers appear in messages: short, on one line, whatever they are."""

from __future__ import annotations

import reprlib

_MOST = 120
_SHORTENED = reprlib.Repr(
    maxlevel=3, maxlist=8, maxtuple=8, maxdict=12, maxset=8, maxstring=60, maxlong=60, maxother=60
)


def brief(value: object) -> str:
    """Return what stands for a value in a message: its `repr`, shortened where it is long."""
    try:
        text = _SHORTENED.repr(value)
    except ValueError:  # of an integer with thousands of digits
        text = f"<{type(value).__name__} too long to print>"
    return text if len(text) <= _MOST else f"{text[:_MOST]}..."
