"""`virtual-flac extract`: a part of a raster to a file of its own."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Annotated, Any

import typer

from .areas import (
    Bands,
    Bbox,
    BboxCrs,
    Center,
    Last,
    Overview,
    PixelWindow,
    TileId,
    TilePlace,
    bands_of,
    selection_of,
)
from .console import clear_errors, print_json, print_table, progress_bar, size_text
from .options import Anonymous, AsJson, Quiet, StoreOptions, registry_of

Source = Annotated[
    str, typer.Argument(metavar="SOURCE", help="FLAC raster or GeoTIFF: path or URL.")
]
Output = Annotated[
    Path,
    typer.Option(
        "--output",
        "-o",
        metavar="OUT",
        help="File to write: [b].tif[/b] (cloud optimized), [b].png[/b] or [b].flac[/b].",
    ),
]
Force = Annotated[bool, typer.Option("--force", "-f", help="Replace OUT if it exists.")]


def extract(
    source: Source,
    output: Output,
    bbox: Bbox = None,
    bbox_crs: BboxCrs = None,
    window: PixelWindow = None,
    tile: TilePlace = None,
    tile_id: TileId = None,
    center: Center = False,
    last: Last = False,
    overview: Overview = 0,
    bands: Bands = None,
    compress: Annotated[
        str, typer.Option(help="Of the GeoTIFF: deflate, zstd, lzw, lzma, none ...")
    ] = "deflate",
    drop_mask: Annotated[
        bool, typer.Option("--drop-mask", help="Leave out a mask, which is not extracted.")
    ] = False,
    force: Force = False,
    workers: Annotated[
        int | None, typer.Option(min=1, help="Threads; one per core by default.")
    ] = None,
    store_option: StoreOptions = None,
    anonymous: Anonymous = False,
    as_json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """Cut a part out of a raster, pixel for pixel, over as many tiles as it takes.

    Reads the header and the tiles that it touches, nothing else.

    [b]virtual-flac extract https://example.com/dem.flac --bbox 7.1,46.0,7.3,46.2 -o alps.tif[/b]

    [b]virtual-flac extract s3://bucket/scene.flac --overview 3 --bands 3,2,1 -o quick.png[/b]
    """
    run_extract(
        source, output, force=force, as_json=as_json, quiet=quiet, level=overview,
        bands=bands_of(bands), compress=compress, workers=workers,
        mask="drop" if drop_mask else "refuse", stores=(store_option, anonymous),
        **selection_of(bbox, bbox_crs, window, tile, tile_id, center, last),
    )  # fmt: skip


def run_extract(
    source: str,
    output: Path,
    *,
    force: bool,
    as_json: bool,
    quiet: bool,
    stores: tuple[list[str] | None, bool] = (None, False),
    **arguments: Any,
) -> None:
    """Extract and tell."""
    if "://" in str(output) or str(output).startswith(("s3:/", "gs:/", "az:/", "http")):
        raise typer.BadParameter(
            "files are written locally; write here and upload", param_hint="-o"
        )
    start = time.perf_counter()
    with clear_errors(), progress_bar(output.name, quiet=quiet or as_json) as progress:
        # GDAL and what comes with it is not needed to print a help text.
        from ..geotiff.extract import extract as cut

        result = cut(
            source, output, overwrite=force, progress=progress,
            registry=registry_of(source, *stores), **arguments,
        )  # fmt: skip
    seconds = round(time.perf_counter() - start, 3)
    if as_json:
        print_json({**result.to_dict(), "target_bytes": output.stat().st_size, "seconds": seconds})
    elif not quiet:
        bands = ",".join(map(str, result.bands))
        raster = result.raster
        print_table(
            str(output),
            {
                "raster": f"{raster.width} x {raster.height} x {raster.count} {raster.dtype.name}",
                "from": f"bands {bands}, columns from {result.window.col_off}, rows from "
                f"{result.window.row_off}" + (f" of overview {result.level}" * bool(result.level)),
                "bounds": ", ".join(f"{value:.10g}" for value in result.bounds),
                "file": size_text(output.stat().st_size),
                "time": f"{seconds:.1f} s",
            },
        )
