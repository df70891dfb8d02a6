"""One picture of what the demo read."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import LightSource, LinearSegmentedColormap
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from ..model.text import printable

#: Valley to ridge; matplotlib's "terrain" begins at sea.
_LAND = LinearSegmentedColormap.from_list(
    "land", ["#4f7d4a", "#8fae68", "#d9d39a", "#c0985f", "#8a6146", "#f4efe9"]
)
#: Colours and marks of the three pixels.
_PIXELS = (("#e07a1f", "^"), ("#2f6fa8", "o"), ("#2b2d42", "v"))


def draw(
    target: Path, data: dict[str, xr.DataArray], series: dict[str, Any], *, relief: bool
) -> None:
    """Draw the raster, the window that was read, the dates and the series at three pixels.

    `data` and `series` are what `reading` gives; `relief` shades the elevations of the demo.
    """
    # No pyplot: it would choose a screen and keep the figure.
    figure = Figure(figsize=(13, 9.6), dpi=110, layout="constrained", facecolor="white")
    FigureCanvasAgg(figure)
    parts: Any = figure.subfigures(2, 1, height_ratios=(1.3, 1))  # an array of two
    upper, lower = parts
    whole, window, dates = (data[name] for name in ("overview", "window", "dates"))
    left, right = upper.subplots(1, 2)
    for axes, raster, what in (
        (left, whole, "Read from FLAC by HTTP"),
        (right, window, "The window that was compared"),
    ):
        image = _show(axes, raster, _LAND if relief else "viridis", _limits(whole))
        label = _label(raster.attrs.get("long_name", ""), raster.attrs.get("units", ""))
        upper.colorbar(image, ax=axes, shrink=0.8, label=label)
        if relief:
            colours = image.to_rgba(raster.to_numpy())[..., :3]
            light = LightSource(azdeg=315, altdeg=45)
            # On top of the image, to which the colour bar belongs.
            shaded = light.shade_rgb(colours, raster.to_numpy(), blend_mode="soft", vert_exag=0.03)
            axes.imshow(shaded, extent=image.get_extent(), aspect=axes.get_aspect())
        height, width = raster.shape
        axes.set_title(f"{what}: {width} x {height} pixels", loc="left")
        axes.ticklabel_format(useOffset=False)
        axes.locator_params(nbins=5)
    west, east, south, north = (f(window[axis]) for axis in "xy" for f in (np.min, np.max))
    left.add_patch(Rectangle((west, south), east - west, north - south, fill=False, linewidth=1.6))
    *maps, chart = lower.subplots(1, 4, gridspec_kw={"width_ratios": (1, 1, 1, 1.25)})
    for axes, date, day in zip(maps, dates, series["dates"], strict=True):
        image = _show(axes, date, "inferno", _limits(dates))
        axes.set(xticks=[], yticks=[])
        axes.set_title(day, loc="left")
    label = _label(series["name"], series["unit"])
    lower.colorbar(image, ax=maps, location="bottom", shrink=0.6, aspect=45, label=label)
    for point, (colour, mark) in zip(series["points"], _PIXELS, strict=True):
        look: dict[str, Any] = {"color": colour, "markersize": 8, "markeredgecolor": "white"}
        values = [np.nan if value is None else value for value in point["values"]]
        chart.plot(series["dates"], values, f"{mark}-", label=point["name"], **look)
        at = dates.isel(x=point["column"], y=point["row"])
        left.plot(at["x"], at["y"], mark, **look)
    chart.legend(frameon=False, title=f"pixels of {series['dates'][-1]}", alignment="left")
    chart.set_ylabel(label)
    chart.set_title("Three pixels of the cube", loc="left")
    chart.grid(axis="y", color="0.88")
    chart.spines[["top", "right"]].set_visible(False)
    figure.savefig(target, metadata={"Software": "virtual-flac demo"})


def _show(axes: Any, raster: xr.DataArray, colours: Any, limits: tuple[float, float]) -> Any:
    image = raster.plot.imshow(
        ax=axes, cmap=colours, vmin=limits[0], vmax=limits[1], interpolation="nearest",
        add_colorbar=False, add_labels=False,
    )  # fmt: skip
    crs = raster.coords.get("spatial_ref")
    degrees = crs is not None and crs.attrs.get("grid_mapping_name") == "latitude_longitude"
    # Degrees of longitude are shorter than those of latitude.
    axes.set_aspect(float(1 / np.cos(np.deg2rad(raster["y"].mean()))) if degrees else 1)
    return image


def _limits(raster: xr.DataArray) -> tuple[float, float]:
    if not raster.notnull().any():
        return 0.0, 1.0
    low, high = np.nanpercentile(raster, (1, 99))
    return float(low), float(high) if high > low else float(low) + 1


def _label(name: str, unit: str) -> str:
    text = f"{name} ({unit.replace('W m-2', 'W/m²')})" if unit else name
    # matplotlib would read what stands between dollar signs as a formula.
    return printable(text).replace("$", r"\$")
