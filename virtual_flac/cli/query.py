"""`virtual-flac query` and `spatial-info`: which bytes hold an area, and where the tiles are."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from .help_text import command, option
from .options import (
    area_options,
    json_option,
    output_option,
    registry_of,
    source_argument,
    store_options,
)
from .output import (
    count_text,
    echo,
    list_text,
    print_json,
    print_rows,
    print_table,
    size_text,
    tile_sizes_text,
)

if TYPE_CHECKING:
    from ..reports.query import QueryResult
    from ..reports.spatial_info import TileTable

#: Rows of tables, unless an option says otherwise; --json has them all.
_MOST_RANGES = 50
_MOST_TILES = 20


@command(
    "query",
    "query https://example.com/dem.flac --bbox 7.1,46.0,7.3,46.2",
    "query dem.flac --tile-id 12 --format data -o tile.flac",
)
@source_argument()
@area_options
@option(
    "--max-gap", type=click.IntRange(min=0), default=0, metavar="BYTES",
    help="Largest gap between tiles that is still fetched with one request.",
)  # fmt: skip
@option(
    "--format", "-f", "kind", type=click.Choice(["ranges", "data"]), default="ranges",
    help="What to write: the ranges as JSON, or the bytes themselves.",
)  # fmt: skip
@output_option("File to write; standard output by default.")
@option("--force", is_flag=True, help="Replace OUT if it exists.")
@store_options
@json_option
def query(
    source: str,
    area: dict[str, Any],
    kind: str,
    output: Path | None,
    force: bool,
    stores: dict[str, Any],
    as_json: bool,
    **arguments: Any,
) -> None:
    """Find the tiles and byte ranges that hold an area, and fetch them on request.

    SOURCE is a path or URL of a FLAC raster. Only its header is read. Tiles that are neighbours
    in the file become one range.
    """
    to_stdout = kind == "data" and output is None
    if to_stdout and sys.stdout.isatty():
        raise click.BadParameter("these bytes are not for a terminal; give -o", param_hint="-f")
    if to_stdout and as_json:
        raise click.BadParameter("bytes and JSON cannot share an output; give -o", param_hint="-f")
    from ..io.local_files import atomic_write, check_target
    from ..reports.query import query as find
    from ..reports.query import read_found

    if output is not None:
        check_target(output, overwrite=force)
    registry = registry_of(source, stores)
    found = find(source, registry=registry, **arguments, **area)
    if kind == "data":
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
        _show_ranges(found)


def _show_ranges(found: QueryResult) -> None:
    window, savings = found.window, found.savings
    level = f" of overview {found.level}" if found.level else ""
    whole = f" of {size_text(found.file_bytes)}" if found.file_bytes else ""
    ranges = count_text(len(found.ranges), "range")
    print_rows(
        found.source,
        {
            "pixels": f"{window.width} x {window.height} from column {window.col_off}, "
            f"row {window.row_off}{level}",
            "bounds": list_text(found.bounds),
            "tiles": f"{len(found.tiles)}, {size_text(found.tile_bytes)}",
            "to read": f"{ranges}, {size_text(found.range_bytes)}{whole}",
            "saved": "unknown" if savings is None else f"{savings:.1%}",
        },
    )
    headers = ("first byte", "bytes", "tiles", "HTTP header Range")
    rows = [
        (str(piece.start), str(piece.length), str(len(piece.members)), piece.header)
        for piece in found.ranges[:_MOST_RANGES]
    ]
    print_table("Ranges", headers, rows, right=headers[:3])
    if len(found.ranges) > _MOST_RANGES:
        echo(f"and {len(found.ranges) - _MOST_RANGES} more (--json lists all)")


@command(
    "spatial-info",
    "spatial-info dem.flac",
    "spatial-info https://example.com/dem.flac --overview 0 --band 1 --json",
)
@source_argument()
@option(
    "--overview", "--level", "level", type=click.IntRange(min=0), metavar="N",
    help="Only this overview: 1 is the largest, 0 the full resolution.",
)  # fmt: skip
@option("--band", type=click.IntRange(min=1), metavar="N", help="Only this band.")
@option(
    "--limit", type=click.IntRange(0, 2**31), metavar="N",
    help=f"Show at most this many tiles; {_MOST_TILES} by default, all with --json.",
)  # fmt: skip
@store_options
@json_option
def spatial_info(
    source: str,
    level: int | None,
    band: int | None,
    limit: int | None,
    stores: dict[str, Any],
    as_json: bool,
) -> None:
    """Show where each tile is, on the ground and in the file.

    SOURCE is a path or URL of a FLAC raster. Only its header is read.
    """
    from ..reports.spatial_info import spatial_info as tiles_of

    table = tiles_of(source, level=level, band=band, registry=registry_of(source, stores))
    if as_json:
        print_json(table.to_dict(limit))
    else:
        _show_tiles(table, _MOST_TILES if limit is None else limit)


def _show_tiles(table: TileTable, limit: int) -> None:
    index = table.index
    raster, size = index.raster, index.version.size
    tiles = tile_sizes_text(index.tile_shape, [(n.width, n.height) for n in index.levels])
    print_rows(
        table.source,
        {
            "layout": index.layout,
            "raster": f"{raster.width} x {raster.height} x {raster.count}",
            "tiles": f"{len(table)} of {tiles}, by {index.interleave}",
            "file": "unknown" if size is None else size_text(size),
        },
    )
    numbers = ("id", "level", "band", "row", "col")
    headers = (*numbers, "window", "bounds", "first byte", "bytes")
    rows = [
        (
            str(tile.tile_id), str(tile.level), "all" if tile.band is None else str(tile.band),
            str(tile.row), str(tile.col), ",".join(map(str, tile.window)),
            ",".join(f"{value:.10g}" for value in tile.bounds), str(tile.offset), str(tile.length),
        )
        for tile in islice(table, limit)
    ]  # fmt: skip
    print_table("Tiles", headers, rows, right=(*numbers, "first byte", "bytes"))
    if len(table) > limit:
        echo(f"and {len(table) - limit} more (--limit, or --json for all)")
