"""`virtual-flac virtualize` and `stack`: FLAC rasters to references that any Zarr reader opens."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Sequence
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from .help_text import command, option
from .options import bands_option, common_options, force_option, output_option
from .output import count_text, echo, print_json, print_rows, progress_bar, size_text

if TYPE_CHECKING:
    from ..publish import Published


class _Names(click.ParamType):  # type: ignore[type-arg]  # generic from click 8.5 on
    """Names with commas between them; none at all for an empty text."""

    name = "names"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        if not isinstance(value, str):
            return value
        return [name.strip() for name in value.split(",") if name.strip()]


def _publishing_options(function: Callable[..., Any]) -> Callable[..., Any]:
    """Add what both commands take."""
    options: list[Callable[..., Any]] = [
        click.argument("urls", metavar="URL...", nargs=-1, required=True),
        output_option(
            "What to write, a path or s3:// URL: .json or .parquet for kerchunk, .icechunk.",
            (".json", ".parquet", ".parq", ".icechunk"), required=True, type=str,
        ),
        force_option,
        bands_option,
        option(
            "--overview", type=click.IntRange(min=0), metavar="N",
            help="This overview instead of the full resolution: 1 is the largest.",
        ),
        option(
            "--dim", type=_Names(), metavar="NAME,...",
            help="Stack along these new dimensions, band may be one of them; by default those that "
            "the pattern finds, or time.",
        ),
        option(
            "--values", multiple=True, metavar="A,B,...",
            help="Coordinates of the rasters along the new dimension, in the order of the URLs: "
            "dates, numbers or words; NAME=A,B,... once for each of several dimensions. By default "
            "they are found in the file names.",
        ),
        option(
            "--pattern", metavar="REGEX",
            help="Finds coordinates in a file name: (?P<band>B..)_%Y%m%d for bands and times; "
            "three groups without names are year, month and day.",
        ),
        option(
            "--base-url", metavar="URL",
            help="Let the references point below this URL instead of the folder of the rasters.",
        ),
        option(
            "--check-base-url", is_flag=True,
            help="Check that the files are there, with the sizes they have here.",
        ),
        common_options,
    ]  # fmt: skip
    for decorate in reversed(options):
        function = decorate(function)
    return function


@command(
    "virtualize",
    "virtualize https://example.com/dem.flac -o refs.json",
    "virtualize dem_2026-*.flac -o cube.icechunk",
)
@option("--group", help="The same by name: overview_1 ...")
@_publishing_options
def virtualize(**arguments: Any) -> None:
    """Write references to FLAC rasters: metadata and byte ranges, no pixels.

    URL is a FLAC raster, a path, or the JSON of STAC items. One raster becomes references of its
    own, several are stacked along time. To open them takes only xarray and zarr-flac.
    """
    _publish(cube={}, append=False, **arguments)


@command(
    "stack",
    "stack ndvi_2026-0?-01.flac -o cube.json",
    'stack S2_*.flac -o cube.icechunk --pattern "(?P<band>B..)_%Y%m%d"',
)
@option(
    "--assets", type=_Names(), metavar="KEY,...",
    help="Assets of STAC items, in the order of the bands.",
)  # fmt: skip
@option("--mosaic", is_flag=True, help="Place rasters of the same coordinates beside each other.")
@option("--as-variables", is_flag=True, help="A variable for each band, named after it.")
@option("--allow-missing", is_flag=True, help="Fill missing positions with nodata.")
@option(
    "--ignore", multiple=True, metavar="PROPERTY",
    help="Let rasters differ in crs, transform or nodata, and take the first one's.",
)  # fmt: skip
@option(
    "--on-error", type=click.Choice(["raise", "skip"]), default="raise",
    help="Whether to leave out files that cannot be used.",
)  # fmt: skip
@option(
    "--parallel", type=click.Choice(["threads", "dask", "lithops"]), default="threads",
    help="Where to read headers.",
)  # fmt: skip
@option(
    "--workers",
    type=click.IntRange(min=1),
    metavar="N",
    default=16,
    help="Files read at the same time.",
)
@option("--append", is_flag=True, help="Append to the Icechunk repository OUT.")
@_publishing_options
def stack(append: bool, **arguments: Any) -> None:
    """Stack FLAC rasters of one grid along new dimensions and write references to the cube.

    URL is a FLAC raster, a path, or the JSON of STAC items. One header per file is read, and no
    pixels. The rasters must have the same grid, CRS, dtype and tiling.
    """
    names = ("assets", "mosaic", "as_variables", "allow_missing", "ignore", "on_error")
    cube = {name: arguments.pop(name) for name in (*names, "parallel", "workers")}
    _publish(cube=cube, append=append, **arguments)


def _publish(
    *,
    urls: Sequence[str],
    output: str,
    cube: dict[str, Any],
    dim: list[str] | None,
    values: Sequence[str],
    pattern: str | None,
    bands: Sequence[int] | None,
    overview: int | None,
    force: bool,
    append: bool,
    base_url: str | None,
    check_base_url: bool,
    stores: dict[str, Any],
    as_json: bool,
    quiet: bool,
    group: str | None = None,
) -> None:
    if check_base_url and base_url is None:
        raise click.BadParameter("belongs to --base-url", param_hint="--check-base-url")
    cube = {**cube, "dim": dim, "values": parse_values(values), "pattern": pattern}
    start = time.perf_counter()
    with progress_bar(Path(output).name, quiet=quiet or as_json) as progress:
        from ..publish import publish
        from ..virtual.parser import FLACParser

        result = publish(
            urls, output, cube=cube, overwrite=force, append=append, base_url=base_url,
            check_base_url=check_base_url, progress=progress, store_options=stores,
            parser=FLACParser(
                bands=bands, overview=overview, group=group,
                progress=progress if len(urls) == 1 else None,
            ),
        )  # fmt: skip
    seconds = round(time.perf_counter() - start, 3)
    if as_json:
        print_json({**result.to_dict(), "seconds": seconds})
        return
    for item in result.skipped:
        echo(f"Skipped: {item.reason}", err=True)
    if not quiet:
        _show(result, seconds)


def _show(result: Published, seconds: float) -> None:
    sizes = ", ".join(f"{name} {size}" for name, size in result.sizes.items())
    ranges = count_text(result.references, "byte range")
    rows = {
        "kind": result.kind,
        "raster": f"{', '.join(result.variables)} ({sizes}), {result.dtype}",
        **({"groups": ", ".join(result.groups)} if result.groups else {}),
        "sources": str(len(result.sources)),
        **({"skipped": str(len(result.skipped))} if result.skipped else {}),
        "references": f"{ranges} in {size_text(result.bytes)}",
        "time": f"{seconds:.1f} s",
    }
    print_rows(result.target, rows)
    if sys.stdout.isatty():
        echo("Open it, where zarr-flac is installed, with")
    echo(result.snippet)


def parse_values(given: Sequence[str]) -> list[Any] | dict[str, list[Any]] | None:
    """Values of one dimension, or, where they begin with ``NAME=``, of several."""
    if not given:
        return None
    named = [text.partition("=") for text in given]
    if all(mark for _, mark, _ in named):
        return {name.strip(): parse_list(words) for name, _, words in named}
    if len(given) > 1:
        raise click.BadParameter(
            "several of them need names: --values time=2026-07-14,... --values band=B04,...",
            param_hint="--values",
        )
    return parse_list(given[0])


def parse_list(text: str) -> list[Any]:
    """Values between commas: all whole numbers, all numbers, all dates, or else words."""
    words = [word.strip() for word in text.split(",")]
    for parse in (int, float, _parse_date):
        try:
            return [parse(word) for word in words]
        except ValueError:
            continue
    return words


def _parse_date(word: str) -> datetime:
    moment = datetime.fromisoformat(word)
    if moment.tzinfo is not None:
        raise click.BadParameter(
            f"{word} has a time zone, which coordinates cannot have; give UTC without one",
            param_hint="--values",
        )
    return moment
