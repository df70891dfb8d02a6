"""flac-raster's names for `extract`, with its own options. Knows words only."""

from __future__ import annotations

from typing import Annotated

import typer

from .areas import Bbox, Center, Last, TileId, selection_of
from .extract import Force, Output, Source, run_extract
from .options import Anonymous, AsJson, Quiet, StoreOptions


def extract_streaming(
    source: Source,
    output: Output,
    bbox: Bbox = None,
    tile_id: TileId = None,
    center: Center = False,
    last: Last = False,
    force: Force = False,
    store_option: StoreOptions = None,
    anonymous: Anonymous = False,
    as_json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """flac-raster's name for [b]extract[/b], with one of its ways to choose.

    A box gives all of its pixels, where flac-raster gave the first tile that it touches.

    [b]virtual-flac extract-streaming https://example.com/dem.flac --center --output center.tif[/b]
    """
    if bbox is None and tile_id is None and not center and not last:
        raise typer.BadParameter("give one of --tile-id, --bbox, --center and --last")
    run_extract(
        source, output, force=force, as_json=as_json, quiet=quiet,
        stores=(store_option, anonymous),
        **selection_of(bbox, tile_id=tile_id, center=center, last=last),
    )  # fmt: skip


def extract_tile(
    source: Source,
    bbox: Annotated[
        str,
        typer.Option(
            "--bbox", "-b", metavar="XMIN,YMIN,XMAX,YMAX", help="Box in the raster's CRS."
        ),
    ],
    output: Output,
    force: Force = False,
    store_option: StoreOptions = None,
    anonymous: Anonymous = False,
    as_json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """flac-raster's name for [b]extract --bbox[/b].

    [b]virtual-flac extract-tile spatial.flac --bbox 7.1,46.0,7.3,46.2 -o area.tif[/b]
    """
    run_extract(
        source, output, force=force, as_json=as_json, quiet=quiet,
        stores=(store_option, anonymous), **selection_of(bbox),
    )  # fmt: skip
