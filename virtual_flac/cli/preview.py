"""`virtual-flac preview`: a quick look at a raster, as PNG or in the terminal."""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ..redaction import redact_name
from .help_text import command, option
from .options import (
    Numbers,
    allow_local_option,
    common_options,
    force_option,
    known_to,
    output_option,
    source_argument,
)
from .output import echo, print_json, print_rows, progress_bar

if TYPE_CHECKING:
    from ..reports.preview import Preview


@command(
    "preview",
    "preview dem.flac -o dem.png --cmap terrain",
    "preview https://example.com/sentinel.flac --bands 4,3,2",
)
@source_argument()
@output_option("PNG to write; by default the picture is shown in the terminal.", (".png",))
@force_option
@option(
    "--size", type=click.IntRange(1, 16_384), default=512, show_default=True,
    help="Pixels of the longer side, at most: a whole number of pixels is averaged to one.",
)  # fmt: skip
@option("--bands", type=Numbers("N,..."), help="One band, or red, green and blue: 4,3,2.")
@option(
    "--cmap", help="matplotlib's colour map for one band: terrain ...",
    callback=known_to("reports.preview", "check_colormap"),
)  # fmt: skip
@option(
    "--stretch", "percentiles", type=Numbers("LOW,HIGH", int, 2), default=(2, 98),
    help="Percentiles that become black and white; 2,98 by default.",
)  # fmt: skip
@option(
    "--terminal", type=click.Choice(["auto", "blocks", "plain"]), default="auto",
    help="How to show it: blocks in 24-bit colour, or plain characters.",
)  # fmt: skip
@allow_local_option
@common_options
def preview(
    source: str,
    output: Path | None,
    force: bool,
    terminal: str,
    stores: dict[str, Any],
    as_json: bool,
    quiet: bool,
    **arguments: Any,
) -> None:
    """Show a raster, from the smallest overview that is large enough.

    SOURCE is a path or URL of a FLAC raster, GeoTIFF or references.
    """
    in_terminal = output is None
    if in_terminal and (as_json or (terminal == "auto" and not sys.stdout.isatty())):
        raise click.BadParameter("needed where there is no terminal to show it", param_hint="-o")
    with progress_bar("Reading", quiet=quiet or as_json) as progress:
        from ..reports.preview import preview as look

        picture = look(
            source, output, overwrite=force, progress=progress, store_options=stores, **arguments
        )
    if picture.taken and not as_json and not quiet:
        echo(", ".join(f"{dim} {label}" for dim, label in picture.taken.items()), err=True)
    if in_terminal:
        _show(picture, terminal)
    elif as_json:
        print_json({"source": redact_name(source), "target": str(output), **picture.to_dict()})
    elif not quiet:
        print_rows(str(output), _summary(picture, arguments["size"]))


def _summary(picture: Preview, size: int) -> dict[str, str]:
    height, width, _ = picture.rgba.shape
    shown = f"{width} x {height}"
    if max(width, height) < size:
        reduced = picture.level or picture.factor > 1
        why = "as only whole numbers are averaged" if reduced else "as large as the raster"
        shown += f", smaller than {size}: {why}"
    level = f"overview {picture.level}" if picture.level else "full resolution"
    blocks = f", 1 for {picture.factor} x {picture.factor}" if picture.factor > 1 else ""
    return {
        "picture": shown,
        "bands": ", ".join(map(str, picture.bands)),
        "from": f"{level}{blocks}",
        "stretch": ", ".join(f"{low:g} to {high:g}" for low, high in picture.ranges) or "none",
    }


def _show(picture: Preview, terminal: str) -> None:
    from .pictures import draw, style_of

    style = style_of(os.environ) if terminal == "auto" else terminal
    columns = shutil.get_terminal_size().columns
    text = draw(picture.rgba, columns, "blocks" if style == "blocks" else "plain")
    # Blocks that were asked for by name keep their colours wherever they go.
    click.echo(text, nl=False, color=True)
