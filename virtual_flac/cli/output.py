"""What the commands print: tables, JSON, progress, and errors as one line.

Nothing is wrapped or shortened to the width of the terminal: paths and numbers can be copied.
"""

from __future__ import annotations

import contextlib
import json
import sys
import traceback
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, NoReturn

import click

from ..errors import FlacError
from ..model.text import printable
from ..redaction import redact

#: Exit status of errors, and of rasters that are damaged or differ.
FAILED = 1


@contextlib.contextmanager
def one_line_warnings() -> Iterator[None]:
    """Print warnings as one line each."""
    with warnings.catch_warnings():
        shown: set[str] = set()

        def show(message: Warning | str, *_: Any, **__: Any) -> None:
            # Several files, or reads of one, may have the same to say.
            if str(message) not in shown:
                shown.add(str(message))
                echo(f"Warning: {_one_line(str(message))}", err=True)

        warnings.showwarning = show
        yield


def fail(message: str, status: int) -> NoReturn:
    """Print an error as one line and exit."""
    echo(f"Error: {_one_line(message)}", err=True)
    raise SystemExit(status)


def fail_with(error: Exception, *, debug: bool) -> NoReturn:
    """Print any other error as one line and exit; before it, on request, where it comes from."""
    if debug:
        for line in "".join(traceback.format_exception(error)).splitlines():
            echo(line, err=True)
    if isinstance(error, FlacError):
        fail(str(error), FAILED)
    if isinstance(error, OSError) and error.strerror:
        # What has no name is printed: all else that is written says what it is.
        fail(f"{error.filename or 'output'}: {error.strerror}", FAILED)
    fail(
        f"{type(error).__name__}: {error} (this is a bug of virtual-flac: please report it with "
        "what the same command prints with --debug)",
        FAILED,
    )


def _one_line(message: str) -> str:
    """Without line ends; spaces within a line may be those of a name and stay."""
    return " ".join(filter(None, map(str.strip, message.split("\n"))))


def echo(line: str, *, err: bool = False) -> None:
    """Print one line; everything that commands print for people goes through here.

    What files and names contain is text: it steers no terminal, and what the terminal has no sign
    for is escaped, too. Errors and notes tell no secret.
    """
    # There is no stream where the shell has closed it.
    encoding = getattr(sys.stderr if err else sys.stdout, "encoding", None) or "utf-8"
    shown = printable(redact(line) if err else line)
    click.echo(shown.encode(encoding, "backslashreplace").decode(encoding), err=err)


@contextlib.contextmanager
def progress_bar(title: str, *, quiet: bool) -> Iterator[Callable[[int, int], None] | None]:
    """A bar on standard error when that is a terminal; None, for no progress, when it is not."""
    if quiet or not sys.stderr.isatty():
        yield None
        return
    with contextlib.ExitStack() as stack:
        bar: Any = None

        def advance(done: int, total: int) -> None:
            nonlocal bar
            if bar is None:
                bar = click.progressbar(length=total, label=printable(title), file=sys.stderr)
                stack.enter_context(bar)
            bar.length = total
            bar.update(done - bar.pos)

        yield advance


def print_rows(title: str, rows: Mapping[str, str]) -> None:
    """A title, and names and values in two columns."""
    print_table(title, (), rows.items())


def print_table(
    title: str, headers: Sequence[str], rows: Iterable[Sequence[str]], *, right: Sequence[str] = ()
) -> None:
    """Aligned columns below a title; those whose headers are in `right` are aligned there."""
    if title:
        echo(title)
    lines = [[printable(cell) for cell in row] for row in rows]
    table = [list(headers), *lines] if headers else lines
    if not table:
        return
    widths = [max(map(len, column)) for column in zip(*table, strict=True)]
    at_right = [name in right for name in headers] or [False] * len(widths)
    for line in table:
        cells = [
            cell.rjust(width) if numeric else cell.ljust(width)
            for cell, width, numeric in zip(line, widths, at_right, strict=True)
        ]
        echo("  " + "  ".join(cells).rstrip())


def print_json(value: Any) -> None:
    """One JSON document on standard output."""
    click.echo(json.dumps(value, indent=2, allow_nan=False))


def count_text(number: int, noun: str) -> str:
    """``1 tile``, ``2 tiles``."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def size_text(size: int) -> str:
    """``12.3 MB`` and the like."""
    value = float(size)
    for unit in ("bytes", "kB", "MB", "GB"):
        if value < 1000:
            return f"{value:.0f} {unit}" if unit == "bytes" else f"{value:.1f} {unit}"
        value /= 1000
    return f"{value:.1f} TB"


def ratio_text(ratio: float) -> str:
    """How much smaller, or larger, a file is than its pixels."""
    return f"{ratio:.2f} times smaller" if ratio >= 1 else f"{1 / ratio:.2f} times larger"


def list_text(values: Iterable[float], digits: int = 10) -> str:
    """Numbers with commas between them."""
    return ", ".join(f"{value:.{digits}g}" for value in values)


def tile_sizes_text(tile_shape: Sequence[int], levels: Iterable[Sequence[int]]) -> str:
    """``512 x 512 or 349 x 352``: no tile, of (height, width), is larger than its level."""
    height, width = tile_shape
    sizes = dict.fromkeys((min(width, w), min(height, h)) for w, h in levels)
    return " or ".join(f"{wide} x {tall}" for wide, tall in sizes)
