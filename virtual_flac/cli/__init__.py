"""The command `virtual-flac`: words in, text out. Each command calls one function and prints."""

from __future__ import annotations

import signal
import sys
from types import FrameType

from ..errors import MissingExtraError, needs_extra


def main() -> None:
    """Run the command line; the entry point of `virtual-flac`."""
    signal.signal(signal.SIGTERM, _stop)
    try:
        with needs_extra("cli", "click"):
            from .commands import app
    except MissingExtraError as error:
        print(f"Error: {error}", file=sys.stderr)
        raise SystemExit(1) from None
    app(prog_name="virtual-flac")


def _stop(number: int, frame: FrameType | None) -> None:
    # An exception, so that half-written files are removed on the way out.
    raise SystemExit(128 + number)
