"""`virtual-flac virtualize`: FLAC URLs to references that any Zarr reader opens."""

from __future__ import annotations

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


def virtualize(
    urls: Urls,
    output: Output,
    force: Force = False,
    bands: Bands = None,
    overview: Overview = None,
    group: Annotated[
        str | None, typer.Option(help="The same by name: [b]overview_1[/b] ...")
    ] = None,
    dim: Dims = None,
    values: Values = None,
    pattern: Pattern = None,
    base_url: BaseUrl = None,
    check_base_url: CheckBaseUrl = False,
    store_option: StoreOptions = None,
    anonymous: Anonymous = False,
    as_json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """Write references to FLAC rasters: metadata and byte ranges, no pixel.

    One raster becomes its own references, several are stacked along time. Whoever opens them needs
    xarray and zarr-flac alone.

    [b]virtual-flac virtualize https://example.com/dem.flac -o refs.json[/b]

    [b]virtual-flac virtualize dem_2026-*.flac -o cube.icechunk[/b]
    """
    cube = {"dim": parse_dims(dim), "values": parse_values(values), "pattern": pattern}
    publish_and_tell(
        urls, output, cube=cube, bands=bands, overview=overview, group=group, force=force,
        append=False, base_url=base_url, check_base_url=check_base_url, as_json=as_json,
        quiet=quiet, stores=(store_option, anonymous),
    )  # fmt: skip
