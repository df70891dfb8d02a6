"""`virtual-flac verify`: whether a raster is undamaged and references are right, tile by tile."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .help_text import command, option
from .options import allow_local_option, common_options, source_argument, workers_option
from .output import (
    FAILED,
    count_text,
    echo,
    list_text,
    print_json,
    print_rows,
    print_table,
    progress_bar,
    size_text,
)

if TYPE_CHECKING:
    from ..reports.tile_check import TileFinding
    from ..reports.verify import Verification
    from ..reports.verify_references import ReferenceFinding, ReferencesVerification

#: Rows of a table; --json has them all.
_MOST_ROWS = 50


@command(
    "verify",
    "verify dem.flac",
    "verify s3://bucket/dem.flac --json",
    "verify cube.json --headers-only",
)
@source_argument()
@option(
    "--headers-only", is_flag=True,
    help="Of references: read the header of each file and leave its tiles alone.",
)  # fmt: skip
@option(
    "--strict", is_flag=True,
    help="Fail, too, when flac-raster lost pixels while it wrote the file.",
)  # fmt: skip
@workers_option
@allow_local_option
@common_options
def verify(
    source: str,
    headers_only: bool,
    strict: bool,
    workers: int | None,
    allow_local: bool,
    stores: dict[str, Any],
    as_json: bool,
    quiet: bool,
) -> None:
    """Check every byte of a FLAC raster, or every reference, and name what is wrong.

    SOURCE is a path or URL of a FLAC raster or of references. References are right when every chunk
    is the tile that belongs there, by the headers of the files, and these tiles are undamaged. The
    exit status is 0 when nothing is wrong, otherwise 1.
    """
    with progress_bar("Checking", quiet=quiet or as_json) as progress:
        from ..reports.verify import Verification
        from ..reports.verify import verify as check

        report = check(
            source, store_options=stores, allow_local=allow_local, headers_only=headers_only,
            workers=workers, progress=progress,
        )  # fmt: skip
    if as_json:
        print_json(report.to_dict())
    elif quiet:
        for fault in report.faults:
            echo(f"Error: {source}: {fault}", err=True)
        if isinstance(report, Verification) and report.stream_md5 is False:
            echo(f"Error: {source}: its samples do not have the MD5 it states", err=True)
    elif isinstance(report, Verification):
        _show(report)
    else:
        _show_references(report)
    if not report.ok or (strict and report.losses):
        raise SystemExit(FAILED)


def _covered(report: Verification | ReferencesVerification) -> str:
    return (
        f"all by the CRC of every frame, {report.with_checksum} by a checksum of all bytes, "
        f"{report.with_md5} by an MD5"
    )


def _show(report: Verification) -> None:
    gaps = ", ".join(f"{start} to {end}" for start, end in report.unclaimed)
    rows = {
        "layout": report.layout,
        "read": f"{size_text(report.bytes_read)} of {size_text(report.file_size)}",
        "tiles": f"{report.tiles}: {_covered(report)}",
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


def _show_references(report: ReferencesVerification) -> None:
    tiles = f"{report.tiles}, {size_text(report.bytes_read)}: {_covered(report)}"
    ranges = count_text(report.references, "byte range")
    rows = {
        "kind": report.kind,
        "references": f"{ranges} in {count_text(report.files, 'file')}",
        "absent chunks": str(report.absent),
        "tiles": tiles if report.tiles else "not read",
        "faults": str(len(report.faults)),
    }
    if report.losses:
        rows["lost by flac-raster"] = f"pixels in {len(report.losses)} tiles"
    rows["verdict"] = "right" if report.ok else "wrong"
    print_rows(report.source, rows)
    _show_findings("What is wrong", report.faults)
    _show_findings("Tiles in which flac-raster lost pixels", report.losses)


def _show_findings(title: str, findings: tuple[ReferenceFinding, ...]) -> None:
    if not findings:
        return
    rows = [
        (
            found.array, "all" if found.chunk is None else list_text(found.chunk),
            found.url or "", found.what,
        )
        for found in findings[:_MOST_ROWS]
    ]  # fmt: skip
    print_table(title, ("array", "chunk", "file", "what"), rows)
    if len(findings) > _MOST_ROWS:
        echo(f"and {len(findings) - _MOST_ROWS} more (--json lists all)")


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
