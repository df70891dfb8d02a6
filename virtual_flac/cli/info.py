"""`virtual-flac info`: what a file says of itself."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.table import Table

from .console import clear_errors, print_json, print_table, size_text
from .options import Anonymous, AsJson, StoreOptions, options_of, registry_of
from .publishing import show_references

if TYPE_CHECKING:
    from ..model.index import RasterInfo
    from ..reports.file_report import FileReport


def info(
    source: Annotated[
        str,
        typer.Argument(
            metavar="SOURCE", help="FLAC raster, other FLAC, GeoTIFF or references; or a URL."
        ),
    ],
    tags: Annotated[bool, typer.Option("--tags", help="Show metadata tags, too.")] = False,
    store_option: StoreOptions = None,
    anonymous: Anonymous = False,
    as_json: AsJson = False,
) -> None:
    """Show what a file says of itself: size, bands, CRS, tiles, compression. Reads its head alone.

    [b]virtual-flac info https://example.com/dem.flac[/b]

    [b]virtual-flac info scene.tif --json[/b]
    """
    with clear_errors():
        from ..io.reference_kinds import references_kind
        from ..reports.info import info as look

        if references_kind(source):
            show_references(source, options_of(store_option, anonymous), as_json=as_json)
            return
        report = look(source, registry_of(source, store_option, anonymous))
        if as_json:
            print_json(report.to_dict())
        else:
            _show(report, tags)


def _show(report: FileReport, tags: bool) -> None:
    rows = {"layout": report.layout}
    if report.raster is not None:
        rows |= _raster_rows(report.raster)
    if report.masked_bands:
        rows["mask"] = f"of bands {', '.join(map(str, report.masked_bands))}"
    if report.tile_shape is not None:
        count = "" if report.tile_count is None else f"{report.tile_count} of "
        height, width = report.tile_shape
        rows["tiles"] = f"{count}{width} x {height}, by {report.interleave}"
    if report.raster is not None:
        reduced = ", ".join(f"{width} x {height}" for width, height in report.sizes[1:])
        rows["overviews"] = reduced or "none"
    if report.note is not None:
        rows["note"] = report.note
    if report.stream is not None:
        facts = report.stream.streaminfo
        rows["stream"] = (
            f"{facts.channels} channels of {facts.bits_per_sample} bits at {facts.sample_rate} Hz, "
            f"{facts.total_samples or 'an unknown number of'} samples, by {report.stream.vendor}"
        )
    if report.file_bytes is not None:
        rows["file"] = size_text(report.file_bytes)
    if report.ratio is not None and report.pixel_bytes is not None:
        rows["pixels"] = f"{size_text(report.pixel_bytes)}, {report.ratio:.2f} times the file"
    if report.requests is not None:
        plural = "" if report.requests == 1 else "s"
        rows["read"] = f"{report.requests} request{plural}, {size_text(report.bytes_read or 0)}"
    print_table(report.source, rows)
    if report.raster is not None:
        _show_bands(report.raster)
    if tags:
        _show_tags(report)


def _raster_rows(raster: RasterInfo) -> dict[str, str]:
    from ..model.grid import Window
    from ..model.selection import bounds_of
    from ..reports.file_report import crs_name

    georef = raster.georef
    transform = georef.transform
    bounds = bounds_of(georef, Window(0, 0, raster.width, raster.height))
    names = [name for name in (georef.authority_code(), crs_name(raster)) if name]
    rows = {
        "size": f"{raster.width} x {raster.height}",
        "bands": f"{raster.count} of {raster.dtype.name}",
        "nodata": "none" if raster.nodata is None else str(raster.nodata),
        "CRS": ", ".join(names) or "none",
        "origin": f"{transform.c:.12g}, {transform.f:.12g}",
        "pixel size": f"{transform.a:.12g}, {transform.e:.12g}",
        "bounds": ", ".join(f"{value:.12g}" for value in bounds),
    }
    if not georef.is_axis_aligned:
        rows["rotation"] = f"{transform.b:.12g}, {transform.d:.12g}"
    if georef.gcps:
        rows["control points"] = str(len(georef.gcps))
    return rows


def _show_bands(raster: RasterInfo) -> None:
    table = Table("band", "description", "unit", "scale", "offset", "colour")
    for number, band in enumerate(raster.bands, 1):
        table.add_row(
            str(number), band.description or "", band.unit or "", f"{band.scale:.12g}",
            f"{band.offset:.12g}", band.color_interpretation,
        )  # fmt: skip
    Console().print(table)


def _show_tags(report: FileReport) -> None:
    table = Table("of", "domain", "key", "value")
    if report.raster is not None:
        owners = [("file", report.raster.tags)]
        owners += [(f"band {n}", band.tags) for n, band in enumerate(report.raster.bands, 1)]
        for owner, domains in owners:
            for domain, items in domains.items():
                for key, value in items.items():
                    table.add_row(owner, domain, key, value)
    for key, value in (report.stream.comments if report.stream else {}).items():
        table.add_row("stream", "", key, value if len(value) < 200 else f"{value[:197]}...")
    Console().print(table)
