"""One picture of what the demo read."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr
from matplotlib.colors import LightSource, LinearSegmentedColormap
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from ..model.text import printable

#: Valley to ridge; matplotlib's "terrain" begins at sea.
_LAND = LinearSegmentedColormap.from_list(
    "land", ["#4f7d4a", "#8fae68", "#d9d39a", "#c0985f", "#8a6146", "#f4efe9"]
)


def draw(
    target: Path, raster: xr.DataArray, bounds: Sequence[float], cube: xr.DataArray, *, relief: bool
) -> None:
    """Draw a raster, the bounds of what was compared, the dates of a cube, and pixels of it.

    `relief` shades the elevations of the demo.
    """
    # No pyplot: it would choose a screen and keep the figure.
    figure = Figure(figsize=(11, 8.6), dpi=110, layout="constrained")
    parts: Any = figure.subfigures(2, 1, height_ratios=(1.5, 1))  # an array of two
    whole, chart = parts[0].subplots(1, 2, width_ratios=(1.7, 1))
    title = "Read from FLAC by HTTP: {1} x {0} pixels".format(*raster.shape)
    image = _show(whole, title, raster, cmap=_LAND if relief else "viridis", robust=True)
    parts[0].colorbar(image, ax=whole, label=_label(raster))
    if relief:
        # On top of the image, to which the colour bar belongs.
        height, colours = raster.to_numpy(), image.to_rgba(raster.to_numpy())[..., :3]
        shaded = LightSource().shade_rgb(colours, height, blend_mode="soft", vert_exag=0.03)
        whole.imshow(shaded, extent=image.get_extent(), aspect=whole.get_aspect())
    west, south, east, north = bounds
    whole.ticklabel_format(useOffset=False)
    whole.add_patch(Rectangle((west, south), east - west, north - south, fill=False, linewidth=1.6))
    days = np.datetime_as_string(cube["time"], unit="D")
    limits = {"vmin": float(cube.min()), "vmax": float(cube.max())}
    maps = parts[1].subplots(1, len(cube))
    for axes, date, day in zip(maps, cube, days, strict=True):
        image = _show(axes, day, date, cmap="inferno", **limits)
        axes.set(xticks=[], yticks=[])
    parts[1].colorbar(image, ax=maps, label=_label(cube))
    # Marks at an edge would be cut off.
    top, left = (size // 4 for size in cube.shape[1:])
    last = np.nan_to_num(cube[-1, top : 3 * top + 1, left : 3 * left + 1])
    for name, place, colour, mark in (
        ("brightest", last.argmax(), "#e07a1f", "^"),
        ("median", last.ravel().argsort()[last.size // 2], "#2f6fa8", "o"),
        ("darkest", last.argmin(), "#2b2d42", "v"),
    ):
        row, column = divmod(place, last.shape[1])
        pixel = cube[:, top + row, left + column]
        look: dict[str, Any] = {"color": colour, "markersize": 8, "markeredgecolor": "white"}
        chart.plot(days, pixel, f"{mark}-", label=name, **look)
        whole.plot(pixel["x"], pixel["y"], mark, **look)
    chart.legend(frameon=False)
    chart.set_title("Pixels of the cube", loc="left")
    chart.set_ylabel(_label(cube))
    chart.grid(axis="y", color="0.88")
    chart.spines[["top", "right"]].set_visible(False)
    figure.savefig(target)


def _show(axes: Any, title: str, raster: xr.DataArray, **look: Any) -> Any:
    image = raster.plot.imshow(ax=axes, add_colorbar=False, add_labels=False, **look)
    crs = raster["spatial_ref"].attrs if "spatial_ref" in raster.coords else {}
    degrees = crs.get("grid_mapping_name") == "latitude_longitude"
    # Degrees of longitude are shorter than those of latitude.
    axes.set_aspect(float(1 / np.cos(np.deg2rad(raster["y"].mean()))) if degrees else 1)
    axes.set_title(title, loc="left")
    return image


def _label(raster: xr.DataArray) -> str:
    unit = f" ({raster.attrs['units']})" if "units" in raster.attrs else ""
    text = printable(f"{raster.attrs.get('long_name', 'value')}{unit}")
    # matplotlib would read what stands between dollar signs as a formula.
    return text.replace("$", r"\$")
