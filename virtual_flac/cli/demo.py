"""`virtual-flac demo`: what this project does, shown on this machine."""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.table import Table

from .console import BAD_DATA, clear_errors, print_json, size_text
from .options import AsJson

if TYPE_CHECKING:
    from ..demo import DemoResult
    from ..demo.costs import Cost
    from ..demo.server import RangeServer


def demo(
    source: Annotated[
        str | None,
        typer.Argument(
            metavar="SOURCE",
            help="GeoTIFF or its URL; by default an elevation model that matplotlib ships.",
        ),
    ] = None,
    output: Annotated[
        Path,
        typer.Option(
            "--output",
            "-o",
            metavar="DIR",
            help="Where the files go. Those of an earlier demo are replaced, others never.",
        ),
    ] = Path("virtual-flac-demo"),
    serve: Annotated[
        bool, typer.Option("--serve", help="Serve the files afterwards, until Ctrl-C.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Make, serve, open, compare and stack FLAC rasters, with nothing but this machine.

    [b]virtual-flac demo[/b]

    [b]virtual-flac demo scene.tif -o scene-demo[/b]
    """  # fmt: skip
    console = Console(stderr=as_json)
    number = 0

    def report(sentence: str) -> None:
        nonlocal number
        number += 1
        console.print(f"[b]{number}.[/b] ", end="")
        console.print(sentence, markup=False, highlight=False, soft_wrap=True)

    with clear_errors():
        from ..demo import run_demo

        result = run_demo(
            source, output, report=report, while_served=_serve_on if serve else None
        )  # fmt: skip
        if as_json:
            print_json(result.to_dict())
        elif not serve:
            _tell(result)
    if not result.identical:
        raise typer.Exit(BAD_DATA)


def _serve_on(server: RangeServer, result: DemoResult) -> None:
    _tell(result)
    url = server.url_of(next(name for name in result.files if name.endswith(".flac")))
    with contextlib.suppress(KeyboardInterrupt):
        typer.echo(f"Serving until Ctrl-C: {url}")
        server.wait()


def _tell(result: DemoResult) -> None:
    console = Console()
    console.print()
    console.print(_cost_table(result))
    flac, cog = result.size_of(".flac"), result.size_of(".cog.tif")
    pixels = result.raster["width"] * result.raster["height"] * result.raster["bands"]
    console.print(
        f"The whole raster takes {size_text(flac)} as FLAC and {size_text(cog)} as COG (ZSTD with "
        f"a predictor), overviews included: {8 * flac / pixels:.2f} and {8 * cog / pixels:.2f} "
        "bits for a pixel of the raster.",
        highlight=False,
    )
    console.print()
    console.print(_file_table(result))
    console.print("Open them again, server or not:")
    for name in ("refs.json", "cube.json"):
        # One line each, to be copied: rich would break them.
        typer.echo(f'  xr.open_dataset("{result.folder / name}", engine="kerchunk")')
    console.print(f"Done in {result.seconds:.1f} s.", highlight=False)


def _cost_table(result: DemoResult) -> Table:
    column, row, width, height = result.window
    table = Table(
        title=f"What reading cost over HTTP: {width} x {height} pixels at column {column}, row "
        f"{row}; a pixel at three dates",
        title_justify="left",
    )
    table.add_column("reader")
    table.add_column("to")
    for name in ("requests", "bytes", "ms"):
        table.add_column(name, justify="right")
    last = ""
    for cost in result.costs:
        if last and cost.reader != last:
            table.add_section()
        table.add_row("" if cost.reader == last else cost.reader, *_cost_cells(cost))
        last = cost.reader
    return table


def _cost_cells(cost: Cost) -> tuple[str, ...]:
    what = {"open": "open", "window": "read the window", "time series": "read the pixel"}
    milliseconds = f"{cost.seconds * 1000:.0f}"
    return what[cost.action], str(cost.requests), f"{cost.bytes:,}", milliseconds


def _file_table(result: DemoResult) -> Table:
    table = Table(title=f"Files in {result.folder}", title_justify="left")
    table.add_column("name")
    table.add_column("bytes", justify="right")
    table.add_column("what")
    for name, what in result.files.items():
        size = result.sizes.get(name)
        table.add_row(name, "" if size is None else f"{size:,}", what)
    return table
