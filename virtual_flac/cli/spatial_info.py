"""`virtual-flac spatial-info`: the table of a FLAC raster's tiles."""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.table import Table

from .areas import Source
from .console import clear_errors, print_json, print_table, size_text
from .options import Anonymous, AsJson, StoreOptions, registry_of

if TYPE_CHECKING:
    from ..reports.query import TileTable

#: Rows of a table on a terminal, unless --limit says otherwise.
_ROWS = 20


def spatial_info(
    source: Source,
    level: Annotated[
        int | None,
        typer.Option(
            "--overview",
            "--level",
            min=0,
            help="Only this overview: 1 is the largest, 0 the full resolution.",
        ),
    ] = None,
    band: Annotated[int | None, typer.Option("--band", min=1, help="Only this band.")] = None,
    limit: Annotated[
        int | None,
        typer.Option(min=0, help=f"Show so many tiles; {_ROWS} by default, with --json all."),
    ] = None,
    store_option: StoreOptions = None,
    anonymous: Anonymous = False,
    as_json: AsJson = False,
) -> None:
    """Show where each tile lies, on the ground and in the file. Reads the header alone.

    [b]virtual-flac spatial-info dem.flac[/b]

    [b]virtual-flac spatial-info https://example.com/dem.flac --overview 0 --band 1 --json[/b]
    """
    with clear_errors():
        from ..reports.query import spatial_info as tiles_of

        registry = registry_of(source, store_option, anonymous)
        table = tiles_of(source, level=level, band=band, registry=registry)
        if as_json:
            print_json(table.to_dict(limit))
        else:
            _show(table, _ROWS if limit is None else limit)


def _show(table: TileTable, limit: int) -> None:
    index = table.index
    tile_height, tile_width = index.tile_shape
    size = index.version.size
    print_table(
        table.source,
        {
            "layout": index.layout,
            "raster": f"{index.raster.width} x {index.raster.height} x {index.raster.count}",
            "tiles": f"{len(table)} of {tile_width} x {tile_height}, by {index.interleave}",
            "file": "unknown" if size is None else size_text(size),
        },
    )
    names = ("id", "level", "band", "row", "col", "window", "bounds", "first byte", "bytes")
    shown = Table(*names)
    for tile in islice(table, limit):
        window = tile.window
        shown.add_row(
            str(tile.tile_id), str(tile.level), "all" if tile.band is None else str(tile.band),
            str(tile.row), str(tile.col),
            f"{window.col_off},{window.row_off},{window.width},{window.height}",
            ",".join(f"{value:.10g}" for value in tile.bounds),
            str(tile.offset), str(tile.length),
        )  # fmt: skip
    console = Console()
    console.print(shown)
    if len(table) > limit:
        console.print(f"and {len(table) - limit} more (--limit, or --json for all)")
