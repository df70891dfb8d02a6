"""`virtual-flac create-streaming`: flac-raster's name for writing a streaming file."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from .convert import convert
from .options import Anonymous, AsJson, Quiet, StoreOptions


def create_streaming(
    source: Annotated[str, typer.Argument(metavar="IN", help="GeoTIFF or other raster.")],
    output: Annotated[
        Path | None,
        typer.Option(
            "--output", "-o", metavar="OUT", help="By default IN's name with _streaming.flac."
        ),
    ] = None,
    tile_size: Annotated[int, typer.Option(help="Edge of the tiles in pixels.")] = 1024,
    force: Annotated[bool, typer.Option("--force", "-f", help="Replace OUT if it exists.")] = False,
    compression: Annotated[
        int, typer.Option("--compression", "-c", min=0, max=8, help="FLAC level.")
    ] = 5,
    workers: Annotated[
        int | None, typer.Option(min=1, help="Threads; one per core by default.")
    ] = None,
    store_option: StoreOptions = None,
    anonymous: Anonymous = False,
    as_json: AsJson = False,
    verbose: Annotated[
        bool, typer.Option("--verbose", "-v", help="Say what is done, on standard error.")
    ] = False,
    quiet: Quiet = False,
) -> None:
    """The same as [b]convert[/b] to FLAC, under flac-raster's name.

    [b]virtual-flac create-streaming dem.tif --tile-size=1024 --output=dem.flac[/b]
    """
    if output is None:
        output = Path(source).with_name(f"{Path(source).stem}_streaming.flac")
    convert(
        source, output, tile_size=tile_size, force=force, compression=compression, workers=workers,
        store_option=store_option, anonymous=anonymous,
        as_json=as_json, verbose=verbose, quiet=quiet,
    )  # fmt: skip
