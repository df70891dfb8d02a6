"""`virtual-flac stack`: FLAC rasters of one grid to one cube of references."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

import typer

from .options import Anonymous, AsJson, Quiet, StoreOptions
from .publishing import (
    Bands,
    BaseUrl,
    CheckBaseUrl,
    Dims,
    Force,
    Output,
    Overview,
    Pattern,
    Urls,
    Values,
    parse_dims,
    parse_values,
    publish_and_tell,
)


class OnError(StrEnum):
    """What to do about a file that does not serve."""

    RAISE = "raise"
    SKIP = "skip"


class Parallel(StrEnum):
    """Where headers are read."""

    THREADS = "threads"
    DASK = "dask"
    LITHOPS = "lithops"


def stack(
    urls: Urls,
    output: Output,
    dim: Dims = None,
    values: Values = None,
    pattern: Pattern = None,
    assets: Annotated[
        str | None,
        typer.Option(metavar="KEY,...", help="Assets of STAC items, in the order of the bands."),
    ] = None,
    mosaic: Annotated[
        bool,
        typer.Option("--mosaic", help="Place rasters of the same coordinates beside each other."),
    ] = False,
    as_variables: Annotated[
        bool, typer.Option("--as-variables", help="A variable for each band, named after it.")
    ] = False,
    allow_missing: Annotated[
        bool, typer.Option("--allow-missing", help="Have nodata where there is no raster.")
    ] = False,
    ignore: Annotated[
        list[str] | None,
        typer.Option(
            metavar="PROPERTY",
            help="Let rasters differ in [b]crs[/b], [b]transform[/b] or [b]nodata[/b]; the first "
            "one's holds for all.",
        ),
    ] = None,
    on_error: Annotated[
        OnError, typer.Option(help="Whether to leave out files that cannot be used.")
    ] = OnError.RAISE,
    parallel: Annotated[Parallel, typer.Option(help="Where to read headers.")] = Parallel.THREADS,
    workers: Annotated[int, typer.Option(min=1, help="Files read at the same time.")] = 16,
    append: Annotated[
        bool, typer.Option("--append", help="Append to the Icechunk repository OUT.")
    ] = False,
    base_url: BaseUrl = None,
    check_base_url: CheckBaseUrl = False,
    bands: Bands = None,
    overview: Overview = None,
    force: Force = False,
    store_option: StoreOptions = None,
    anonymous: Anonymous = False,
    as_json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """Stack FLAC rasters of one grid along new dimensions and write references to the cube.

    Reads one header a file and no pixel. Rasters must agree in grid, CRS, dtype and tiling.

    [b]virtual-flac stack ndvi_2026-0?-01.flac -o cube.json[/b]

    [b]virtual-flac stack S2_*.flac -o cube.icechunk --pattern "(?P<band>B..)_%Y%m%d"[/b]
    """
    cube = {
        "dim": parse_dims(dim), "values": parse_values(values), "pattern": pattern,
        "assets": parse_dims(assets), "mosaic": mosaic, "as_variables": as_variables,
        "allow_missing": allow_missing, "ignore": ignore or (), "on_error": on_error.value,
        "parallel": parallel.value, "workers": workers,
    }  # fmt: skip
    publish_and_tell(
        urls, output, cube=cube, bands=bands, overview=overview, group=None, force=force,
        append=append, base_url=base_url, check_base_url=check_base_url, as_json=as_json,
        quiet=quiet, stores=(store_option, anonymous),
    )  # fmt: skip
