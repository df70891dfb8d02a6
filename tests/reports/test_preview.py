"""`preview`: the right pixels in the right colours, from no more bytes than needed."""

from __future__ import annotations

import base64
import io
import re
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

from virtual_flac import preview, read_index, write_flac
from virtual_flac.cli import pictures
from virtual_flac.errors import SelectionError, TargetExistsError


def write(path: Path, data: npt.NDArray[Any], **options: Any) -> Path:
    profile = {"crs": "EPSG:32633", "transform": rasters.NORTH_UP, **options}
    with rasterio.open(
        path, "w", driver="GTiff", dtype=data.dtype, count=len(data), height=data.shape[1],
        width=data.shape[2], **profile,
    ) as target:  # fmt: skip
        target.write(data)
    return path


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
    for source in both(write(tmp_path / "x.tif", data, nodata=-99)):
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
    for source in both(write(tmp_path / "x.tif", data, nodata=-9999)):
        picture = preview(source, size=size)
        assert picture.factor == factor
        expected = expected_gray(means, valid)
        # Sums in another order may fall on the other side of a step of gray.
        difference = np.abs(picture.rgba.astype(int) - expected)
        assert difference[valid].max() <= 1
        assert not difference[..., 3].any()


def test_red_green_blue(tmp_path: Path) -> None:
    data = rasters.pixels("uint8", 4, 50, 60)
    tif = write(tmp_path / "x.tif", data, photometric="RGB")
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
    flat = write(tmp_path / "flat.tif", np.full((1, 9, 9), 5, "uint16"))
    middle = mpl.colormaps["viridis"](0.5, bytes=True)
    assert (preview(flat, cmap="viridis").rgba == middle).all()
    empty = write(tmp_path / "empty.tif", np.full((1, 9, 9), 5, "uint16"), nodata=5)
    assert not preview(empty).rgba[..., 3].any()


def test_only_the_level_that_serves_is_read(tmp_path: Path, range_server: Any) -> None:
    data = rasters.pixels("uint16", 1, 1000, 1200)
    tif = write(tmp_path / "x.tif", data)
    write_flac(tif, tmp_path / "x.flac", tile_size=128, overviews=[2, 4, 8])
    index = read_index(tmp_path / "x.flac")
    url = servers.url_of(range_server(tmp_path), "x.flac")
    for size, level in [(1200, 0), (601, 0), (600, 1), (400, 1), (300, 2), (150, 3), (20, 3)]:
        registry, trace = servers.counting_registry(url)
        picture = preview(url, size=size, registry=registry)
        assert picture.level == level
        assert max(picture.rgba.shape[:2]) <= size
        wanted = int(index.levels[level].lengths.sum())
        assert trace.total_bytes <= 80 * 1024 + wanted
        assert trace.total_requests <= 1 + index.grid(level).rows


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


@pytest.mark.parametrize(
    ("environment", "expected"),
    [
        ({"TERM": "xterm-kitty"}, "kitty"),
        ({"TERM": "xterm", "KITTY_WINDOW_ID": "1"}, "kitty"),
        ({"TERM_PROGRAM": "WezTerm"}, "kitty"),
        ({"TERM_PROGRAM": "iTerm.app"}, "iterm2"),
        ({"TERM": "foot"}, "sixel"),
        ({"TERM": "xterm-256color"}, "blocks"),
        ({}, "blocks"),
    ],
)
def test_what_the_terminal_understands(environment: dict[str, str], expected: str) -> None:
    assert pictures.protocol_of(environment) == expected


def test_kitty_and_iterm2_carry_the_png() -> None:
    png = bytes(range(256)) * 40
    pieces = re.findall(r"\x1b_G(.*?);(.*?)\x1b\\", pictures.kitty(png))
    assert base64.b64decode("".join(piece for _, piece in pieces)) == png
    assert all(len(piece) <= 4096 for _, piece in pieces)
    assert [keys[-1] for keys, _ in pieces] == ["1"] * (len(pieces) - 1) + ["0"]
    [text] = re.findall(r"\x1b\]1337;File=inline=1;size=10240:(.*)\a", pictures.iterm2(png))
    assert base64.b64decode(text) == png


def test_sixels_draw_every_pixel_once() -> None:
    body = re.fullmatch(r'\x1bP0;1q"1;1;17;13(.*)\x1b\\\n', pictures.sixel(RGBA))
    assert body
    colours: dict[int, tuple[int, ...]] = {}
    drawn = np.full((18, 17), -1)
    x = y = colour = 0
    for token in re.findall(r"#\d+;2;\d+;\d+;\d+|#\d+|!\d+.|[$-]|[?-~]", body[1]):
        if token.startswith("#") and ";" in token:
            number, _, *shares = token[1:].split(";")
            colours[int(number)] = tuple(map(int, shares))
        elif token.startswith("#"):
            colour = int(token[1:])
        elif token == "$":
            x = 0
        elif token == "-":
            x, y = 0, y + 6
        else:
            count, bits = (int(token[1:-1]), token[-1]) if token[0] == "!" else (1, token)
            for bit in range(6):
                if (ord(bits) - 63) >> bit & 1:
                    assert (drawn[y + bit, x : x + count] == -1).all()
                    drawn[y + bit, x : x + count] = colour
            x += count
    opaque = RGBA[..., 3] >= 128
    np.testing.assert_array_equal(drawn[:13] >= 0, opaque)
    assert (drawn[13:] == -1).all()
    for row, col in np.argwhere(opaque):
        shown = np.asarray(colours[drawn[row, col]]) / 100 * 255
        assert np.abs(shown - RGBA[row, col, :3]).max() <= 255 / 5 / 2 + 2


def test_blocks_have_two_pixels_each() -> None:
    text = pictures.blocks(RGBA, 17)
    lines = text.plain.splitlines()
    assert len(lines) == 7
    assert {len(line) for line in lines} == {17}
    opaque = np.concatenate([RGBA[..., 3] >= 128, np.zeros((1, 17), bool)])
    for row, line in enumerate(lines):
        for col, sign in enumerate(line):
            up, down = opaque[2 * row, col], opaque[2 * row + 1, col]
            assert sign == ("▀" if up else "▄" if down else " ")
    narrow = pictures.blocks(RGBA, 9)
    assert max(map(len, narrow.plain.splitlines())) <= 9


def test_png_bytes(tmp_path: Path) -> None:
    tif = rasters.make("uint8", tmp_path)
    data = preview(tif, size=9).to_png()
    assert matplotlib.image.imread(io.BytesIO(data)).shape == (7, 9, 4)
