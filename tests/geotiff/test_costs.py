"""Memory and imports of conversions; other programs and servers at either end."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import warnings
from pathlib import Path

import numpy as np
import pytest
import rasterio
import rasterio.shutil
from conversions import (
    DTYPES,
    NOWHERE,
    RNG,
    all_levels,
    any_pixels,
    assert_same_bits,
    bands,
    make_tif,
    there_and_back,
)
from rasterio.enums import Resampling
from rasterio.errors import NotGeoreferencedWarning

from virtual_flac import write_flac, write_geotiff
from virtual_flac.errors import (
    FlacError,
    RasterError,
    SelectionError,
    SourceError,
    UnsupportedDtypeError,
)

pytestmark = pytest.mark.filterwarnings("ignore::rasterio.errors.NotGeoreferencedWarning")


@pytest.mark.parametrize("dtype", DTYPES)
def test_flac_itself_accepts_every_tile(tmp_path, dtype):
    program = shutil.which("flac")
    if program is None:
        pytest.skip("skipped: no flac (Debian: flac)")
    source = make_tif(tmp_path / "source.tif", any_pixels(dtype, (2, 50, 70)))
    index = write_flac(source, tmp_path / "x.flac", tile_size=32, interleave="pixel")
    data = (tmp_path / "x.flac").read_bytes()
    level = index.levels[0]
    for number, (start, length) in enumerate(
        zip(level.offsets.ravel().tolist(), level.lengths.ravel().tolist(), strict=True)
    ):
        (tmp_path / f"{number}.tile").write_bytes(data[start : start + length])
    tiles = sorted(str(path) for path in tmp_path.glob("*.tile"))
    done = subprocess.run([program, "-ts", *tiles], capture_output=True, text=True, check=False)
    if "unsupported" in done.stderr.lower():
        pytest.skip("skipped: this flac has no 32-bit streams")
    assert done.returncode == 0, done.stderr


def test_from_and_to_a_server(tmp_path, range_server, gdalcompare):
    folder = tmp_path / "www"
    folder.mkdir()
    source = make_tif(folder / "source.tif", bands(2), overviews=([2], Resampling.nearest))
    write_flac(source, folder / "x.flac", tile_size=32)
    server = range_server(folder)
    write_geotiff(f"{server.url}/x.flac", tmp_path / "x.tif", tile_size=32)
    assert gdalcompare(source, tmp_path / "x.tif") == []


def test_flac_rasters_own_file_becomes_geotiff(tmp_path, flac_raster):
    pixels = RNG.integers(3, 4000, (1, 71, 93)).astype("uint16")
    source = make_tif(tmp_path / "source.tif", pixels)
    flac_raster.create_streaming(source, tmp_path / "x.flac", tile_size=64)
    write_geotiff(tmp_path / "x.flac", tmp_path / "x.tif")
    assert_same_bits(all_levels(tmp_path / "x.tif")[0], pixels)


MEASURE = """
import json, sys
from virtual_flac import write_flac, write_geotiff
for source, target in zip(sys.argv[1:], sys.argv[2:]):
    function = {"flac": write_flac, "tif": write_geotiff}[target.rpartition(".")[2]]
    function(source, target, workers=2)
# Not ru_maxrss, which a process inherits from the one that starts it.
peak = int(open("/proc/self/status").read().partition("VmHWM:")[2].split()[0]) / 1024
heavy = {"xarray", "zarr", "virtualizarr", "rioxarray"} & set(sys.modules)
print(json.dumps([peak, sorted(heavy)]))
"""


def measure(*paths):
    """Memory and imports of a process that converts each file to the next one."""
    command = [sys.executable, "-c", MEASURE, *map(str, paths)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return json.loads(done.stdout)


def make_large(path: Path, width: int, height: int, dtype: str, **profile) -> None:
    tile = np.add.outer(np.arange(1000) % 251, np.arange(1000) % 241).astype(dtype)
    tile += RNG.integers(0, 8, tile.shape).astype(dtype)
    with rasterio.open(
        path, "w", driver="GTiff", width=width, height=height, count=1, dtype=dtype, **profile
    ) as dataset:
        for top in range(0, height, 1000):
            rows = min(1000, height - top)
            strip = np.tile(tile[:rows], -(-width // 1000))[:, :width]
            dataset.write(strip, 1, window=((top, top + rows), (0, width)))


@pytest.mark.skipif(sys.platform != "linux", reason="skipped: no /proc here")
@pytest.mark.parametrize(
    ("width", "height", "dtype", "profile", "limit"),
    [
        # Blocks that lie in two rows of tiles, and have to be kept.
        pytest.param(
            *(10_980, 10_980, "uint16"),
            *({"tiled": True, "blockxsize": 400, "blockysize": 400}, 250),
            marks=pytest.mark.exhaustive,
        ),
        pytest.param(
            *(10_980, 10_980, "uint16", {"tiled": True, "compress": "deflate"}, 250),
            marks=pytest.mark.exhaustive,
        ),
        pytest.param(
            *(36_000, 18_000, "uint8", {"compress": "lzw"}, 500), marks=pytest.mark.exhaustive
        ),
    ],
)
def test_memory_does_not_grow_with_the_raster(tmp_path, width, height, dtype, profile, limit):
    make_large(tmp_path / "source.tif", width, height, dtype, **profile)
    for source, target in (("source.tif", "x.flac"), ("x.flac", "back.tif")):
        peak, heavy = measure(tmp_path / source, tmp_path / target)
        assert peak < limit
        assert heavy == []


def test_small_conversions_import_nothing_heavy(tmp_path):
    source = make_tif(tmp_path / "source.tif")
    _, heavy = measure(source, tmp_path / "x.flac", tmp_path / "x.tif")
    assert heavy == []


def test_silent_about_rasters_without_georeferencing(tmp_path):
    source = make_tif(tmp_path / "source.tif", **NOWHERE)
    with warnings.catch_warnings():
        warnings.simplefilter("error", NotGeoreferencedWarning)
        there_and_back(source, tmp_path, overviews="auto", back={"overviews": "all"})


def test_errors_are_of_one_tree():
    for error in (RasterError, SelectionError, SourceError, UnsupportedDtypeError):
        assert issubclass(error, FlacError)
