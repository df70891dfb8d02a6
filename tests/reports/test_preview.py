"""`preview`: the right pixels in the right colours, from no more bytes than needed."""

from __future__ import annotations

import io
import re
import sys
from pathlib import Path
from typing import Any

import matplotlib as mpl
import matplotlib.image
import numpy as np
import numpy.typing as npt
import pytest
import rasterio
import rasters
import servers
from click.testing import CliRunner
from rasterio.enums import ColorInterp
from rasters import write_tif

from virtual_flac import preview, read_index, write_flac
from virtual_flac.cli import pictures
from virtual_flac.cli.commands import app
from virtual_flac.errors import SelectionError, TargetExistsError


def both(tif: Path, **options: Any) -> list[Path]:
    """The GeoTIFF and its FLAC."""
    write_flac(tif, tif.with_suffix(".flac"), tile_size=32, **options)
    return [tif, tif.with_suffix(".flac")]


def expected_gray(values: npt.NDArray[Any], valid: npt.NDArray[Any]) -> npt.NDArray[Any]:
    low, high = np.percentile(values[valid], (2, 98))
    gray = mpl.colormaps["gray"](np.clip((values - low) / (high - low), 0, 1), bytes=True)
    gray[~valid, 3] = 0
    return gray


def test_gray_with_nodata(tmp_path: Path) -> None:
    data = rasters.pixels("int16", 1, 60, 80)
    data[0, :5] = -99
    for source in both(write_tif(tmp_path / "x.tif", data, nodata=-99)):
        picture = preview(source, size=80)
        valid = data[0] != -99
        expected = expected_gray(data[0].astype(float), valid)
        np.testing.assert_array_equal(picture.rgba[valid], expected[valid])
        np.testing.assert_array_equal(picture.rgba[..., 3], expected[..., 3])
        assert (picture.level, picture.factor, picture.bands) == (0, 1, (1,))
        assert not picture.rgba[:5, :, 3].any()


@pytest.mark.parametrize("piece", [1, 2000, 16 << 20])
@pytest.mark.parametrize("size", [7, 25, 40])
def test_averages_are_those_of_the_valid_pixels(
    size: int, piece: int, tmp_path: Path, monkeypatch: Any
) -> None:
    monkeypatch.setattr("virtual_flac.reports.preview.PIECE_BYTES", piece)
    data = rasters.pixels("float32", 1, 70, 90)
    factor = -(-90 // size)
    padded = np.full((-(-70 // factor) * factor, -(-90 // factor) * factor), np.nan)
    padded[:70, :90] = np.where(np.isfinite(data[0]) & (data[0] != -9999), data[0], np.nan)
    squares = padded.reshape(padded.shape[0] // factor, factor, -1, factor)
    valid = np.isfinite(squares).any(axis=(1, 3))
    means = np.nansum(squares, axis=(1, 3)) / np.maximum(np.isfinite(squares).sum(axis=(1, 3)), 1)
    for source in both(write_tif(tmp_path / "x.tif", data, nodata=-9999)):
        picture = preview(source, size=size)
        assert picture.factor == factor
        expected = expected_gray(means, valid)
        # Sums in another order may fall on the other side of a step of gray.
        difference = np.abs(picture.rgba.astype(int) - expected)
        assert difference[valid].max() <= 1
        assert not difference[..., 3].any()


def test_red_green_blue(tmp_path: Path) -> None:
    data = rasters.pixels("uint8", 4, 50, 60)
    tif = write_tif(tmp_path / "x.tif", data, photometric="RGB")
    for source in both(tif):
        assert preview(source).bands == (1, 2, 3)
        picture = preview(source, bands=[4, 3, 2], percentiles=(0, 100))
        for channel, band in enumerate((4, 3, 2)):
            values = data[band - 1].astype(float)
            low, high = values.min(), values.max()
            expected = np.rint((values - low) / (high - low) * 255)
            np.testing.assert_array_equal(picture.rgba[..., channel], expected)
        assert (picture.rgba[..., 3] == 255).all()


def test_the_bands_own_colours(tmp_path: Path) -> None:
    tif = rasters.make("palette", tmp_path)
    with rasterio.open(tif) as source:
        table = np.asarray([source.colormap(1)[i] for i in range(256)], np.uint8)
        values = source.read(1)
    for raster in both(tif):
        np.testing.assert_array_equal(preview(raster, size=60).rgba, table[values])
        np.testing.assert_array_equal(preview(raster, size=20).rgba, table[values[::3, ::3]])
        assert preview(raster, cmap="viridis").ranges


def test_colour_maps_and_flat_rasters(tmp_path: Path) -> None:
    flat = write_tif(tmp_path / "flat.tif", np.full((1, 9, 9), 5, "uint16"))
    middle = mpl.colormaps["viridis"](0.5, bytes=True)
    assert (preview(flat, cmap="viridis").rgba == middle).all()
    empty = write_tif(tmp_path / "empty.tif", np.full((1, 9, 9), 5, "uint16"), nodata=5)
    assert not preview(empty).rgba[..., 3].any()


def test_only_the_level_that_serves_is_read(tmp_path: Path, range_server: Any) -> None:
    data = rasters.pixels("uint16", 1, 1000, 1200)
    tif = write_tif(tmp_path / "x.tif", data)
    write_flac(tif, tmp_path / "x.flac", tile_size=128, overviews=[2, 4, 8])
    index = read_index(tmp_path / "x.flac")
    url = servers.url_of(range_server(tmp_path), "x.flac")
    for size, level in [(1200, 0), (601, 1), (600, 1), (400, 2), (300, 2), (150, 3), (20, 3)]:
        registry, trace = servers.counting_registry(url)
        picture = preview(url, size=size, registry=registry)
        assert picture.level == level
        assert max(picture.rgba.shape[:2]) <= size
        wanted = int(index.levels[level].lengths.sum())
        assert trace.total_bytes <= 80 * 1024 + wanted
        assert trace.total_requests <= 1 + index.grid(level).rows


@pytest.mark.parametrize("size", [40, 20])
@pytest.mark.parametrize("bands", [2, 4])
def test_alpha_0_is_transparent(bands: int, size: int, tmp_path: Path) -> None:
    data = np.full((bands, 40, 40), 200, "uint8")
    data[-1] = 255
    data[:, :, 30:] = 0
    tif = write_tif(tmp_path / "x.tif", data)
    colours = [ColorInterp.red, ColorInterp.green, ColorInterp.blue, ColorInterp.alpha]
    with rasterio.open(tif, "r+") as target:
        target.colorinterp = colours if bands == 4 else [ColorInterp.gray, ColorInterp.alpha]
    for source in both(tif):
        alpha = preview(source, size=size).rgba[..., 3]
        edge = size * 3 // 4
        assert (alpha[:, :edge] == 255).all()
        assert not alpha[:, edge:].any()


def test_without_matplotlib_the_extra_is_named(tmp_path: Path, monkeypatch: Any) -> None:
    tif = rasters.make("uint8", tmp_path)
    for name in [name for name in sys.modules if name.partition(".")[0] == "matplotlib"]:
        monkeypatch.setitem(sys.modules, name, None)
    done = CliRunner().invoke(app, ["preview", str(tif), "-o", str(tmp_path / "x.png")])
    assert done.exit_code == 1
    assert done.stderr == 'Error: matplotlib is not installed: pip install "virtual-flac[cli]"\n'


def test_the_png_is_the_picture(tmp_path: Path) -> None:
    [_, flac] = both(rasters.make("uint8_rgba", tmp_path))
    picture = preview(flac, tmp_path / "x.png", size=30)
    found = matplotlib.image.imread(tmp_path / "x.png", format="png")
    np.testing.assert_array_equal(np.rint(found * 255), picture.rgba)
    with pytest.raises(TargetExistsError):
        preview(flac, tmp_path / "x.png")
    preview(flac, tmp_path / "x.png", overwrite=True)


@pytest.mark.parametrize(
    "options",
    [
        {"bands": [5]}, {"bands": [1, 2]}, {"bands": []}, {"size": 0}, {"cmap": "none such"},
        {"percentiles": (98, 2)},
    ],
)  # fmt: skip
def test_bad_options(options: dict[str, Any], tmp_path: Path) -> None:
    tif = rasters.make("uint8_rgba", tmp_path)
    with pytest.raises(SelectionError):
        preview(tif, tmp_path / "x.png", **options)
    assert not (tmp_path / "x.png").exists()


# --- In the terminal ------------------------------------------------------------------------------

RGBA = np.random.default_rng(0).integers(0, 256, (13, 17, 4)).astype(np.uint8)


def test_what_the_terminal_shows() -> None:
    assert pictures.style_of({"COLORTERM": "truecolor"}) == "blocks"
    assert pictures.style_of({"COLORTERM": "truecolor", "NO_COLOR": "1"}) == "plain"
    assert pictures.style_of({"TERM": "xterm"}) == pictures.style_of({}) == "plain"


def test_blocks_have_two_pixels_each() -> None:
    text = pictures.draw(RGBA, 17, "blocks")
    lines = [re.findall(r"\x1b\[([\d;]+)m([ ▀▄])", line) for line in text.splitlines()]
    assert [len(line) for line in lines] == [17] * 7
    padded = np.concatenate([RGBA, np.zeros((1, 17, 4), np.uint8)])
    for row, line in enumerate(lines):
        for col, (codes, sign) in enumerate(line):
            up, down = padded[2 * row, col], padded[2 * row + 1, col]
            shown = [pixel for pixel in (up, down) if pixel[3] >= 128]
            assert sign == ("▀" if up[3] >= 128 else "▄" if down[3] >= 128 else " ")
            layers = zip(("38;2", "48;2"), shown, strict=False)
            wanted = [f"{layer};{';'.join(map(str, pixel[:3]))}" for layer, pixel in layers]
            assert codes == ";".join(["0", *wanted])
    narrow = pictures.draw(RGBA, 9, "blocks")
    assert len(re.findall(r"[ ▀▄]", narrow.splitlines()[0])) == 9


def test_plain_characters_go_from_dark_to_bright() -> None:
    ramp = np.zeros((2, 256, 4), np.uint8)
    ramp[..., :3] = np.arange(256)[:, None]
    ramp[..., 3] = 255
    line = pictures.draw(ramp, 256, "plain")
    assert "".join(dict.fromkeys(line.strip())) == ".:-=+*#%@"
    ramp[..., 3] = 0
    assert pictures.draw(ramp, 256, "plain") == "\n"


def test_png_bytes(tmp_path: Path) -> None:
    tif = rasters.make("uint8", tmp_path)
    data = preview(tif, size=9).to_png()
    assert matplotlib.image.imread(io.BytesIO(data)).shape == (7, 9, 4)
