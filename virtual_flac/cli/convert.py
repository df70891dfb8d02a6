"""`virtual-flac convert`: GeoTIFF to FLAC raster and back, and FLAC raster to FLAC raster."""

from __future__ import annotations

import re
import time
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ..errors import SourceError
from .console import (
    clear_errors,
    parse_numbers,
    print_json,
    print_table,
    progress_bar,
    ratio_text,
    size_text,
)
from .options import Anonymous, AsJson, Quiet, StoreOptions, registry_of

if TYPE_CHECKING:
    from ..model.index import TileIndex

_GEOTIFF_SUFFIXES = (".tif", ".tiff", ".gtiff")
_FLAC_SUFFIXES = (".flac",)
_TO_FLAC = "Writing FLAC"
_TO_GEOTIFF = "Writing GeoTIFF"


class _Kind(StrEnum):
    flac = "flac"
    flac_raster = "flac-raster"
    geotiff = "geotiff"


class _Interleave(StrEnum):
    band = "band"
    tile = "tile"
    pixel = "pixel"


def convert(
    source: Annotated[
        str, typer.Argument(metavar="IN", help="GeoTIFF or other raster; or a FLAC raster or URL.")
    ],
    output: Annotated[
        Path | None,
        typer.Option(
            "--output",
            "-o",
            metavar="OUT",
            help="File to write: .flac or .tif. By default IN's name with the other ending.",
        ),
    ] = None,
    kind: Annotated[
        _Kind | None,
        typer.Option(
            "--to",
            help="What to write; by default what OUT ends in. [b]flac-raster[/b]: that program's "
            "streaming layout, for those who stay with it.",
        ),
    ] = None,
    force: Annotated[bool, typer.Option("--force", "-f", help="Replace OUT if it exists.")] = False,
    tile_size: Annotated[
        int | None,
        typer.Option(help="Edge of the tiles in pixels: 1024 for FLAC, 512 for GeoTIFF."),
    ] = None,
    overviews: Annotated[
        str,
        typer.Option(
            help="[b]source[/b]: those of IN, as they are. [b]none[/b]. To FLAC also "
            "[b]auto[/b]: made if IN has none, and factors like [b]2,4,8[/b]. To GeoTIFF also "
            "[b]all[/b]: those that were made on the way, too."
        ),
    ] = "source",
    workers: Annotated[
        int | None, typer.Option(min=1, help="Threads; one per core by default.")
    ] = None,
    compression: Annotated[
        int | None,
        typer.Option(
            "--compression",
            "-c",
            min=0,
            max=8,
            help="FLAC level, 0 fast to 8 small; 5 by default.",
            rich_help_panel=_TO_FLAC,
        ),
    ] = None,
    interleave: Annotated[
        _Interleave | None,
        typer.Option(
            help="A stream per band and tile in the order of bands (default) or tiles; or bands "
            "as channels.",
            rich_help_panel=_TO_FLAC,
        ),
    ] = None,
    bands: Annotated[
        str | None,
        typer.Option(
            metavar="N,...",
            help="Only these bands, in this order: [b]4,3,2[/b].",
            rich_help_panel=_TO_FLAC,
        ),
    ] = None,
    resampling: Annotated[
        str | None,
        typer.Option(
            help="How overviews are made: GDAL's nearest, average, bilinear, cubic, mode ...",
            rich_help_panel=_TO_FLAC,
        ),
    ] = None,
    drop_mask: Annotated[
        bool,
        typer.Option(
            "--drop-mask",
            help="Leave out a mask, which FLAC rasters do not hold.",
            rich_help_panel=_TO_FLAC,
        ),
    ] = False,
    compress: Annotated[
        str | None,
        typer.Option(
            help="deflate (default), zstd, lzw, lzma, none ...", rich_help_panel=_TO_GEOTIFF
        ),
    ] = None,
    spatial: Annotated[
        bool,
        typer.Option(
            "--spatial",
            "-s",
            help="As flac-raster has it: tiles of 512. All our FLAC files are tiled.",
            rich_help_panel=_TO_FLAC,
        ),
    ] = False,
    store_option: StoreOptions = None,
    anonymous: Anonymous = False,
    as_json: AsJson = False,
    verbose: Annotated[
        bool, typer.Option("--verbose", "-v", help="Say what is done, on standard error.")
    ] = False,
    quiet: Quiet = False,
) -> None:
    """Convert GeoTIFF to FLAC and back, or FLAC to FLAC, without loss.

    [b]virtual-flac convert dem.tif -o dem.flac --overviews auto[/b]

    [b]virtual-flac convert https://example.com/dem.flac -o dem.tif[/b]

    [b]virtual-flac convert dem.flac -o theirs.flac --to flac-raster --bands 1[/b]
    """
    with clear_errors():
        registry = registry_of(source, store_option, anonymous)
        from_flac = _is_flac(source, registry)
        output = output or _default_output(source, kind, from_flac=from_flac)
    forward = _is_to_flac(source, output, kind, from_flac=from_flac)
    if spatial and forward:
        tile_size = tile_size or 512
    to_flac: dict[str, Any] = {
        "compression": compression,
        "interleave": interleave.value if interleave else None,
        "bands": parse_numbers(bands, "bands") if bands else None,
        "resampling": resampling,
        "mask": "drop" if drop_mask else None,
        "layout": "flac-raster" if kind is _Kind.flac_raster else None,
        "spatial": spatial or None,
    }
    to_geotiff: dict[str, Any] = {"compress": compress}
    both = {"tile_size": tile_size, "workers": workers}
    _refuse(to_geotiff if forward else to_flac, forward)
    del to_flac["spatial"]
    chosen = {**both, **(to_flac if forward else to_geotiff)}
    options = {name: value for name, value in chosen.items() if value is not None}
    options["overviews"] = _parse_overviews(overviews, forward)
    if verbose:
        told = ", ".join(f"{name} {value}" for name, value in options.items())
        typer.echo(f"Reading {source}\nWriting {output} with {told}", err=True)
    start = time.perf_counter()
    with clear_errors(), progress_bar(output.name, quiet=quiet or as_json) as progress:
        # GDAL and what comes with it is not needed to print a help text.
        from ..geotiff.to_flac import write_flac
        from ..geotiff.to_geotiff import write_geotiff

        write = write_flac if forward else write_geotiff
        index = write(
            source, output, overwrite=force, progress=progress, registry=registry, **options
        )
    seconds = time.perf_counter() - start
    result = _result(index, source, output, seconds, forward=forward)
    if as_json:
        print_json(result)
    elif not quiet:
        print_table(str(output), _summary(result))


def _default_output(source: str, kind: _Kind | None, *, from_flac: bool) -> Path:
    """IN's name with the ending of what is written; beside a file, here for a URL."""
    to_flac = kind in (_Kind.flac, _Kind.flac_raster) or (kind is None and not from_flac)
    path = Path(source.rpartition("/")[2]) if "://" in source else Path(source)
    if path.name in ("", ".."):
        raise SourceError(f"{source} is a folder, expected a file")
    return path.with_suffix(".flac" if to_flac else ".tif")


def _is_to_flac(source: str, output: Path, kind: _Kind | None, *, from_flac: bool) -> bool:
    """Which way, by the suffix of OUT."""
    suffix = output.suffix.lower()
    if suffix not in (*_GEOTIFF_SUFFIXES, *_FLAC_SUFFIXES):
        raise typer.BadParameter(f"{output} must end in .flac or .tif", param_hint="-o")
    forward = suffix in _FLAC_SUFFIXES
    if kind is not None and forward != (kind is not _Kind.geotiff):
        raise typer.BadParameter(
            f"{output} does not end as {kind.value} does; leave out one of the two",
            param_hint="--to",
        )
    if not forward and not from_flac:
        raise typer.BadParameter(
            f"{source} is no FLAC raster, and only these become GeoTIFF; to make one of it, let "
            "OUT end in .flac",
            param_hint="IN",
        )
    if output.exists() and Path(source).exists() and output.samefile(source):
        raise typer.BadParameter(f"{output} is IN itself; choose another name", param_hint="-o")
    return forward


def _is_flac(source: str, registry: Any) -> bool:
    from ..rasters import is_flac

    return is_flac(source, registry)


def _refuse(options: dict[str, Any], forward: bool) -> None:
    """Refuse options that belong to the other direction."""
    for name, value in options.items():
        if value is not None:
            raise typer.BadParameter(
                f"has no meaning when a {'FLAC' if forward else 'GeoTIFF'} is written",
                param_hint=f"--{ {'mask': 'drop-mask', 'layout': 'to'}.get(name, name) }",
            )


def _parse_overviews(text: str, forward: bool) -> str | list[int]:
    words = ("source", "auto", "none") if forward else ("source", "all", "none")
    if text in words:
        return text
    if forward and re.fullmatch(r"[\d, -]+", text):
        return parse_numbers(text, "overviews")
    factors = " or factors like 2,4,8" if forward else ""
    raise typer.BadParameter(
        f"{text!r}, expected {', '.join(words)}{factors}", param_hint="--overviews"
    )


def _result(
    index: TileIndex, source: str, output: Path, seconds: float, *, forward: bool
) -> dict[str, Any]:
    raster = index.raster
    pixels = sum(level.width * level.height for level in index.levels) * raster.count
    size = output.stat().st_size
    return {
        "source": source,
        "target": str(output),
        "width": raster.width,
        "height": raster.height,
        "bands": raster.count,
        "dtype": raster.dtype.name,
        "levels": [[level.width, level.height] for level in index.levels],
        "tiles": index.tile_count,
        "tile_shape": list(index.tile_shape),
        "interleave": index.interleave,
        "layout": index.layout if forward else "geotiff",
        "pixel_bytes": pixels * raster.dtype.itemsize,
        "target_bytes": size,
        "ratio": round(pixels * raster.dtype.itemsize / size, 3),
        "seconds": round(seconds, 3),
    }


def _summary(result: dict[str, Any]) -> dict[str, str]:
    shape = f"{result['width']} x {result['height']} x {result['bands']} {result['dtype']}"
    overviews = ", ".join(f"{width} x {height}" for width, height in result["levels"][1:])
    tile = " x ".join(map(str, result["tile_shape"]))
    return {
        "raster": shape,
        "overviews": overviews or "none",
        "tiles": f"{result['tiles']} of {tile}, by {result['interleave']}",
        "pixels": size_text(result["pixel_bytes"]),
        "file": f"{size_text(result['target_bytes'])}, {ratio_text(result['ratio'])}",
        "time": f"{result['seconds']:.1f} s",
    }
