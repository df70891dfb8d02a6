"""`virtual-flac query`: which bytes of a FLAC raster hold an area."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.table import Table

from .areas import (
    Bands,
    Bbox,
    BboxCrs,
    Center,
    Last,
    Overview,
    PixelWindow,
    Source,
    TileId,
    TilePlace,
    bands_of,
    selection_of,
)
from .console import clear_errors, print_json, print_table, size_text
from .options import Anonymous, AsJson, StoreOptions, registry_of

if TYPE_CHECKING:
    from ..reports.query import QueryResult

#: Rows of a table on a terminal; --json has them all.
_MOST_ROWS = 50


class _Format(StrEnum):
    ranges = "ranges"
    data = "data"


def query(
    source: Source,
    bbox: Bbox = None,
    bbox_crs: BboxCrs = None,
    window: PixelWindow = None,
    tile: TilePlace = None,
    tile_id: TileId = None,
    center: Center = False,
    last: Last = False,
    overview: Overview = 0,
    bands: Bands = None,
    max_gap: Annotated[
        int,
        typer.Option(
            min=0, metavar="BYTES", help="Read so many bytes between tiles to save a request."
        ),
    ] = 0,
    kind: Annotated[
        _Format,
        typer.Option(
            "--format",
            "-f",
            help="[b]ranges[/b]: where the bytes are. [b]data[/b]: the bytes themselves, one FLAC "
            "stream a tile, to OUT or standard output.",
        ),
    ] = _Format.ranges,
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", metavar="OUT", help="File for the JSON or the bytes."),
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Replace OUT if it exists.")] = False,
    store_option: StoreOptions = None,
    anonymous: Anonymous = False,
    as_json: AsJson = False,
) -> None:
    """Find the tiles and the byte ranges that hold an area; fetch them if wanted.

    Reads the header alone. Tiles that are neighbours in the file become one range.

    [b]virtual-flac query https://example.com/dem.flac --bbox 7.1,46.0,7.3,46.2[/b]

    [b]virtual-flac query dem.flac --tile-id 12 --format data -o tile.flac[/b]
    """
    selection = selection_of(bbox, bbox_crs, window, tile, tile_id, center, last)
    to_stdout = kind is _Format.data and output is None
    if to_stdout and sys.stdout.isatty():
        raise typer.BadParameter("these bytes are not for a terminal; give -o", param_hint="-f")
    if to_stdout and as_json:
        raise typer.BadParameter("bytes and JSON cannot share an output; give -o", param_hint="-f")
    with clear_errors():
        from ..io.local_files import atomic_write, check_target
        from ..reports.query import query as find
        from ..reports.query import read_found

        if output is not None:
            check_target(output, overwrite=force)
        registry = registry_of(source, store_option, anonymous)
        found = find(
            source, level=overview, bands=bands_of(bands), max_gap=max_gap, registry=registry,
            **selection,
        )  # fmt: skip
        if kind is _Format.data:
            pieces: Iterator[bytes] = read_found(found, registry)
        else:
            pieces = iter([json.dumps(found.to_dict(), indent=2).encode() + b"\n"])
        if output is not None:
            with atomic_write(output, overwrite=force) as file:
                file.writelines(pieces)
        elif to_stdout:
            sys.stdout.buffer.writelines(pieces)
            return
    if as_json:
        print_json(found.to_dict())
    else:
        _show(found)


def _show(found: QueryResult) -> None:
    savings = found.savings
    print_table(
        found.source,
        {
            "pixels": f"{found.window.width} x {found.window.height} from column "
            f"{found.window.col_off}, row {found.window.row_off}"
            + f" of overview {found.level}"
            * bool(found.level),
            "bounds": ", ".join(f"{value:.10g}" for value in found.bounds),
            "tiles": f"{len(found.tiles)}, {size_text(found.tile_bytes)}",
            "to read": f"{len(found.ranges)} ranges, {size_text(found.range_bytes)}"
            + (f" of {size_text(found.file_bytes)}" if found.file_bytes else ""),
            "saved": "unknown" if savings is None else f"{savings:.1%}",
        },
    )
    table = Table("first byte", "bytes", "tiles", "HTTP header Range")
    for column in table.columns[:3]:
        column.justify = "right"
    for piece in found.ranges[:_MOST_ROWS]:
        table.add_row(f"{piece.start}", f"{piece.length}", f"{len(piece.members)}", piece.header)
    console = Console()
    console.print(table)
    if len(found.ranges) > _MOST_ROWS:
        console.print(f"and {len(found.ranges) - _MOST_ROWS} more (--json lists all)")
