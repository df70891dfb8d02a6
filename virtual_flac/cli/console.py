"""What the commands share: consoles, progress, errors as one line, words to values.

Knows the terminal and our errors; knows no rasters.
"""

from __future__ import annotations

import contextlib
import json
import sys
import warnings
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import typer
from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn
from rich.table import Table

from ..errors import FlacError, SelectionError, TargetExistsError

#: What the user asked for cannot be; the same code as for an unknown option.
BAD_USE = 2
BAD_DATA = 1


@contextlib.contextmanager
def clear_errors() -> Iterator[None]:
    """Turn errors that are no bugs into one line and an exit code; show warnings as such lines."""
    with warnings.catch_warnings():
        told: set[str] = set()

        def show(message: Warning | str, *_: Any, **__: Any) -> None:
            # Several files, or reads of one, may have the same to say.
            if str(message) not in told:
                told.add(str(message))
                typer.echo(f"Warning: {message}", err=True)

        warnings.showwarning = show
        try:
            yield
        except (SelectionError, TargetExistsError) as error:
            _fail(error, BAD_USE)
        except (FlacError, OSError) as error:
            _fail(error, BAD_DATA)


def _fail(error: Exception, code: int) -> None:
    typer.echo(f"Error: {error}", err=True)
    raise typer.Exit(code) from error


@contextlib.contextmanager
def progress_bar(title: str, *, quiet: bool) -> Iterator[Callable[[int, int], None] | None]:
    """A bar on standard error when that is a terminal; None, for no progress, when it is not."""
    if quiet or not sys.stderr.isatty():
        yield None
        return
    columns = (TextColumn(title), BarColumn(), TaskProgressColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task(title, total=None)

        def advance(done: int, total: int) -> None:
            progress.update(task, completed=done, total=total)

        yield advance


def print_table(title: str, rows: Mapping[str, str]) -> None:
    """Names and values in two columns."""
    table = Table(title=title, show_header=False, title_justify="left")
    for name, value in rows.items():
        table.add_row(name, value)
    Console().print(table)


def print_json(value: Any) -> None:
    """One JSON document on standard output."""
    typer.echo(json.dumps(value, indent=2, allow_nan=False))


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


def parse_numbers(text: str, name: str) -> list[int]:
    """Whole numbers between commas."""
    try:
        return [int(part) for part in text.split(",")]
    except ValueError:
        raise typer.BadParameter(
            f"{text!r} is no list of whole numbers like 1,2,3", param_hint=f"--{name}"
        ) from None
