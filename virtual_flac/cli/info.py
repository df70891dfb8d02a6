"""`virtual-flac info`: what a file says about itself."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .help_text import command, option
from .options import allow_local_option, json_option, source_argument, store_options
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
    from ..model.index import RasterInfo
    from ..references.describe import ReferencesReport
    from ..reports.file_report import FileReport

#: Longer values of tags are cut off; --json has them whole.
_MOST_CHARACTERS = 200


@command("info", "info https://example.com/dem.flac", "info scene.tif --json")
@source_argument()
@option("--tags", is_flag=True, help="Show metadata tags, too.")
@allow_local_option
@store_options
@json_option
def info(source: str, tags: bool, allow_local: bool, stores: dict[str, Any], as_json: bool) -> None:
    """Show what a file says about itself: size, bands, CRS, tiles, compression.

    SOURCE is a path or URL of a FLAC raster, any other FLAC file, a GeoTIFF or references. Only
    its header is read.
    """
    from ..reports.file_report import FileReport
    from ..reports.info import info as look

    report = look(source, store_options=stores, allow_local=allow_local)
    if as_json:
        print_json(report.to_dict())
    elif isinstance(report, FileReport):
        _show(report, tags)
    else:
        _show_references(report)


def _show(report: FileReport, tags: bool) -> None:
    rows = {"layout": report.layout}
    if report.raster is not None:
        rows |= _raster_rows(report, report.raster)
    if report.masked_bands:
        rows["mask"] = f"of bands {', '.join(map(str, report.masked_bands))}"
    if report.raster is not None:
        if report.tile_shape is not None:
            tiles = tile_sizes_text(report.tile_shape, report.sizes)
            count = "" if report.tile_count is None else f"{report.tile_count} of "
            rows["tiles"] = f"{count}{tiles}, by {report.interleave}"
        reduced = ", ".join(f"{width} x {height}" for width, height in report.sizes[1:])
        rows["overviews"] = reduced or "none"
    if report.note is not None:
        rows["note"] = report.note
    if report.stream is not None:
        facts = report.stream.streaminfo
        samples = facts.total_samples or "an unknown number of"
        rows["stream"] = (
            f"{count_text(facts.channels, 'channel')} of {facts.bits_per_sample} bits at "
            f"{facts.sample_rate} Hz, {samples} samples, written by {report.stream.vendor}"
        )
    if report.file_bytes is not None:
        rows["file"] = size_text(report.file_bytes)
    if report.ratio is not None and report.pixel_bytes is not None:
        rows["pixels"] = f"{size_text(report.pixel_bytes)}, {report.ratio:.2f} times the file"
    if report.requests is not None:
        requests = count_text(report.requests, "request")
        rows["read"] = f"{requests}, {size_text(report.bytes_read or 0)}"
    print_rows(report.source, rows)
    if report.raster is not None:
        _show_bands(report.raster)
    if tags:
        _show_tags(report)


def _show_references(report: ReferencesReport) -> None:
    rows = {
        "kind": report.kind,
        "sizes": ", ".join(f"{name} {size}" for name, size in report.sizes.items()),
    }
    for name, variable in report.variables.items():
        rows[name] = f"({', '.join(variable['dims'])}), {variable['dtype']}"
    ranges = count_text(report.references, "byte range")
    rows |= {
        "coordinates": ", ".join(report.coordinates),
        "CRS": report.crs or "none",
        "references": f"{ranges} in {count_text(report.files, 'file')}",
    }
    print_rows(report.source, rows)
    echo(report.snippet)


def _raster_rows(report: FileReport, raster: RasterInfo) -> dict[str, str]:
    georef = raster.georef
    transform = georef.transform
    rows = {
        "size": f"{raster.width} x {raster.height}",
        "bands": f"{raster.count} of {raster.dtype.name}",
        "nodata": "none" if raster.nodata is None else str(raster.nodata),
        "CRS": ", ".join(filter(None, report.crs)) or "none",
        "origin": list_text((transform.c, transform.f), 12),
        "pixel size": list_text((transform.a, transform.e), 12),
        "bounds": list_text(report.bounds or (), 12),
    }
    if not georef.is_axis_aligned:
        rows["rotation"] = list_text((transform.b, transform.d), 12)
    if georef.gcps:
        rows["control points"] = str(len(georef.gcps))
    return rows


def _show_bands(raster: RasterInfo) -> None:
    rows = [
        (
            str(number), band.description or "", band.unit or "", f"{band.scale:.12g}",
            f"{band.offset:.12g}", band.color_interpretation,
        )
        for number, band in enumerate(raster.bands, 1)
    ]  # fmt: skip
    headers = ("band", "description", "unit", "scale", "offset", "colour")
    print_table("Bands", headers, rows, right=("band", "scale", "offset"))


def _show_tags(report: FileReport) -> None:
    rows: list[tuple[str, str, str, str]] = []
    if report.raster is not None:
        owners = [("file", report.raster.tags)]
        owners += [(f"band {n}", band.tags) for n, band in enumerate(report.raster.bands, 1)]
        for owner, domains in owners:
            for domain, items in domains.items():
                rows += [(owner, domain, key, value) for key, value in items.items()]
    for key, value in (report.stream.comments if report.stream else {}).items():
        short = value if len(value) <= _MOST_CHARACTERS else f"{value[:_MOST_CHARACTERS]}..."
        rows.append(("stream", "", key, short))
    print_table("Tags", ("of", "domain", "key", "value"), rows)
