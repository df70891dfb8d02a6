"""What `virtualize` and `stack` share: words to values, and the result as text.

Knows the terminal and `publish`; knows no references.
"""

from __future__ import annotations

import os
import re
import sys
import time
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console

from .console import clear_errors, parse_numbers, print_json, print_table, progress_bar, size_text

if TYPE_CHECKING:
    from ..publish import Published

Urls = Annotated[
    list[str], typer.Argument(metavar="URL", help="FLAC rasters: URLs or local paths.")
]
Output = Annotated[
    Path,
    typer.Option(
        "--output", "-o", metavar="OUT",
        help="What to write: [b].json[/b] or [b].parquet[/b] for kerchunk, [b].icechunk[/b].",
    ),
]  # fmt: skip
Bands = Annotated[str | None, typer.Option(help="Bands to show, in this order: 4,3,2.")]
Overview = Annotated[
    int | None,
    typer.Option(min=0, help="Show this overview: 1 is the largest, 0 the full resolution."),
]
Values = Annotated[
    str | None,
    typer.Option(
        metavar="A,B,...",
        help="Coordinate of the rasters along the new dimension, in the order of the URLs: dates, "
        "numbers or words. By default dates, from the file names.",
    ),
]
Pattern = Annotated[
    str | None,
    typer.Option(
        metavar="REGEX", help="Finds year, month and day, its three groups, in a file name."
    ),
]
Force = Annotated[bool, typer.Option("--force", "-f", help="Replace OUT if it exists.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print the result as JSON.")]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="Print errors only.")]


def publish_and_tell(
    urls: Sequence[str],
    output: Path,
    *,
    dim: str | None,
    values: str | None,
    pattern: str | None,
    bands: str | None,
    overview: int | None,
    group: str | None,
    force: bool,
    as_json: bool,
    quiet: bool,
) -> None:
    """Parse what is left to parse, publish, and print."""
    chosen = parse_numbers(bands, "bands") if bands else None
    options: dict[str, Any] = {} if pattern is None else {"pattern": check_pattern(pattern)}
    if values is not None:
        options["values"] = parse_values(values)
    # Icechunk warns of concurrent writers to local repositories; here there is one writer.
    os.environ.setdefault("ICECHUNK_LOG", "error")
    start = time.perf_counter()
    with clear_errors(), progress_bar(output.name, quiet=quiet or as_json) as progress:
        from ..parser import FLACParser
        from ..publish import publish

        result = publish(
            urls, output, dim=dim, overwrite=force, progress=progress,
            parser=FLACParser(bands=chosen, overview=overview, group=group), **options,
        )  # fmt: skip
    seconds = round(time.perf_counter() - start, 3)
    if as_json:
        print_json({**result.to_json(), "seconds": seconds})
    elif not quiet:
        _print(result, seconds)


def _print(result: Published, seconds: float) -> None:
    sizes = ", ".join(f"{name} {size}" for name, size in result.sizes.items())
    rows = {
        "kind": result.kind,
        "raster": f"{result.variable} ({sizes}), {result.dtype}",
        **({"groups": ", ".join(result.groups)} if result.groups else {}),
        "sources": str(len(result.sources)),
        "references": f"{result.references} byte ranges in {size_text(result.bytes)}",
        "time": f"{seconds:.1f} s",
    }
    print_table(str(result.target), rows)
    if sys.stdout.isatty():
        Console().print("Open it, where zarr-flac is installed, with")
    # One line, to be copied: rich would break it.
    typer.echo(result.recipe)


def parse_values(text: str) -> list[Any]:
    """Values between commas: all whole numbers, all numbers, all dates, or else words."""
    words = [word.strip() for word in text.split(",")]
    for parse in (int, float, _parse_date):
        try:
            return [parse(word) for word in words]
        except ValueError:
            continue
    return words


def _parse_date(word: str) -> datetime:
    moment = datetime.fromisoformat(word)
    if moment.tzinfo is not None:
        raise typer.BadParameter(
            f"{word} has a time zone, which coordinates lack; give UTC without one",
            param_hint="--values",
        )
    return moment


def check_pattern(text: str) -> str:
    """A regular expression with three groups."""
    try:
        groups = re.compile(text).groups
    except re.error as error:
        raise typer.BadParameter(f"{text!r}: {error}", param_hint="--pattern") from None
    if groups != 3:
        raise typer.BadParameter(
            f"{text!r} has {groups} groups; expected three, for year, month and day",
            param_hint="--pattern",
        )
    return text
