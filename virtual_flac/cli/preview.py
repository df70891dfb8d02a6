"""`virtual-flac preview`: a quick look at a raster, as PNG or in the terminal."""

from __future__ import annotations

import os
import sys
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console

from . import pictures
from .console import clear_errors, parse_numbers, print_json, print_table, progress_bar
from .options import Anonymous, Quiet, StoreOptions, options_of, registry_of

if TYPE_CHECKING:
    from ..reports.preview import Preview


class _Terminal(StrEnum):
    auto = "auto"
    kitty = "kitty"
    iterm2 = "iterm2"
    sixel = "sixel"
    blocks = "blocks"


def preview(
    source: Annotated[
        str, typer.Argument(metavar="SOURCE", help="FLAC raster or GeoTIFF: path or URL.")
    ],
    output: Annotated[
        Path | None,
        typer.Option(
            "--output", "-o", metavar="OUT", help="PNG to write; without it, in the terminal."
        ),
    ] = None,
    force: Annotated[bool, typer.Option("--force", "-f", help="Replace OUT if it exists.")] = False,
    size: Annotated[
        int, typer.Option(min=1, max=16_384, help="Pixels of the longer side, at most.")
    ] = 512,
    bands: Annotated[
        str | None,
        typer.Option(metavar="N,...", help="One band, or red, green and blue: [b]4,3,2[/b]."),
    ] = None,
    cmap: Annotated[
        str | None, typer.Option(help="matplotlib's colour map for one band: [b]terrain[/b] ...")
    ] = None,
    stretch: Annotated[str, typer.Option(help="Percentiles that become black and white.")] = "2,98",
    terminal: Annotated[
        _Terminal, typer.Option(help="How to show it in the terminal.")
    ] = _Terminal.auto,
    store_option: StoreOptions = None,
    anonymous: Anonymous = False,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print what was done as JSON; needs -o.")
    ] = False,
    quiet: Quiet = False,
) -> None:
    """Show a raster, from the smallest overview that serves.

    [b]virtual-flac preview dem.flac -o dem.png --cmap terrain[/b]

    [b]virtual-flac preview https://example.com/sentinel.flac --bands 4,3,2[/b]
    """
    shown = output is None
    if shown and (as_json or (terminal is _Terminal.auto and not sys.stdout.isatty())):
        raise typer.BadParameter("needed where there is no terminal to show it", param_hint="-o")
    if output is not None and output.suffix.lower() != ".png":
        raise typer.BadParameter(f"{output} must end in .png", param_hint="-o")
    percentiles = parse_numbers(stretch, "stretch")
    if len(percentiles) != 2:
        raise typer.BadParameter(f"{stretch!r}, expected two like 2,98", param_hint="--stretch")
    with clear_errors(), progress_bar("Reading", quiet=quiet or as_json) as progress:
        from ..io.reference_kinds import references_kind
        from ..reports.preview import preview as look

        raster: Any = source
        if references_kind(source):
            from ..references.describe import ReferencedRaster

            raster = ReferencedRaster(source, options_of(store_option, anonymous))
        picture = look(
            raster, output, size=size, cmap=cmap, overwrite=force, progress=progress,
            bands=parse_numbers(bands, "bands") if bands else None,
            percentiles=(percentiles[0], percentiles[1]),
            registry=registry_of(source, store_option, anonymous),
        )  # fmt: skip
    taken = getattr(raster, "taken", {})
    if taken and not as_json and not quiet:
        typer.echo(", ".join(f"{dim} {label}" for dim, label in taken.items()), err=True)
    if shown:
        _show(picture, terminal)
    elif as_json:
        print_json({"source": source, "target": str(output), "taken": taken, **_facts(picture)})
    elif not quiet:
        print_table(str(output), _summary(picture))


def _facts(picture: Preview) -> dict[str, Any]:
    height, width, _ = picture.rgba.shape
    return {
        "width": width,
        "height": height,
        "bands": list(picture.bands),
        "level": picture.level,
        "factor": picture.factor,
        "ranges": [list(pair) for pair in picture.ranges],
    }


def _summary(picture: Preview) -> dict[str, str]:
    height, width, _ = picture.rgba.shape
    level = f"overview {picture.level}" if picture.level else "full resolution"
    return {
        "picture": f"{width} x {height}",
        "bands": ", ".join(map(str, picture.bands)),
        "from": f"{level}, 1 for {picture.factor} x {picture.factor}"
        if picture.factor > 1
        else level,
        "stretch": ", ".join(f"{low:g} to {high:g}" for low, high in picture.ranges) or "none",
    }


def _show(picture: Preview, terminal: _Terminal) -> None:
    protocol = pictures.protocol_of(os.environ) if terminal is _Terminal.auto else terminal.value
    if protocol == "kitty":
        typer.echo(pictures.kitty(picture.to_png()), nl=False, color=True)
    elif protocol == "iterm2":
        typer.echo(pictures.iterm2(picture.to_png()), nl=False, color=True)
    elif protocol == "sixel":
        typer.echo(pictures.sixel(picture.rgba), nl=False, color=True)
    else:
        # Asked for by name, blocks are coloured wherever they go.
        console = Console(force_terminal=terminal is _Terminal.blocks or None)
        console.print(pictures.blocks(picture.rgba, console.width), end="")
