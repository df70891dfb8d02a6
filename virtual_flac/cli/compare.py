"""`virtual-flac compare`: how two rasters differ."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from .console import BAD_DATA, clear_errors, print_json, print_table, progress_bar
from .options import Anonymous, AsJson, Quiet, StoreOptions, registry_of

if TYPE_CHECKING:
    from ..reports.compare import Comparison


def compare(
    a: Annotated[str, typer.Argument(metavar="A", help="GeoTIFF or FLAC raster: path or URL.")],
    b: Annotated[str, typer.Argument(metavar="B", help="The other one, of either kind.")],
    show_bands: Annotated[
        bool, typer.Option("--show-bands/--no-bands", help="Show a table of the bands.")
    ] = True,
    export: Annotated[
        Path | None,
        typer.Option("--export", "-e", metavar="FILE", help="Write the findings as JSON, too."),
    ] = None,
    force: Annotated[
        bool, typer.Option("--force", "-f", help="Replace FILE if it exists.")
    ] = False,
    pixels_only: Annotated[
        bool,
        typer.Option("--pixels-only", help="Let metadata and overviews differ."),
    ] = False,
    workers: Annotated[
        int | None, typer.Option(min=1, help="Threads; one per core by default.")
    ] = None,
    store_option: StoreOptions = None,
    anonymous: Anonymous = False,
    as_json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """Compare two rasters: pixels, metadata and overviews.

    The exit status is 0 when they are identical and 1 when they differ.

    [b]virtual-flac compare dem.tif dem.flac[/b]

    [b]virtual-flac compare dem.tif https://example.com/dem.flac --export report.json[/b]
    """
    with clear_errors(), progress_bar("Comparing", quiet=quiet or as_json) as progress:
        from ..io.local_files import atomic_write, check_target
        from ..reports.compare import compare as compare_rasters

        if export is not None:
            check_target(export, overwrite=force)
        registry = registry_of([a, b], store_option, anonymous)
        found = compare_rasters(a, b, registry=registry, workers=workers, progress=progress)
        if export is not None:
            with atomic_write(export, overwrite=force) as file:
                file.write(json.dumps(found.to_dict(), indent=2, allow_nan=False).encode())
    same = found.pixels_identical if pixels_only else found.identical
    if as_json:
        print_json(found.to_dict())
    elif not quiet:
        _show(found, show_bands=show_bands, same=same)
    if not same:
        raise typer.Exit(BAD_DATA)


def _show(found: Comparison, *, show_bands: bool, same: bool) -> None:
    console = Console()
    if found.metadata:
        table = Table("", found.a, found.b, title="Metadata that differs", title_justify="left")
        for difference in found.metadata:
            table.add_row(difference.name, difference.a, difference.b)
        console.print(table)
    if found.bands and show_bands:
        console.print(_band_table(found))
    print_table(
        "Comparison",
        {
            "pixels": _pixels_text(found),
            "largest error": _number(_largest(found)),
            "metadata": f"{len(found.metadata)} differences",
            "overviews": ", ".join(
                f"{o.width} x {o.height}: {o.differing} differ" for o in found.overviews
            )
            or "none in common",
            "verdict": "identical" if same else "different",
        },
    )


def _band_table(found: Comparison) -> Table:
    columns = ("band", "differ", "share", "max error", "mean error", "RMSE", "range A", "range B")
    table = Table(*columns, title="Bands", title_justify="left")
    for band in found.bands:
        table.add_row(
            str(band.band),
            str(band.differing),
            f"{band.share:.2%}",
            *map(_number, (band.max_error, band.mean_error, band.rmse)),
            *(f"{_number(s.minimum)} to {_number(s.maximum)}" for s in (band.a, band.b)),
        )
    return table


def _pixels_text(found: Comparison) -> str:
    if not found.bands:
        return "not compared: the sizes differ"
    differing, pixels = (
        sum(getattr(band, name) for band in found.bands) for name in ("differing", "pixels")
    )
    return f"{differing} of {pixels} differ"


def _largest(found: Comparison) -> Any:
    return max((b.max_error for b in found.bands if b.max_error is not None), default=None)


def _number(value: float | None) -> str:
    if value is None:
        return "none"
    return str(value) if isinstance(value, int) else f"{value:.6g}"
