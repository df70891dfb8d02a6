"""One picture of what the demo read."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr
from matplotlib import colormaps
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import LightSource, LinearSegmentedColormap
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

# Without the blue of water.
_LAND = LinearSegmentedColormap.from_list("land", colormaps["terrain"](np.linspace(0.25, 1, 256)))
_COLOURS = ("#e07a1f", "#2f6fa8", "#2b2d42")


def draw(
    target: Path, data: dict[str, xr.DataArray], *, colours: str, series: dict[str, Any]
) -> None:
    """Draw the raster, the window that was read, the dates and the series at three points.

    Parameters
    ----------
    target : Path
        A PNG.
    data : dict
        ``overview`` and ``window`` (y, x), ``dates`` (time, y, x).
    colours : str
        matplotlib's colour map for the raster.
    series : dict
        ``dates``, ``name``, ``unit``, ``points``.
    """
    # No pyplot: it would choose a screen and keep the figure.
    figure = Figure(figsize=(13, 9.6), dpi=110, layout="constrained", facecolor="white")
    FigureCanvasAgg(figure)
    parts: Any = figure.subfigures(2, 1, height_ratios=(1.3, 1))
    left, right = parts[0].subplots(1, 2)
    whole, window, dates = (data[name] for name in ("overview", "window", "dates"))
    for axes, raster, what in (
        (left, whole, "Read from FLAC by HTTP"),
        (right, window, "The window that was compared"),
    ):
        image = _show(axes, raster, colours, _limits(whole))
        label = _label(str(raster.attrs.get("long_name", "")), raster.attrs.get("units", ""))
        parts[0].colorbar(image, ax=axes, shrink=0.8, label=label)
        axes.set_title(f"{what}: {raster.shape[1]} x {raster.shape[0]} pixels", loc="left")
        axes.ticklabel_format(useOffset=False)
        axes.locator_params(nbins=5)
    west, east, south, north = _extent(window)
    left.add_patch(Rectangle((west, south), east - west, north - south, fill=False, linewidth=1.6))
    *maps, chart = parts[1].subplots(1, 4, gridspec_kw={"width_ratios": (1, 1, 1, 1.25)})
    for axes, date, day in zip(maps, dates, series["dates"], strict=True):
        image = _show(axes, date, "inferno", _limits(dates))
        axes.set(title=day, xticks=[], yticks=[])
    label = _label(series["name"], series["unit"])
    parts[1].colorbar(image, ax=maps, location="bottom", shrink=0.6, aspect=45, label=label)
    for point, colour in zip(series["points"], _COLOURS, strict=True):
        values = [np.nan if value is None else value for value in point["values"]]
        chart.plot(series["dates"], values, "o-", color=colour, label=point["name"])
        if "x" in point:
            left.plot(point["x"], point["y"], "o", color=colour, markeredgecolor="white")
    chart.legend(frameon=False)
    chart.set_ylabel(label)
    chart.set_title("Three pixels of the cube", loc="left")
    figure.savefig(target, metadata={"Software": "virtual-flac demo"})


def _show(axes: Any, raster: xr.DataArray, colours: str, limits: tuple[float, float]) -> Any:
    place = {"extent": _extent(raster), "aspect": _aspect(raster), "interpolation": "nearest"}
    land = colours == "terrain"
    image = axes.imshow(
        raster, cmap=_LAND if land else colours, vmin=limits[0], vmax=limits[1], **place
    )
    if land:
        shade = LightSource(315, 45).hillshade(raster.to_numpy(), dx=90, dy=90, vert_exag=3)
        axes.imshow(shade, cmap="gray", vmin=0, vmax=1, alpha=0.35, **place)
    return image


def _label(name: str, unit: str) -> str:
    return f"{name} ({unit})" if unit else name


def _limits(raster: xr.DataArray) -> tuple[float, float]:
    values = raster.to_numpy()
    known = values[np.isfinite(values)]
    low, high = np.percentile(known, (1, 99)) if known.size else (0.0, 1.0)
    return float(low), float(high) if high > low else float(low) + 1


def _extent(raster: xr.DataArray) -> tuple[float, float, float, float]:
    """Left, right, bottom, top of the pixels' outer edges."""
    height, width = raster.shape
    if "x" not in raster.coords or "y" not in raster.coords or min(height, width) < 2:
        return -0.5, width - 0.5, height - 0.5, -0.5
    x, y = raster["x"].to_numpy(), raster["y"].to_numpy()
    half_x, half_y = (x[1] - x[0]) / 2, (y[1] - y[0]) / 2
    return x[0] - half_x, x[-1] + half_x, y[-1] + half_y, y[0] - half_y


def _aspect(raster: xr.DataArray) -> float:
    """Degrees of longitude are shorter than those of latitude."""
    crs = raster.coords.get("spatial_ref")
    if crs is None or crs.attrs.get("grid_mapping_name") != "latitude_longitude":
        return 1.0
    return float(1 / np.cos(np.deg2rad(raster["y"].to_numpy().mean())))
