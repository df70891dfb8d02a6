"""`virtual-flac demo`: what this project does, shown on this machine."""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import TYPE_CHECKING

import click

from ..model.text import quoted
from .help_text import command, option
from .options import json_option
from .output import FAILED, echo, print_json, print_table, size_text

if TYPE_CHECKING:
    from ..demo import DemoResult

_ACTIONS = {"open": "open", "window": "read the window", "time series": "read the pixel"}


@command("demo", "demo", "demo scene.tif -o scene-demo")
@click.argument("source", metavar="[SOURCE]", required=False)
@option(
    "--output", "-o", "folder", metavar="DIR", type=click.Path(path_type=Path),
    default="virtual-flac-demo", show_default=True,
    help="Where the files go. Those of an earlier demo are replaced, others never.",
)  # fmt: skip
@option("--serve", is_flag=True, help="Serve the files afterwards, until Ctrl-C.")
@json_option
def demo(source: str | None, folder: Path, serve: bool, as_json: bool) -> None:
    """Make, serve, open, compare and stack FLAC rasters on this machine alone.

    SOURCE is a GeoTIFF; by default an elevation model that matplotlib ships.
    """
    from ..demo import run_demo
    from ..demo import serve as serve_folder

    number = 0

    def report(sentence: str) -> None:
        nonlocal number
        number += 1
        echo(f"{number}. {sentence}", err=as_json)

    result = run_demo(source, folder, report=report)
    if as_json:
        print_json(result.to_dict())
    else:
        _show(result)
    if serve:
        with serve_folder(result.folder) as server, contextlib.suppress(KeyboardInterrupt):
            url = server.url_of(next(name for name in result.files if name.endswith(".flac")))
            echo(f"Serving until Ctrl-C: {url}", err=as_json)
            server.process.wait()
    if not result.identical:
        raise SystemExit(FAILED)


def _show(result: DemoResult) -> None:
    column, row, width, height = result.window
    costs = [
        (
            cost.reader, _ACTIONS[cost.action], str(cost.requests), f"{cost.bytes:,}",
            f"{cost.seconds * 1000:.0f}",
        )
        for cost in result.costs
    ]  # fmt: skip
    echo("")
    print_table(
        f"What reading cost over HTTP: {width} x {height} pixels at column {column}, row {row}; "
        "a pixel at three dates",
        ("reader", "to", "requests", "bytes", "ms"), costs, right=("requests", "bytes", "ms"),
    )  # fmt: skip
    flac, cog = result.size_of(".flac"), result.size_of(".cog.tif")
    pixels = result.raster["width"] * result.raster["height"] * result.raster["bands"]
    echo(
        f"The whole raster takes {size_text(flac)} as FLAC and {size_text(cog)} as COG (ZSTD with "
        f"a predictor), overviews included: {8 * flac / pixels:.2f} and {8 * cog / pixels:.2f} "
        "bits for a pixel of the raster."
    )
    echo("")
    sizes = {name: f"{size:,}" for name, size in result.sizes.items()}
    files = [(name, sizes.get(name, ""), what) for name, what in result.files.items()]
    print_table(f"Files in {result.folder}", ("name", "bytes", "what"), files, right=("bytes",))
    echo("Open them again, server or not:")
    for name in ("refs.json", "cube.json"):
        target = quoted(str(result.folder / name))
        echo(f'  xr.open_dataset({target}, engine="kerchunk")')
    echo(f"Done in {result.seconds:.1f} s.")
