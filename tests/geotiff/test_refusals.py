"""What cannot be converted is refused, and nothing is left behind."""

from __future__ import annotations

import math
import os
import subprocess
import sys

import numpy as np
import pytest
import rasterio
import rasterio.shutil
from conversions import (
    RNG,
    all_levels,
    assert_same_bits,
    bands,
    make_tif,
    there_and_back,
)
from rasterio.enums import Resampling
from rasters import write_tif

from virtual_flac import write_flac, write_geotiff
from virtual_flac.errors import (
    CorruptFlacError,
    LossyTileError,
    RasterError,
    SelectionError,
    SourceError,
    SourceNotFoundError,
    TargetExistsError,
    UnknownLayoutError,
    UnsupportedDtypeError,
)

pytestmark = pytest.mark.filterwarnings("ignore::rasterio.errors.NotGeoreferencedWarning")


@pytest.mark.parametrize("dtype", ["complex64", "complex128"])
def test_complex_is_refused(tmp_path, dtype):
    source = make_tif(tmp_path / "source.tif", bands(2, dtype))
    with pytest.raises(UnsupportedDtypeError, match=f"band 1 is {dtype}"):
        write_flac(source, tmp_path / "x.flac")
    assert os.listdir(tmp_path) == ["source.tif"]


def test_a_mask_is_refused_or_dropped(tmp_path):
    source = make_tif(tmp_path / "source.tif")
    with rasterio.open(source, "r+") as dataset:
        dataset.write_mask(np.arange(71 * 93).reshape(71, 93) % 2 == 0)
    with pytest.raises(RasterError, match="--drop-mask"):
        write_flac(source, tmp_path / "x.flac")
    assert not (tmp_path / "x.flac").exists()
    write_flac(source, tmp_path / "x.flac", mask="drop")
    write_geotiff(tmp_path / "x.flac", tmp_path / "x.tif")
    assert_same_bits(all_levels(tmp_path / "x.tif")[0], all_levels(source)[0])
    with pytest.raises(SelectionError, match="mask"):
        write_flac(source, tmp_path / "y.flac", mask="keep")


@pytest.mark.parametrize(
    ("second", "match"),
    [
        ('dataType="UInt16"', "differ in dtype .1: uint8, 2: uint16"),
        ('dataType="Byte"', "differ in nodata .1: 3, 2: None"),
    ],
)
def test_bands_that_differ_are_refused(tmp_path, second, match):
    source = tmp_path / "source.vrt"
    source.write_text(
        '<VRTDataset rasterXSize="30" rasterYSize="20"><VRTRasterBand dataType="Byte" band="1">'
        f'<NoDataValue>3</NoDataValue></VRTRasterBand><VRTRasterBand {second} band="2" />'
        "</VRTDataset>"
    )
    with pytest.raises(RasterError, match=match):
        write_flac(source, tmp_path / "x.flac")
    write_flac(source, tmp_path / "x.flac", bands=[2])


@pytest.mark.parametrize(
    ("profile", "words"),
    [
        ({"describe": {"scales": [math.nan]}}, "nan"),
        ({"describe": {"offsets": [math.inf]}}, "inf"),
        ({"transform": rasterio.Affine(1e308, 0, 1e308, 0, 1, 0)}, "infinity"),
    ],
)
def test_metadata_that_no_reader_takes_are_refused_first(tmp_path, profile, words):
    """Before a tile is encoded."""
    tif = write_tif(tmp_path / "in.tif", np.zeros((1, 20, 20), "u1"), **profile)
    called = []
    with pytest.raises(RasterError, match=words):
        write_flac(tif, tmp_path / "out.flac", progress=lambda *done: called.append(done))
    assert not called
    assert not (tmp_path / "out.flac").exists()


def test_sources_that_are_none(tmp_path):
    with pytest.raises(SourceNotFoundError, match=r"no\.tif"):
        write_flac(tmp_path / "no.tif", tmp_path / "x.flac")
    (tmp_path / "text.tif").write_text("no raster")
    with pytest.raises(SourceError, match=r"text\.tif"):
        write_flac(tmp_path / "text.tif", tmp_path / "x.flac")
    source = make_tif(tmp_path / "source.tif")
    with pytest.raises(UnknownLayoutError, match="TIFF"):
        write_geotiff(source, tmp_path / "x.tif")
    assert not (tmp_path / "x.flac").exists()
    assert not (tmp_path / "x.tif").exists()


def test_targets_are_kept(tmp_path):
    source = make_tif(tmp_path / "source.tif")
    write_flac(source, tmp_path / "x.flac")
    before = (tmp_path / "x.flac").read_bytes()
    with pytest.raises(TargetExistsError):
        write_flac(source, tmp_path / "x.flac")
    with pytest.raises(TargetExistsError):
        write_geotiff(tmp_path / "x.flac", source)
    assert (tmp_path / "x.flac").read_bytes() == before


def test_a_truncated_source_leaves_nothing(tmp_path):
    pixels = RNG.integers(0, 60_000, (1, 600, 600)).astype("uint16")
    tiled = {"tiled": True, "blockxsize": 64, "blockysize": 64}
    source = make_tif(tmp_path / "source.tif", pixels, compress="deflate", **tiled)
    data = source.read_bytes()
    source.write_bytes(data[: len(data) // 2])
    with pytest.raises(SourceError, match=r"source\.tif"):
        write_flac(source, tmp_path / "x.flac", tile_size=128)
    assert os.listdir(tmp_path) == ["source.tif"]


def test_a_damaged_tile_leaves_nothing(tmp_path):
    source = make_tif(tmp_path / "source.tif", bands(1, "uint16"))
    path = tmp_path / "x.flac"
    index = write_flac(source, path, tile_size=32)
    tile = int(index.levels[0].offsets[0, 1, 1]), int(index.levels[0].lengths[0, 1, 1])
    data = bytearray(path.read_bytes())
    data[sum(tile) - 20] ^= 1
    path.write_bytes(data)
    (tmp_path / "old.tif").write_bytes(b"old")
    with pytest.raises(CorruptFlacError, match=r"tile \(1, 1\)"):
        write_geotiff(path, tmp_path / "old.tif", overwrite=True)
    assert (tmp_path / "old.tif").read_bytes() == b"old"
    assert set(os.listdir(tmp_path)) == {"source.tif", "x.flac", "old.tif"}


@pytest.mark.parametrize("error", [KeyboardInterrupt, LossyTileError, MemoryError])
@pytest.mark.parametrize("step", ["write_flac", "write_geotiff"])
def test_nothing_is_left_when_stopped(tmp_path, error, step):
    pixels = RNG.integers(0, 60_000, (1, 300, 300)).astype("uint16")
    source = make_tif(tmp_path / "source.tif", pixels, overviews=([2], Resampling.nearest))
    write_flac(source, tmp_path / "x.flac", tile_size=32)

    def stop(done, total):
        if done > total / 2:
            raise error("stop")

    function = {"write_flac": write_flac, "write_geotiff": write_geotiff}[step]
    origin = source if step == "write_flac" else tmp_path / "x.flac"
    options = {"tile_size": 32, "overviews": [2, 4]} if step == "write_flac" else {}
    before = set(os.listdir(tmp_path))
    with pytest.raises(error):
        function(origin, tmp_path / "new", progress=stop, **options)
    assert set(os.listdir(tmp_path)) == before


@pytest.mark.parametrize(
    "options",
    [{"compress": "jpeg"}, {"tile_size": 20}, {"tile_size": 0}, {"overviews": "auto"}],
)
def test_options_for_geotiff_out_of_range(tmp_path, options):
    source = make_tif(tmp_path / "source.tif")
    write_flac(source, tmp_path / "x.flac")
    with pytest.raises(SelectionError):
        write_geotiff(tmp_path / "x.flac", tmp_path / "x.tif", **options)


def test_the_size_of_gdals_cache_is_as_before(tmp_path):
    from rasterio.env import get_gdal_config

    source = make_tif(tmp_path / "source.tif")
    with rasterio.Env():
        before = get_gdal_config("GDAL_CACHEMAX")
        there_and_back(source, tmp_path, overviews="auto")
        assert get_gdal_config("GDAL_CACHEMAX") == before


FULL_DISK = """
import resource, sys
from virtual_flac import write_flac, write_geotiff
function = {"flac": write_flac, "tif": write_geotiff}[sys.argv[2].rpartition(".")[2]]
for limit in map(int, sys.argv[3:]):
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, resource.RLIM_INFINITY))
    try:
        function(sys.argv[1], sys.argv[2], overwrite=True)
    except (OSError, ValueError) as error:
        print(limit, type(error).__name__, error)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="skipped: no such limits here")
@pytest.mark.parametrize("target", ["new.flac", "new.tif"])
def test_a_full_disk_leaves_the_old_file(tmp_path, target):
    # GDAL tells nobody of what fails while a file is closed.
    pixels = RNG.integers(0, 4000, (1, 700, 800)).astype("uint16")
    source = make_tif(tmp_path / "source.tif", pixels, overviews=([2], Resampling.nearest))
    write_flac(source, tmp_path / "x.flac")
    write_geotiff(tmp_path / "x.flac", tmp_path / "x.tif")
    size = (tmp_path / f"x.{target.rpartition('.')[2]}").stat().st_size
    origin = source if target.endswith("flac") else tmp_path / "x.flac"
    (tmp_path / target).write_bytes(b"old")
    before = set(os.listdir(tmp_path))
    limits = [str(limit) for limit in (1000, size // 2, size - 5000, size - 10)]
    command = [sys.executable, "-c", FULL_DISK, str(origin), str(tmp_path / target), *limits]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert [line.split()[0] for line in done.stdout.splitlines()] == limits
    assert (tmp_path / target).read_bytes() == b"old"
    assert set(os.listdir(tmp_path)) == before
