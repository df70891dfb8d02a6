"""`virtual-flac stack`: FLAC rasters of one grid to one cube of references."""

from __future__ import annotations

from typing import Annotated

import typer

from .publishing import (
    AsJson,
    Bands,
    Force,
    Output,
    Overview,
    Pattern,
    Quiet,
    Urls,
    Values,
    publish_and_tell,
)


def stack(
    urls: Urls,
    output: Output,
    dim: Annotated[str, typer.Option(help="Name of the new dimension.")] = "time",
    values: Values = None,
    pattern: Pattern = None,
    bands: Bands = None,
    overview: Overview = None,
    force: Force = False,
    as_json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """Stack FLAC rasters of one grid along a new dimension and write references to the cube.

    Reads one header a file and no pixel. Rasters must agree in grid, CRS, dtype and tiling.

    [b]virtual-flac stack ndvi_2026-0?-01.flac -o cube.json[/b]

    [b]virtual-flac stack red.flac nir.flac -o pair.icechunk --dim wave --values red,nir[/b]
    """
    publish_and_tell(
        urls, output, dim=dim, values=values, pattern=pattern, bands=bands, overview=overview,
        group=None, force=force, as_json=as_json, quiet=quiet,
    )  # fmt: skip
