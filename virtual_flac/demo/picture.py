"""One picture of what the demo read. Knows matplotlib; reads nothing."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import LightSource, LinearSegmentedColormap
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

#: Valley to ridge; unlike "terrain", it starts on land.
_LAND = LinearSegmentedColormap.from_list(
    "land", ["#4f7d4a", "#8fae68", "#d9d39a", "#c0985f", "#8a6146", "#f4efe9"]
)
_LINES = ("#e07a1f", "#2f6fa8", "#2b2d42")
_MARKS = ("^", "o", "v")


def draw(
    target: Path, data: dict[str, xr.DataArray], *, elevation: bool, series: dict[str, Any]
) -> None:
    """Draw the raster, the window that was read, the dates and the series at three points.

    Parameters
    ----------
    target : Path
        A PNG.
    data : dict
        ``overview`` and ``window`` (y, x), ``dates`` (time, y, x).
    elevation : bool
        Whether the raster is an elevation model, drawn with shaded relief.
    series : dict
        ``dates``, ``name``, ``unit``, ``points``.
    """
    # No pyplot: it would choose a screen and keep the figure.
    figure = Figure(figsize=(13, 9.6), dpi=110, layout="constrained", facecolor="white")
    FigureCanvasAgg(figure)
    upper, lower = _parts(figure)
    left, right = upper.subplots(1, 2)
    _draw_raster(left, data, elevation, series)
    _draw_window(right, data, elevation)
    _draw_dates(lower, data["dates"], series)
    figure.savefig(target, metadata={"Software": "virtual-flac demo"})


def _parts(figure: Figure) -> Any:
    # An array of two; annotated as a single one.
    return figure.subfigures(2, 1, height_ratios=(1.3, 1))


def _draw_raster(
    axes: Axes, data: dict[str, xr.DataArray], elevation: bool, series: dict[str, Any]
) -> None:
    raster, window = data["overview"], data["window"]
    limits = _limits(raster)
    image = _show(axes, raster, elevation, limits)
    _colour_bar(axes, image, raster)
    left, right, bottom, top = _extent(window)
    axes.add_patch(
        Rectangle((left, bottom), right - left, top - bottom, fill=False, color="k", linewidth=1.6)
    )
    _draw_points(axes, series)
    height, width = raster.shape
    axes.set_title(f"Read from FLAC by HTTP: {width} x {height} pixels", loc="left")


def _draw_points(axes: Axes, series: dict[str, Any]) -> None:
    for point, colour, mark in zip(series["points"], _LINES, _MARKS, strict=False):
        if "x" in point:
            axes.plot(
                point["x"], point["y"], mark, color=colour, markersize=9,
                markeredgecolor="white", markeredgewidth=1.4,
            )  # fmt: skip


def _draw_window(axes: Axes, data: dict[str, xr.DataArray], elevation: bool) -> None:
    window = data["window"]
    image = _show(axes, window, elevation, _limits(data["overview"]))
    _colour_bar(axes, image, window)
    for side in axes.spines.values():
        side.set_linewidth(1.6)
    height, width = window.shape
    axes.set_title(f"The window that was compared: {width} x {height} pixels", loc="left")


def _draw_dates(figure: Any, dates: xr.DataArray, series: dict[str, Any]) -> None:
    shapes = {"width_ratios": (1, 1, 1, 1.25)}
    *maps, chart = figure.subplots(1, len(dates) + 1, gridspec_kw=shapes)
    limits = _limits(dates)
    image = None
    for axes, date, day in zip(maps, dates, series["dates"], strict=True):
        image = axes.imshow(
            date, extent=_extent(date), cmap="inferno", vmin=limits[0], vmax=limits[1],
            aspect=_aspect(date), interpolation="nearest",
        )  # fmt: skip
        axes.set_title(day, loc="left")
        axes.set_xticks([])
        axes.set_yticks([])
    what = _label(series["name"], series["unit"])
    figure.colorbar(image, ax=maps, location="bottom", shrink=0.6, aspect=45, label=what)
    _draw_series(chart, series, what)


def _draw_series(axes: Axes, series: dict[str, Any], what: str) -> None:
    places = np.arange(len(series["dates"]))
    for point, colour, mark in zip(series["points"], _LINES, _MARKS, strict=False):
        values = [np.nan if value is None else value for value in point["values"]]
        axes.plot(
            places, values, mark + "-", color=colour, markersize=8, linewidth=2,
            markeredgecolor="white", label=point["name"],
        )  # fmt: skip
    axes.set_xticks(places, series["dates"])
    axes.margins(x=0.12, y=0.1)
    axes.grid(axis="y", color="0.88", linewidth=0.8)
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(frameon=False, title=f"pixels of {series['dates'][-1]}", alignment="left")
    axes.set_ylabel(what)
    axes.set_title("Three pixels of the cube", loc="left")


def _show(axes: Axes, raster: xr.DataArray, elevation: bool, limits: tuple[float, float]) -> Any:
    options: dict[str, Any] = {
        "extent": _extent(raster),
        "aspect": _aspect(raster),
        "interpolation": "nearest",
    }
    colours = _LAND if elevation else "viridis"
    # The image below carries the colour bar; the shaded relief covers it.
    image = axes.imshow(raster, cmap=colours, vmin=limits[0], vmax=limits[1], **options)
    if elevation:
        axes.imshow(_relief(raster, limits), **options)
    axes.tick_params(labelsize=8)
    axes.ticklabel_format(useOffset=False)
    axes.locator_params(nbins=5)
    return image


def _relief(raster: xr.DataArray, limits: tuple[float, float]) -> npt.NDArray[Any]:
    light = LightSource(azdeg=315, altdeg=45)
    x, y = raster["x"].to_numpy(), raster["y"].to_numpy()
    metres = 111_320.0
    shaded: npt.NDArray[Any] = light.shade(
        raster.to_numpy().astype(float), cmap=_LAND, vmin=limits[0], vmax=limits[1],
        blend_mode="soft", vert_exag=2.5, dy=abs(y[1] - y[0]) * metres,
        dx=abs(x[1] - x[0]) * metres * np.cos(np.deg2rad(y.mean())),
    )  # fmt: skip
    return shaded


def _colour_bar(axes: Axes, image: Any, raster: xr.DataArray) -> None:
    name = str(raster.attrs.get("long_name", ""))
    figure = axes.get_figure()
    assert figure is not None
    figure.colorbar(image, ax=axes, shrink=0.8, label=_label(name, raster.attrs.get("units", "")))


def _label(name: str, unit: str) -> str:
    shown = unit.replace("W m-2", "W/m²")
    return f"{name} ({shown})" if shown else name


def _limits(raster: xr.DataArray) -> tuple[float, float]:
    values = raster.to_numpy()
    known = values[np.isfinite(values)]
    if not known.size:
        return 0.0, 1.0
    low, high = np.percentile(known, (1, 99))
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
    if crs is None or "y" not in raster.coords or "longitude_of_prime_meridian" not in crs.attrs:
        return 1.0
    geographic = crs.attrs.get("grid_mapping_name") == "latitude_longitude"
    return float(1 / np.cos(np.deg2rad(raster["y"].to_numpy().mean()))) if geographic else 1.0
