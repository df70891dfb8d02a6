"""`virtual-flac verify`: whether a FLAC raster is undamaged, tile by tile."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .help_text import command, option
from .options import common_options, registry_of, source_argument, workers_option
from .output import FAILED, echo, print_json, print_rows, print_table, progress_bar, size_text

if TYPE_CHECKING:
    from ..reports.tile_check import TileFinding
    from ..reports.verify import Verification

#: Rows of a table; --json has them all.
_MOST_ROWS = 50


@command("verify", "verify dem.flac", "verify s3://bucket/dem.flac --json")
@source_argument()
@option(
    "--strict", is_flag=True,
    help="Fail, too, when flac-raster lost pixels while it wrote the file.",
)  # fmt: skip
@workers_option
@common_options
def verify(
    source: str,
    strict: bool,
    workers: int | None,
    stores: dict[str, Any],
    as_json: bool,
    quiet: bool,
) -> None:
    """Check every byte of a FLAC raster and name each damaged tile.

    SOURCE is a path or URL. The exit status is 0 when the file is as it was written, otherwise 1.
    """
    with progress_bar("Checking", quiet=quiet or as_json) as progress:
        from ..reports.verify import verify as check

        registry = registry_of(source, stores)
        report = check(source, registry=registry, workers=workers, progress=progress)
    if as_json:
        print_json(report.to_dict())
    elif quiet:
        for fault in report.faults:
            echo(f"Error: {source}: {fault}", err=True)
        if report.stream_md5 is False:
            echo(f"Error: {source}: its samples do not have the MD5 it states", err=True)
    else:
        _show(report)
    if not report.ok or (strict and report.losses):
        raise SystemExit(FAILED)


def _show(report: Verification) -> None:
    covered = (
        f"all by the CRC of every frame, {report.with_checksum} by a checksum of all bytes, "
        f"{report.with_md5} by an MD5"
    )
    gaps = ", ".join(f"{start} to {end}" for start, end in report.unclaimed)
    rows = {
        "layout": report.layout,
        "read": f"{size_text(report.bytes_read)} of {size_text(report.file_size)}",
        "tiles": f"{report.tiles}: {covered}",
    }
    if report.stream_md5 is not None:
        rows["MD5 of all samples"] = "agrees" if report.stream_md5 else "differs"
    rows["damaged tiles"] = str(len(report.faults))
    rows["bytes of no tile"] = gaps or "none"
    if report.layout.startswith("flac-raster"):
        rows["lost by flac-raster"] = f"pixels in {len(report.losses)} tiles"
    rows["verdict"] = "undamaged" if report.ok else "damaged"
    print_rows(report.source, rows)
    _show_tiles("Damaged tiles", report.faults)
    _show_tiles("Tiles in which flac-raster lost pixels", report.losses)


def _show_tiles(title: str, findings: tuple[TileFinding, ...]) -> None:
    if not findings:
        return
    rows = [
        (
            str(found.level), "all" if found.band is None else str(found.band), str(found.row),
            str(found.col), f"{found.offset} to {found.offset + found.length}", found.what,
        )
        for found in findings[:_MOST_ROWS]
    ]  # fmt: skip
    numbers = ("level", "band", "row", "col")
    print_table(title, (*numbers, "bytes", "what"), rows, right=numbers)
    if len(findings) > _MOST_ROWS:
        echo(f"and {len(findings) - _MOST_ROWS} more (--json lists all)")
