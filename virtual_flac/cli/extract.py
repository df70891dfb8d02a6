"""`virtual-flac extract`, and flac-raster's names for it: a part of a raster to a file."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import click

from .help_text import command, option
from .options import (
    area_options,
    bbox_option,
    center_option,
    common_options,
    force_option,
    known_to,
    last_option,
    output_option,
    registry_of,
    source_argument,
    tile_id_option,
    workers_option,
)
from .output import list_text, print_json, print_rows, progress_bar, size_text

_output = output_option(
    "File to write: .tif (cloud optimized), .png or .flac.", (".tif", ".tiff", ".png", ".flac"),
    required=True,
)  # fmt: skip


@command(
    "extract",
    "extract https://example.com/dem.flac --bbox 7.1,46.0,7.3,46.2 -o alps.tif",
    "extract s3://bucket/scene.flac --overview 3 --bands 3,2,1 -o quick.png",
)
@source_argument()
@_output
@area_options
@option(
    "--compress", default="deflate", show_default=True,
    callback=known_to("geotiff.compression", "check_cog_compression"),
    help="Of the GeoTIFF: deflate, zstd, lzw, lzma, none ...",
)  # fmt: skip
@option("--drop-mask", is_flag=True, help="Leave out a mask, which is not extracted.")
@force_option
@workers_option
@common_options
def extract(area: dict[str, Any], drop_mask: bool, **arguments: Any) -> None:
    """Cut a part out of a raster, pixel for pixel, across as many tiles as it takes.

    SOURCE is a path or URL of a FLAC raster or GeoTIFF. Only the header and the tiles that hold
    the part are read.
    """
    _extract(mask="drop" if drop_mask else "refuse", **arguments, **area)


@command(
    "extract-streaming",
    "extract-streaming https://example.com/dem.flac --center --output center.tif",
)
@source_argument()
@_output
@bbox_option
@tile_id_option
@center_option
@last_option
@force_option
@common_options
def extract_streaming(**arguments: Any) -> None:
    """flac-raster's name for extract; one way to choose the area is needed.

    A box gives all of its pixels. flac-raster gave the first tile that it touches.
    """
    area = [arguments[name] for name in ("bbox", "tile_id", "center", "last")]
    if all(value is None or value is False for value in area):
        raise click.UsageError("give one of --tile-id, --bbox, --center and --last")
    _extract(**arguments)


@command("extract-tile", "extract-tile spatial.flac --bbox 7.1,46.0,7.3,46.2 -o area.tif")
@source_argument()
@_output
@bbox_option
@force_option
@common_options
def extract_tile(bbox: tuple[float, ...] | None, **arguments: Any) -> None:
    """flac-raster's name for extract --bbox."""
    if bbox is None:
        raise click.UsageError("Missing option '--bbox'")
    _extract(bbox=bbox, **arguments)


def _extract(
    source: str,
    output: Path,
    *,
    force: bool,
    as_json: bool,
    quiet: bool,
    stores: dict[str, Any],
    **arguments: Any,
) -> None:
    start = time.perf_counter()
    with progress_bar(output.name, quiet=quiet or as_json) as progress:
        from ..geotiff.extract import extract as cut

        result = cut(
            source, output, overwrite=force, progress=progress,
            registry=registry_of(source, stores), **arguments,
        )  # fmt: skip
    seconds = round(time.perf_counter() - start, 3)
    size = output.stat().st_size
    if as_json:
        print_json({**result.to_dict(), "target_bytes": size, "seconds": seconds})
    elif not quiet:
        raster, window = result.raster, result.window
        level = f" of overview {result.level}" if result.level else ""
        print_rows(
            str(output),
            {
                "raster": f"{raster.width} x {raster.height} x {raster.count} {raster.dtype.name}",
                "from": f"bands {','.join(map(str, result.bands))}, columns from "
                f"{window.col_off}, rows from {window.row_off}{level}",
                "bounds": list_text(result.bounds),
                "file": size_text(size),
                "time": f"{seconds:.1f} s",
            },
        )
