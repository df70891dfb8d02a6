"""`virtual-flac convert`: GeoTIFF to FLAC raster and back, and FLAC raster to FLAC raster."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Any

import click

from ..errors import SourceError, UnknownLayoutError
from ..redaction import redact_name
from .help_text import command, option
from .options import (
    Decorator,
    Numbers,
    common_options,
    force_option,
    known_to,
    output_option,
    registry_of,
    source_argument,
    workers_option,
)
from .output import (
    echo,
    print_json,
    print_rows,
    progress_bar,
    ratio_text,
    size_text,
    tile_sizes_text,
)

_GEOTIFF_SUFFIXES = (".tif", ".tiff", ".gtiff")
_FLAC_SUFFIXES = (".flac",)
_TILE_SIZE = click.IntRange(16, 16_384)
_TO_FLAC = "Writing FLAC"
_TO_GEOTIFF = "Writing GeoTIFF"
#: What --overviews takes; to FLAC also factors.
_OVERVIEWS = {True: ("source", "auto", "none"), False: ("source", "all", "none")}

_verbose_option = option(
    "--verbose", "-v", is_flag=True, help="Print what is done on standard error."
)


def _compression_option(default: int | None) -> Decorator:
    return option(
        "--compression", "-c", type=click.IntRange(0, 8), metavar="0-8", default=default,
        section=_TO_FLAC, help="Effort, 0 fast to 8 small; 5 by default.",
    )  # fmt: skip


@command(
    "convert",
    "convert dem.tif -o dem.flac --overviews auto",
    "convert https://example.com/dem.flac -o dem.tif",
    "convert dem.flac -o theirs.flac --to flac-raster --bands 1",
)
@source_argument("IN")
@output_option(
    "File to write, .flac or .tif; by default IN's name with the other ending.",
    (*_FLAC_SUFFIXES, *_GEOTIFF_SUFFIXES),
)
@option(
    "--to", "kind", type=click.Choice(["flac", "flac-raster", "geotiff"]),
    help="What to write; by default what OUT ends in. flac-raster: the streaming layout that "
    "program reads.",
)  # fmt: skip
@force_option
@option(
    "--tile-size",
    type=_TILE_SIZE,
    metavar="N",
    help="Edge of the tiles in pixels: 1024 for FLAC, 512 for GeoTIFF.",
)
@option(
    "--overviews", default="source", metavar="WORD|N,...",
    help="source: those of IN, unchanged (default). none. To FLAC also auto: made if IN has none; "
    "or factors like 2,4,8. To GeoTIFF also all: with those that were made on the way to FLAC.",
)  # fmt: skip
@workers_option
@_compression_option(None)
@option(
    "--interleave", type=click.Choice(["auto", "band", "tile", "pixel"]), section=_TO_FLAC,
    help="A stream per band and tile, ordered by band or by tile; or all bands of a tile in one, "
    "which auto (default) takes for three or four bands.",
)  # fmt: skip
@option(
    "--order", type=click.Choice(["predicted", "row"]), section=_TO_FLAC,
    help="predicted: the smallest tiles (default). row: every FLAC program shows the values.",
)  # fmt: skip
@option(
    "--bands", type=Numbers("N,..."), section=_TO_FLAC,
    help="Only these bands, in this order: 4,3,2.",
)  # fmt: skip
@option(
    "--resampling", section=_TO_FLAC, callback=known_to("geotiff.overviews", "parse_resampling"),
    help="How overviews are made: GDAL's nearest, average, bilinear, cubic, mode ...",
)  # fmt: skip
@option(
    "--drop-mask", "mask", is_flag=True, flag_value="drop", default=None, section=_TO_FLAC,
    help="Leave out a mask, which FLAC rasters do not hold.",
)  # fmt: skip
@option(
    "--md5", is_flag=True, default=None, section=_TO_FLAC,
    help="Give each tile the MD5 of its samples, for other FLAC programs; always with flac-raster.",
)  # fmt: skip
@option(
    "--spatial", "-s", is_flag=True, section=_TO_FLAC,
    help="flac-raster's option: tiles of 512. Every FLAC file written here is tiled.",
)  # fmt: skip
@option(
    "--compress", section=_TO_GEOTIFF, help="deflate (default), zstd, lzw, lzma, none ...",
    callback=known_to("geotiff.compression", "check_compression"),
)  # fmt: skip
@_verbose_option
@common_options
def convert(
    source: str,
    output: Path | None,
    kind: str | None,
    stores: dict[str, Any],
    tile_size: int | None,
    overviews: str,
    spatial: bool,
    compress: str | None,
    workers: int | None,
    **arguments: Any,
) -> None:
    """Convert GeoTIFF to FLAC and back, or FLAC to FLAC, without loss.

    IN is a path or URL of a GeoTIFF, another raster that GDAL reads, or a FLAC raster.
    """
    from ..rasters import flac_header

    shown = {name: arguments.pop(name) for name in ("force", "as_json", "verbose", "quiet")}
    registry = registry_of(source, stores)
    header = flac_header(source, registry)
    from_flac = header is not None
    output = output or _default_output(source, kind, from_flac=from_flac)
    forward = _is_to_flac(source, output, kind, from_flac=from_flac)
    to_flac = {**arguments, "layout": "flac-raster" if kind == "flac-raster" else None}
    to_geotiff = {"compress": compress}
    _refuse({**to_flac, "spatial": spatial or None} if not forward else to_geotiff, forward)
    if spatial:
        tile_size = tile_size or 512
    chosen = {"tile_size": tile_size, "workers": workers, **(to_flac if forward else to_geotiff)}
    options = {name: value for name, value in chosen.items() if value is not None}
    options["overviews"] = _parse_overviews(overviews, forward)
    opened = header or source
    _convert(opened, output, forward=forward, registry=registry, options=options, **shown)


@command("create-streaming", "create-streaming dem.tif --tile-size=1024 --output=dem.flac")
@source_argument("IN")
@output_option("File to write; by default IN's name with _streaming.flac.", _FLAC_SUFFIXES)
@option(
    "--tile-size", type=_TILE_SIZE, metavar="N", default=1024, help="Edge of the tiles in pixels."
)
@force_option
@_compression_option(5)
@workers_option
@_verbose_option
@common_options
def create_streaming(
    source: str,
    output: Path | None,
    stores: dict[str, Any],
    tile_size: int,
    compression: int,
    workers: int | None,
    **shown: Any,
) -> None:
    """flac-raster's name for convert to FLAC. IN is a GeoTIFF or another raster."""
    if output is None:
        output = _default_output(source, "flac", from_flac=False)
        output = output.with_stem(f"{output.stem}_streaming")
    options: dict[str, Any] = {"tile_size": tile_size, "compression": compression}
    if workers is not None:
        options["workers"] = workers
    registry = registry_of(source, stores)
    _convert(source, output, forward=True, registry=registry, options=options, **shown)


def _convert(
    source: str | os.PathLike[str],
    output: Path,
    *,
    forward: bool,
    registry: Any,
    options: dict[str, Any],
    force: bool,
    as_json: bool,
    verbose: bool,
    quiet: bool,
) -> None:
    if verbose:
        told = ", ".join(f"{name} {value}" for name, value in options.items())
        echo(f"Reading {os.fspath(source)}", err=True)
        echo(f"Writing {output} with {told}", err=True)
    start = time.perf_counter()
    with progress_bar(output.name, quiet=quiet or as_json) as progress:
        from ..geotiff.to_flac import write_flac
        from ..geotiff.to_geotiff import write_geotiff

        write = write_flac if forward else write_geotiff
        write(source, output, overwrite=force, progress=progress, registry=registry, **options)
    seconds = time.perf_counter() - start
    result = _result(redact_name(os.fspath(source)), output, seconds)
    if as_json:
        print_json(result)
    elif not quiet:
        print_rows(str(output), _summary(result))


def _default_output(source: str, kind: str | None, *, from_flac: bool) -> Path:
    """IN's name with the other ending; beside a file, in the current folder for a URL."""
    to_flac = kind in ("flac", "flac-raster") or (kind is None and not from_flac)
    path = Path(source)
    if "://" in source:
        path = Path(source.partition("?")[0].rpartition("/")[2])
    if path.name in ("", ".."):
        raise SourceError(f"{source} is a folder, expected a file")
    return path.with_suffix(".flac" if to_flac else ".tif")


def _is_to_flac(source: str, output: Path, kind: str | None, *, from_flac: bool) -> bool:
    """Which way, by the suffix of OUT."""
    forward = output.suffix.lower() in _FLAC_SUFFIXES
    if kind is not None and forward != (kind != "geotiff"):
        raise click.BadParameter(
            f"{output} does not end as {kind} does; leave out one of the two", param_hint="--to"
        )
    if not forward and not from_flac:
        raise UnknownLayoutError(
            f"{source} is not a FLAC raster, and only these become GeoTIFF. To convert it to FLAC, "
            "let OUT end in .flac."
        )
    # Names that are too long for a file do not exist either.
    if os.path.exists(output) and os.path.exists(source) and os.path.samefile(output, source):
        raise click.BadParameter(f"{output} is IN itself; choose another name", param_hint="-o")
    return forward


def _refuse(options: dict[str, Any], forward: bool) -> None:
    """Refuse options that belong to the other direction."""
    for name, value in options.items():
        if value is not None:
            raise click.BadParameter(
                f"has no meaning when a {'FLAC' if forward else 'GeoTIFF'} is written",
                param_hint=f"--{ {'mask': 'drop-mask', 'layout': 'to'}.get(name, name) }",
            )


def _parse_overviews(text: str, forward: bool) -> str | list[int]:
    words = _OVERVIEWS[forward]
    if text in words:
        return text
    factors = text.split(",")
    if forward and all(factor.strip().isdecimal() and len(factor) < 20 for factor in factors):
        return [int(factor) for factor in factors]
    expected = ", ".join(words) + (" or factors like 2,4,8" if forward else "")
    raise click.BadParameter(f"{text!r}, expected {expected}", param_hint="--overviews")


def _result(source: str, output: Path, seconds: float) -> dict[str, Any]:
    """What was written, as the file itself says."""
    from ..reports.file_report import FileReport
    from ..reports.info import info

    report = info(output)
    assert isinstance(report, FileReport)
    assert report.raster is not None
    assert report.tile_shape is not None
    assert report.ratio is not None
    return {
        "source": source,
        "target": str(output),
        "width": report.raster.width,
        "height": report.raster.height,
        "bands": report.raster.count,
        "dtype": report.raster.dtype.name,
        "levels": [list(size) for size in report.sizes],
        "tiles": report.tile_count,
        "tile_shape": list(report.tile_shape),
        "interleave": report.interleave,
        "layout": report.layout,
        "pixel_bytes": report.pixel_bytes,
        "target_bytes": report.file_bytes,
        "ratio": round(report.ratio, 3),
        "seconds": round(seconds, 3),
    }


def _summary(result: dict[str, Any]) -> dict[str, str]:
    shape = f"{result['width']} x {result['height']} x {result['bands']} {result['dtype']}"
    overviews = ", ".join(f"{width} x {height}" for width, height in result["levels"][1:])
    tile = tile_sizes_text(result["tile_shape"], result["levels"])
    return {
        "raster": shape,
        "overviews": overviews or "none",
        "tiles": f"{result['tiles']} of {tile}, by {result['interleave']}",
        "pixels": size_text(result["pixel_bytes"]),
        "file": f"{size_text(result['target_bytes'])}, {ratio_text(result['ratio'])}",
        "time": f"{result['seconds']:.1f} s",
    }
