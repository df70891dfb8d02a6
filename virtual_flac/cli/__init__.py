"""The command `virtual-flac`: words in, text out. Each command is a module that calls one function.

Knows the terminal; everything that can be tested without one is elsewhere.
"""

from __future__ import annotations

import signal
from types import FrameType
from typing import Annotated

import typer

from .. import __version__
from .compare import compare
from .convert import convert
from .create_streaming import create_streaming
from .demo import demo
from .extract import extract
from .flac_raster_names import extract_streaming, extract_tile
from .info import info
from .preview import preview
from .query import query
from .spatial_info import spatial_info
from .stack import stack
from .verify import verify
from .virtualize import virtualize

app = typer.Typer(
    name="virtual-flac",
    help="""Lossless FLAC rasters as virtual Zarr.

    [b]virtual-flac convert dem.tif -o dem.flac[/b]

    [b]virtual-flac info https://example.com/dem.flac[/b]
    """,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
)
#: Panels of the help text, and commands, the most used first.
_PANELS = {
    "Convert": (convert, extract),
    "Look": (info, preview, query, spatial_info, demo),
    "Check": (verify, compare),
    "Publish": (virtualize, stack),
    "flac-raster's names": (create_streaming, extract_streaming, extract_tile),
}
for _panel, _commands in _PANELS.items():
    for _command in _commands:
        app.command(rich_help_panel=_panel)(_command)


def _show_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"virtual-flac {__version__}")
        raise typer.Exit


@app.callback()
def _root(
    version: Annotated[
        bool,
        typer.Option("--version", callback=_show_version, is_eager=True, help="Print the version."),
    ] = False,
) -> None:
    pass


def main() -> None:
    """Run the command line; the entry point of `virtual-flac`."""
    signal.signal(signal.SIGTERM, _stop)
    app()


def _stop(number: int, frame: FrameType | None) -> None:
    # An exception, so that half-written files are removed on the way out.
    raise SystemExit(128 + number)
