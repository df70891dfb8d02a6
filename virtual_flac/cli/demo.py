"""`virtual-flac demo`: what this project does, shown on this machine."""

from __future__ import annotations

import contextlib
from pathlib import Path

import click

from ..model.text import quoted
from .help_text import command, option
from .options import json_option
from .output import FAILED, echo, print_json, print_table


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

    result = run_demo(source, folder, report=lambda step: echo(f"- {step}", err=as_json))
    if as_json:
        print_json(result.to_dict())
    else:
        column, row, width, height = result.window
        costs = [
            (c.reader, c.action, str(c.requests), f"{c.bytes:,}", f"{c.seconds * 1000:.0f}")
            for c in result.costs
        ]
        echo("")
        echo(
            f"Reading {width} x {height} pixels at column {column}, row {row}, and a pixel at "
            "three dates, cost over HTTP:"
        )
        right = ("requests", "bytes", "ms")
        print_table("", ("reader", "to", *right), costs, right=right)
        sizes = {name: (result.folder / name).stat().st_size for name in result.files}
        files = [(name, f"{sizes[name]:,}", what) for name, what in result.files.items()]
        echo(f"Files in {result.folder}:")
        print_table("", ("name", "bytes", "what"), files, right=right)
        echo("Open them again, server or not:")
        for name in ("refs.json", "cube.json"):
            target = quoted(str(result.folder / name))
            echo(f'  xr.open_dataset({target}, engine="kerchunk")')
        echo(f"Done in {result.seconds:.1f} s.")
    if serve:
        with serve_folder(result.folder) as server, contextlib.suppress(KeyboardInterrupt):
            url = server.url_of(next(name for name in result.files if name.endswith(".flac")))
            echo(f"Serving until Ctrl-C: {url}", err=as_json)
            server.process.wait()
    if not result.identical:
        raise SystemExit(FAILED)
