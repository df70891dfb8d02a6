"""`virtual-flac compare`: how two rasters differ."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from .help_text import command, option
from .options import common_options, local_file, registry_of, workers_option
from .output import FAILED, count_text, print_json, print_rows, print_table, progress_bar

if TYPE_CHECKING:
    from ..reports.compare import Comparison


@command(
    "compare",
    "compare dem.tif dem.flac",
    "compare dem.tif https://example.com/dem.flac --export report.json",
)
@click.argument("a")
@click.argument("b")
@option("--show-bands/--no-bands", default=True, help="Show a table of the bands.")
@option("--export", "-e", metavar="FILE", type=local_file, help="Write the findings as JSON, too.")
@option("--force", "-f", is_flag=True, help="Replace FILE if it exists.")
@option("--pixels-only", is_flag=True, help="Let metadata and overviews differ.")
@workers_option
@common_options
def compare(
    a: str,
    b: str,
    show_bands: bool,
    export: Path | None,
    force: bool,
    pixels_only: bool,
    workers: int | None,
    stores: dict[str, Any],
    as_json: bool,
    quiet: bool,
) -> None:
    """Compare two rasters: pixels, metadata and overviews.

    A and B are paths or URLs of FLAC rasters or GeoTIFFs, in any mix. The exit status is 0 when
    they are identical and 1 when they differ.
    """
    with progress_bar("Comparing", quiet=quiet or as_json) as progress:
        from ..io.local_files import atomic_write, check_target
        from ..reports.compare import compare as compare_rasters

        if export is not None:
            check_target(export, overwrite=force)
        registry = registry_of([a, b], stores)
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
        raise SystemExit(FAILED)


def _show(found: Comparison, *, show_bands: bool, same: bool) -> None:
    if found.metadata:
        rows = [(each.name, each.a, each.b) for each in found.metadata]
        print_table("Metadata that differs", ("", "A", "B"), rows)
    if found.bands and show_bands:
        _show_bands(found)
    overviews = [f"{o.width} x {o.height}: {o.differing} differ" for o in found.overviews]
    errors = [band.max_error for band in found.bands if band.max_error is not None]
    print_rows(
        "Comparison",
        {
            "A": found.a,
            "B": found.b,
            "pixels": _pixels_text(found),
            "largest error": _number_text(max(errors, default=None)),
            "metadata": count_text(len(found.metadata), "difference"),
            "overviews": ", ".join(overviews) or "none to compare",
            "verdict": "identical" if same else "different",
        },
    )


def _show_bands(found: Comparison) -> None:
    numbers = ("band", "differ", "share", "max error", "mean error", "RMSE")
    rows = [
        (
            str(band.band), str(band.differing), f"{band.share:.2%}",
            *map(_number_text, (band.max_error, band.mean_error, band.rmse)),
            *(f"{_number_text(s.minimum)} to {_number_text(s.maximum)}" for s in (band.a, band.b)),
        )
        for band in found.bands
    ]  # fmt: skip
    print_table("Bands", (*numbers, "range A", "range B"), rows, right=numbers)


def _pixels_text(found: Comparison) -> str:
    if not found.bands:
        return "not compared: the sizes differ"
    differing = sum(band.differing for band in found.bands)
    return f"{differing} of {sum(band.pixels for band in found.bands)} differ"


def _number_text(value: float | None) -> str:
    if value is None:
        return "none"
    return str(value) if isinstance(value, int) else f"{value:.6g}"
