"""`virtual-flac verify`: whether a FLAC raster is whole, tile by tile."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.table import Table

from .console import BAD_DATA, clear_errors, print_json, print_table, progress_bar, size_text
from .options import Anonymous, AsJson, Quiet, StoreOptions, registry_of

if TYPE_CHECKING:
    from ..reports.tile_check import TileFinding
    from ..reports.verify import Verification

#: Rows of a table on a terminal; --json has them all.
_MOST_ROWS = 50


def verify(
    source: Annotated[str, typer.Argument(metavar="SOURCE", help="FLAC raster: path or URL.")],
    strict: Annotated[
        bool,
        typer.Option("--strict", help="Fail, too, where flac-raster's map had lost pixels."),
    ] = False,
    workers: Annotated[
        int | None, typer.Option(min=1, help="Threads; one per core by default.")
    ] = None,
    store_option: StoreOptions = None,
    anonymous: Anonymous = False,
    as_json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """Check every byte of a FLAC raster and name each damaged tile.

    The exit status is 0 for a file that is as it was written, and 1 for any other.

    [b]virtual-flac verify dem.flac[/b]

    [b]virtual-flac verify s3://bucket/dem.flac --json[/b]
    """
    with clear_errors(), progress_bar("Checking", quiet=quiet or as_json) as progress:
        from ..reports.verify import verify as check

        registry = registry_of(source, store_option, anonymous)
        report = check(source, registry=registry, workers=workers, progress=progress)
    if as_json:
        print_json(report.to_dict())
    elif not quiet:
        _show(report)
    for fault in report.faults if quiet else ():
        typer.echo(f"Error: {source}: {fault}", err=True)
    if quiet and report.stream_md5 is False:
        typer.echo(f"Error: {source}: the MD5 of its samples is not the one it says", err=True)
    if not report.ok or (strict and report.losses):
        raise typer.Exit(BAD_DATA)


def _show(report: Verification) -> None:
    covered = (
        f"all by the CRC of every frame, {report.with_checksum} by a checksum of all bytes, "
        f"{report.with_md5} by an MD5"
    )
    md5 = report.stream_md5
    gaps = ", ".join(f"{start} to {end}" for start, end in report.unclaimed)
    print_table(
        report.source,
        {
            "layout": report.layout,
            "read": f"{size_text(report.bytes_read)} of {size_text(report.file_size)}",
            "tiles": f"{report.tiles}: {covered}",
            **({} if md5 is None else {"MD5 of all samples": "agrees" if md5 else "differs"}),
            "damaged tiles": str(len(report.faults)),
            "bytes of no tile": gaps or "none",
            "lost by flac-raster": f"pixels in {len(report.losses)} tiles",
            "verdict": "whole" if report.ok else "damaged",
        },
    )
    _show_tiles("Damaged tiles", report.faults)
    _show_tiles("Tiles that flac-raster's map cannot give back", report.losses)


def _show_tiles(title: str, findings: tuple[TileFinding, ...]) -> None:
    if not findings:
        return
    table = Table("level", "band", "row", "col", "bytes", "what", title=title)
    for found in findings[:_MOST_ROWS]:
        table.add_row(
            str(found.level),
            "all" if found.band is None else str(found.band),
            str(found.row),
            str(found.col),
            f"{found.offset} to {found.offset + found.length}",
            found.what,
        )
    console = Console()
    console.print(table)
    if len(findings) > _MOST_ROWS:
        console.print(f"and {len(findings) - _MOST_ROWS} more (--json lists all)")
