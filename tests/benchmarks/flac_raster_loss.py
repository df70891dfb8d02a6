"""Pixels that flac-raster 0.1.2 loses: its own round trip, our reading of its files, and our files.

Runs flac-raster itself on deterministic rasters and prints the table of the README's section
"Coming from flac-raster": ``python tests/benchmarks/flac_raster_loss.py``.
"""

from __future__ import annotations

import contextlib
import io
import logging
import tempfile
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import rasterio
from affine import Affine

SIZE = 128
HEAD = (
    "| raster | flac-raster and back | its file, read by us | our file |\n| --- | --- | --- | --- |"
)


def surface(dtype: str, low: float, high: float) -> npt.NDArray[Any]:
    """A smooth surface with noise, from `low` to `high`."""
    rng = np.random.default_rng(12)
    y, x = np.mgrid[0:SIZE, 0:SIZE] / SIZE
    height = np.sin(5 * x) * np.cos(4 * y) + rng.normal(0, 0.1, (SIZE, SIZE))
    share = (height - height.min()) / (height.max() - height.min())
    values = low + share * (high - low)
    if np.dtype(dtype).kind != "f":
        values = np.rint(values)
    return np.asarray(values, dtype)


def cases() -> dict[str, npt.NDArray[Any]]:
    """Name in the table to pixels."""
    dem = surface("int16", 80, 2900)
    dem[:9] = -32768
    return {
        "`uint8`, 0 to 255": surface("uint8", 0, 255),
        "`uint16`, 300 to 7,300": surface("uint16", 300, 7300),
        "`uint16`, 1 to 40,889": surface("uint16", 1, 40_889),
        "`uint16`, 0 to 65,535": surface("uint16", 0, 65_535),
        "`int16`, 80 to 2,900, nodata -32768": dem,
        "`int32`, -70,000 to 900,000": surface("int32", -70_000, 900_000),
        "`uint32`, 0 to 4,000,000,000": surface("uint32", 0, 4_000_000_000),
        "`float32`, -1 to 1": surface("float32", -1, 1),
        "`float32`, 80 to 2,900": surface("float32", 80, 2900),
        "`float64`, -1 to 1": surface("float64", -1, 1),
    }


def table() -> str:
    """The table in Markdown."""
    lines = [HEAD]
    with tempfile.TemporaryDirectory() as scratch, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # its arithmetic overflows
        for name, pixels in cases().items():
            found = losses(pixels, Path(scratch))
            lines.append(f"| {name} | {' | '.join(found)} |")
    return "\n".join(lines)


def losses(pixels: npt.NDArray[Any], folder: Path) -> list[str]:
    """What the three ways lose of a raster, as words."""
    import virtual_flac

    tif = folder / "source.tif"
    with rasterio.open(
        tif, "w", driver="GTiff", dtype=pixels.dtype, count=1, height=SIZE, width=SIZE,
        crs="EPSG:32633", transform=Affine(30, 0, 4e5, 0, -30, 5e6),
    ) as target:  # fmt: skip
        target.write(pixels, 1)
    theirs, ours = folder / "theirs.flac", folder / "ours.flac"
    run_flac_raster("create-streaming", tif, "-o", theirs, "--tile-size", SIZE, "--force")
    run_flac_raster("extract-streaming", theirs, "--tile-id", 0, "-o", folder / "theirs.tif")
    virtual_flac.write_flac(tif, ours, overwrite=True)
    return [words(tif, other) for other in (folder / "theirs.tif", theirs, ours)]


def words(tif: Path, other: Path) -> str:
    """Share of differing pixels and the largest error."""
    import virtual_flac

    [band] = virtual_flac.compare(tif, other).bands
    if not band.differing:
        return "0 %"
    share = 100 * band.share
    exact = f"{share:.2g}" if share < 10 else f"{min(share, 99.9 if band.share < 1 else 100):.3g}"
    error = float(band.max_error or 0)
    if not error:
        return f"{exact} %, lost: NaN"  # no number to compare with
    return (
        f"{exact} %, by up to {error:,.0f}" if error >= 100 else f"{exact} %, by up to {error:.3g}"
    )


def run_flac_raster(*arguments: Any) -> None:
    """One of its commands, in this process, and silent."""
    from flac_raster.cli import app

    logging.getLogger("flac_raster").setLevel(logging.CRITICAL)
    with contextlib.redirect_stdout(io.StringIO()):
        app([str(argument) for argument in arguments], standalone_mode=False)


if __name__ == "__main__":
    print(table())
