"""What `query`, `extract` and their elder names share: an area in words. Knows no rasters."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from .console import parse_numbers

_AREA = "Area: one of these, or all"

Source = Annotated[str, typer.Argument(metavar="SOURCE", help="FLAC raster: path or URL.")]
Bbox = Annotated[
    str | None,
    typer.Option(
        "--bbox",
        "-b",
        metavar="XMIN,YMIN,XMAX,YMAX",
        help="Box in the raster's CRS, rounded to pixels as [b]gdal_translate -projwin[/b] does.",
        rich_help_panel=_AREA,
    ),
]
BboxCrs = Annotated[
    str | None,
    typer.Option(
        help="CRS of the box, such as [b]EPSG:4326[/b]; x is always longitude or easting.",
        rich_help_panel=_AREA,
    ),
]
PixelWindow = Annotated[
    str | None,
    typer.Option(
        "--window",
        metavar="COL,ROW,WIDTH,HEIGHT",
        help="Pixels of the full resolution, for overviews too.",
        rich_help_panel=_AREA,
    ),
]
TilePlace = Annotated[
    str | None,
    typer.Option(
        "--tile", metavar="ROW,COL", help="A tile, counted from 0.", rich_help_panel=_AREA
    ),
]
TileId = Annotated[
    int | None,
    typer.Option(
        help="A tile by its number, row by row from 0: flac-raster's frame_id.",
        rich_help_panel=_AREA,
    ),
]
Center = Annotated[
    bool, typer.Option("--center", help="The tile in the middle.", rich_help_panel=_AREA)
]
Last = Annotated[bool, typer.Option("--last", help="The last tile.", rich_help_panel=_AREA)]
Overview = Annotated[int, typer.Option(min=0, help="Take it from this overview: 1 is the largest.")]
Bands = Annotated[
    str | None, typer.Option(metavar="N,...", help="Only these bands, in this order: [b]4,3,2[/b].")
]


def selection_of(
    bbox: str | None,
    bbox_crs: str | None = None,
    window: str | None = None,
    tile: str | None = None,
    tile_id: int | None = None,
    center: bool = False,
    last: bool = False,
) -> dict[str, Any]:
    """The words as arguments of `virtual_flac.query` and `virtual_flac.extract`."""
    return {
        "bbox": None if bbox is None else _floats(bbox),
        "bbox_crs": bbox_crs,
        "window": None if window is None else _integers(window, "window", 4),
        "tile": None if tile is None else _integers(tile, "tile", 2),
        "tile_id": tile_id,
        "center": center,
        "last": last,
    }


def _floats(text: str) -> tuple[float, ...]:
    try:
        numbers = tuple(float(part) for part in text.split(","))
    except ValueError:
        numbers = ()
    if len(numbers) != 4:
        raise typer.BadParameter(
            f"{text!r} is no box; expected four numbers XMIN,YMIN,XMAX,YMAX", param_hint="--bbox"
        )
    return numbers


def _integers(text: str, name: str, count: int) -> tuple[int, ...]:
    numbers = parse_numbers(text, name)
    if len(numbers) != count:
        raise typer.BadParameter(
            f"{text!r} has {len(numbers)} numbers, expected {count}", param_hint=f"--{name}"
        )
    return tuple(numbers)


def bands_of(text: str | None) -> list[int] | None:
    """Numbers of bands."""
    return None if text is None else parse_numbers(text, "bands")
