"""What `virtualize` and `stack` share: words to values, and the result as text.

Knows the terminal and `publish`; knows no references.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console

from .console import clear_errors, parse_numbers, print_json, print_table, progress_bar, size_text
from .options import options_of

if TYPE_CHECKING:
    from ..publish import Published

Urls = Annotated[
    list[str],
    typer.Argument(metavar="URL", help="FLAC rasters, URLs or paths; or the JSON of STAC items."),
]
Output = Annotated[
    str,
    typer.Option(
        "--output", "-o", metavar="OUT",
        help="What to write, a path or s3:// URL: [b].json[/b] or [b].parquet[/b] for kerchunk, "
        "[b].icechunk[/b].",
    ),
]  # fmt: skip
Bands = Annotated[
    str | None, typer.Option(metavar="N,...", help="Only these bands, in this order: [b]4,3,2[/b].")
]
Overview = Annotated[
    int | None,
    typer.Option(min=0, help="Only this overview: 1 is the largest, 0 the full resolution."),
]
Values = Annotated[
    list[str] | None,
    typer.Option(
        metavar="A,B,...",
        help="Coordinate of the rasters along the new dimension, in the order of the URLs: dates, "
        "numbers or words; [b]NAME=A,B,...[/b], once for each of several dimensions. By default "
        "they are found in the file names.",
    ),
]
Pattern = Annotated[
    str | None,
    typer.Option(
        metavar="REGEX",
        help="Finds coordinates in a file name: [b](?P<band>B..)_%Y%m%d[/b] for bands and times; "
        "three groups without names are year, month and day.",
    ),
]
Dims = Annotated[
    str | None,
    typer.Option(
        "--dim", metavar="NAME,...",
        help="Stack along these new dimensions, [b]band[/b] may be one of them; by default what "
        "the pattern finds, [b]time[/b].",
    ),
]  # fmt: skip
BaseUrl = Annotated[
    str | None,
    typer.Option(
        metavar="URL",
        help="Let the references point below this URL instead of the folder of the rasters.",
    ),
]
CheckBaseUrl = Annotated[
    bool,
    typer.Option(
        "--check-base-url", help="Ask whether the files are there, with the sizes they have here."
    ),
]
Force = Annotated[bool, typer.Option("--force", "-f", help="Replace OUT if it exists.")]


def publish_and_tell(
    urls: Sequence[str],
    output: str,
    *,
    cube: dict[str, Any],
    bands: str | None,
    overview: int | None,
    group: str | None,
    force: bool,
    append: bool,
    base_url: str | None,
    check_base_url: bool,
    stores: tuple[list[str] | None, bool],
    as_json: bool,
    quiet: bool,
) -> None:
    """Parse what is left to parse, publish, and print."""
    chosen = parse_numbers(bands, "bands") if bands else None
    if check_base_url and base_url is None:
        raise typer.BadParameter("belongs to --base-url", param_hint="--check-base-url")
    # Icechunk warns of concurrent writers to local repositories; here there is one writer.
    os.environ.setdefault("ICECHUNK_LOG", "error")
    start = time.perf_counter()
    with clear_errors(), progress_bar(Path(output).name, quiet=quiet or as_json) as progress:
        from ..publish import publish
        from ..virtual.parser import FLACParser

        result = publish(
            urls, output, cube=cube, overwrite=force, append=append, base_url=base_url,
            check_base_url=check_base_url, progress=progress, store_options=options_of(*stores),
            parser=FLACParser(
                bands=chosen, overview=overview, group=group,
                progress=progress if len(urls) == 1 else None,
            ),
        )  # fmt: skip
    seconds = round(time.perf_counter() - start, 3)
    if as_json:
        print_json({**result.to_dict(), "seconds": seconds})
    else:
        for item in result.skipped:
            typer.echo(f"Skipped: {item.reason}", err=True)
        if not quiet:
            _print(result, seconds)


def show_references(source: str, options: dict[str, Any], *, as_json: bool) -> None:
    """What published references hold."""
    from ..references.describe import describe_references

    report = describe_references(source, options)
    if as_json:
        print_json(report.to_dict())
        return
    rows = {
        "kind": report.kind,
        "sizes": ", ".join(f"{name} {size}" for name, size in report.sizes.items()),
    }
    for name, variable in report.variables.items():
        rows[name] = f"({', '.join(variable['dims'])}), {variable['dtype']}"
    rows |= {
        "coordinates": ", ".join(report.coordinates),
        "CRS": report.crs or "none",
        "references": f"{_count(report.references, 'byte range')} in "
        f"{_count(report.files, 'file')}",
    }
    print_table(report.source, rows)
    typer.echo(report.snippet)


def _count(number: int, what: str) -> str:
    return f"{number} {what}" if number == 1 else f"{number} {what}s"


def parse_dims(text: str | None) -> list[str] | None:
    """Names between commas; none at all for an empty text."""
    if text is None:
        return None
    return [name.strip() for name in text.split(",") if name.strip()]


def _print(result: Published, seconds: float) -> None:
    sizes = ", ".join(f"{name} {size}" for name, size in result.sizes.items())
    rows = {
        "kind": result.kind,
        "raster": f"{', '.join(result.variables)} ({sizes}), {result.dtype}",
        **({"groups": ", ".join(result.groups)} if result.groups else {}),
        "sources": str(len(result.sources)),
        **({"skipped": str(len(result.skipped))} if result.skipped else {}),
        "references": f"{_count(result.references, 'byte range')} in {size_text(result.bytes)}",
        "time": f"{seconds:.1f} s",
    }
    print_table(result.target, rows)
    if sys.stdout.isatty():
        Console().print("Open it, where zarr-flac is installed, with")
    # One line, to be copied: rich would break it.
    typer.echo(result.snippet)


def parse_values(given: Sequence[str] | None) -> list[Any] | dict[str, list[Any]] | None:
    """Values of one dimension, or, where they begin with ``NAME=``, of several."""
    if not given:
        return None
    named = [text.partition("=") for text in given]
    if all(mark for _, mark, _ in named):
        return {name.strip(): parse_list(words) for name, _, words in named}
    if len(given) > 1:
        raise typer.BadParameter(
            "several of them need names: --values time=2026-07-14,... --values band=B04,...",
            param_hint="--values",
        )
    return parse_list(given[0])


def parse_list(text: str) -> list[Any]:
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
