"""Masks of a band's own, which FLAC rasters lack: shown, compared, never lost silently."""

from __future__ import annotations

import json
import shutil
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio
from click.testing import CliRunner
from rasterio.enums import Resampling
from rasters import NORTH_UP, make, pixels

import virtual_flac
from virtual_flac.cli.commands import app
from virtual_flac.errors import RasterError, SelectionError

#: A mask in nobody's blocks.
MASK = np.add.outer(np.arange(150), np.arange(190)) % 7 > 2


def masked(folder: Path, name: str = "overviews", mask: Any = MASK, internal: bool = True) -> Path:
    source = make(name, folder)
    with rasterio.Env(GDAL_TIFF_INTERNAL_MASK=internal), rasterio.open(source, "r+") as dataset:
        dataset.write_mask(mask)
    return source


def opened(path: Path) -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # a PNG lies nowhere
        return rasterio.open(path)


def run(*words: Any) -> Any:
    return CliRunner().invoke(app, [str(word) for word in words])


@pytest.mark.parametrize("internal", [True, False])
@pytest.mark.parametrize("suffix", ["tif", "png", "flac"])
def test_extract_refuses_a_mask_or_drops_it(tmp_path: Path, suffix: str, internal: bool):
    source, target = masked(tmp_path, internal=internal), tmp_path / f"part.{suffix}"
    before = set(tmp_path.iterdir())
    with pytest.raises(RasterError, match=r"overviews.tif: band 1 has a mask .*--drop-mask"):
        virtual_flac.extract(source, target, window=(0, 0, 100, 60))
    done = run("extract", source, "-o", target, "--window", "0,0,100,60")
    assert (done.exit_code, done.stdout) == (1, "")
    assert "--drop-mask" in done.stderr
    assert set(tmp_path.iterdir()) == before
    done = run("extract", source, "-o", target, "--window", "0,0,100,60", "--drop-mask")
    assert done.exit_code == 0, done.output
    if suffix != "flac":
        with opened(target) as part, opened(source) as whole:
            np.testing.assert_array_equal(part.read(), whole.read()[:, :60, :100])
    with pytest.raises(SelectionError, match="mask is 'keep'"):
        virtual_flac.extract(source, target, mask="keep", overwrite=True)  # type: ignore[arg-type]


def test_nodata_and_alpha_are_no_masks_of_their_own(tmp_path: Path):
    for name in ("uint8_rgba", "uint8_rgb_nodata"):
        source = make(name, tmp_path)
        virtual_flac.extract(source, tmp_path / f"{name}.png")
        assert virtual_flac.info(source).masked_bands == ()


def test_compare_tells_masks_apart(tmp_path: Path):
    source = masked(tmp_path)
    virtual_flac.write_flac(source, tmp_path / "a.flac", mask="drop")
    for order in ((source, tmp_path / "a.flac"), (tmp_path / "a.flac", source)):
        found = virtual_flac.compare(*order)
        assert found.pixels_identical
        assert not found.identical
        said = {difference.name: (difference.a, difference.b) for difference in found.metadata}
        expected = ("of bands 1, 2", "none")
        assert said == {"mask": expected if order[0] == source else expected[::-1]}
    assert run("compare", source, tmp_path / "a.flac").exit_code == 1
    assert run("compare", source, tmp_path / "a.flac", "--pixels-only").exit_code == 0
    assert virtual_flac.compare(source, shutil.copy(source, tmp_path / "b.tif")).identical
    other = MASK.copy()
    other[3:5, 60:100] ^= True
    (tmp_path / "other").mkdir()
    [difference] = virtual_flac.compare(source, masked(tmp_path / "other", mask=other)).metadata
    # Both bands have the same mask.
    assert (difference.name, difference.b) == ("mask", "another in 160 pixels")


def test_preview_shows_no_masked_pixel(tmp_path: Path):
    mask = np.zeros((150, 190), bool)
    mask[:, :95] = True
    source = masked(tmp_path, mask=mask)
    alpha = virtual_flac.preview(source, size=190).rgba[..., 3]
    np.testing.assert_array_equal(alpha, np.where(mask, 255, 0))
    assert virtual_flac.preview(source, size=19, cmap="terrain").rgba[:, 10:, 3].max() == 0
    palette = make("palette", tmp_path)
    with rasterio.open(palette, "r+") as dataset:
        dataset.write_mask(MASK[:60, :60])
    alpha = virtual_flac.preview(palette, size=60).rgba[..., 3]
    np.testing.assert_array_equal(alpha, np.where(MASK[:60, :60], 255, 0))


def test_overviews_are_masked_as_gdal_masks_them(tmp_path: Path):
    source = tmp_path / "a.tif"
    with rasterio.open(
        source, "w", driver="GTiff", dtype="uint8", count=1, height=150, width=190,
        crs="EPSG:32633", transform=NORTH_UP,
    ) as dataset:  # fmt: skip
        dataset.write(pixels("uint8", 1, 150, 190))
        dataset.write_mask(np.arange(190)[None].repeat(150, 0) < 96)
    with rasterio.open(source, "r+") as dataset:
        dataset.build_overviews([2], Resampling.nearest)
    picture = virtual_flac.preview(source, size=95)
    with rasterio.open(source, overview_level=0) as dataset:
        np.testing.assert_array_equal(picture.rgba[..., 3], dataset.read_masks(1))
    assert picture.level == 1


def test_info_names_masked_bands(tmp_path: Path):
    source = masked(tmp_path)
    assert json.loads(run("info", source, "--json").stdout)["masked_bands"] == [1, 2]
    assert "of bands 1, 2" in run("info", source).stdout
    assert "of bands" not in run("info", make("uint8", tmp_path)).stdout
