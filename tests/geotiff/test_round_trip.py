"""GeoTIFF to FLAC and back: GDAL itself, gdalcompare.py, flac and flac-raster are the judges."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import warnings
from pathlib import Path

import numpy as np
import pytest
import rasterio
import rasterio.shutil
from affine import Affine
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from rasterio.control import GroundControlPoint
from rasterio.crs import CRS
from rasterio.enums import ColorInterp, Resampling
from rasterio.errors import NotGeoreferencedWarning
from rasterio.io import MemoryFile
from rasterio.rpc import RPC
from rasterio.vrt import WarpedVRT

from virtual_flac import write_flac, write_geotiff
from virtual_flac.errors import (
    CorruptFlacError,
    FlacError,
    LossyTileError,
    RasterError,
    SelectionError,
    SourceError,
    SourceNotFoundError,
    TargetExistsError,
    UnknownLayoutError,
    UnsupportedDtypeError,
)
from virtual_flac.gdal.describe import describe
from virtual_flac.reading.header import read_index

pytestmark = pytest.mark.filterwarnings("ignore::rasterio.errors.NotGeoreferencedWarning")

RNG = np.random.default_rng(11)
NORTH_UP = Affine(10, 0, 5e5, 0, -10, 4e6)
INTEGERS = ("int8", "uint8", "int16", "uint16", "int32", "uint32", "int64", "uint64")
DTYPES = (*INTEGERS, "float32", "float64")
INTERLEAVES = ("band", "tile", "pixel")


def any_pixels(dtype, shape):
    """Every bit pattern may occur: extremes, NaN with payload, -0.0, infinities."""
    kind = np.dtype(dtype)
    bits = RNG.integers(0, 256, (*shape, kind.itemsize), dtype=np.uint8)
    pixels = bits.view(kind)[..., 0]
    if kind.kind == "f":
        special = [0.0, -0.0, np.inf, -np.inf, np.nan, np.finfo(kind).tiny / 2]
        flat = pixels.reshape(-1)
        flat[: len(special)] = np.array(special, kind)[: flat.size]
    return pixels


def make_tif(path, pixels=None, *, after=None, overviews=None, **profile):
    """Write a GeoTIFF; `after` gets the open dataset, `overviews` are (factors, resampling)."""
    pixels = RNG.integers(0, 100, (1, 71, 93)).astype("uint8") if pixels is None else pixels
    count, height, width = pixels.shape
    profile = {
        "driver": "GTiff",
        "count": count,
        "height": height,
        "width": width,
        "dtype": pixels.dtype,
        "crs": "EPSG:32629",
        "transform": NORTH_UP,
        **profile,
    }
    with rasterio.open(
        path, "w", **{key: value for key, value in profile.items() if value is not None}
    ) as dataset:
        dataset.write(pixels)
        if after:
            after(dataset)
    if overviews:
        with rasterio.open(path, "r+") as dataset:
            dataset.build_overviews(*overviews)
    return path


def there_and_back(source, folder, *, back=None, **options):
    """Convert to FLAC and back, and check that nothing else is left in the folder."""
    flac, result = folder / "there.flac", folder / "back.tif"
    before = set(os.listdir(folder))
    write_flac(source, flac, overwrite=True, **{"tile_size": 32, **options})
    write_geotiff(flac, result, overwrite=True, **{"tile_size": 32, **(back or {})})
    assert set(os.listdir(folder)) - before <= {"there.flac", "back.tif"}
    return result


def all_levels(path):
    with rasterio.open(path) as dataset:
        levels = [dataset.read()]
        count = len(dataset.overviews(1))
    for level in range(count):
        with rasterio.open(path, overview_level=level) as dataset:
            levels.append(dataset.read())
    return levels


def assert_same_bits(found, expected):
    assert found.dtype == expected.dtype
    assert found.shape == expected.shape
    assert found.tobytes() == expected.tobytes()


# --- Pixels ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("interleave", INTERLEAVES)
@pytest.mark.parametrize("dtype", DTYPES)
def test_every_bit_of_every_dtype_returns(tmp_path, dtype, interleave):
    for number, (width, height) in enumerate(
        [(1, 1), (7, 3), (1, 40), (31, 33), (32, 32), (33, 31), (100, 67)]
    ):
        count = (1, 2, 3, 4)[number % 4]
        pixels = any_pixels(dtype, (count, height, width))
        source = make_tif(tmp_path / "source.tif", pixels)
        result = there_and_back(source, tmp_path, interleave=interleave)
        with rasterio.open(result) as dataset:
            assert_same_bits(dataset.read(), pixels)


def test_float16_returns(tmp_path):
    pixels = any_pixels("float16", (2, 40, 50))
    try:
        source = make_tif(tmp_path / "source.tif", pixels)
    except (TypeError, KeyError, ValueError):
        pytest.skip("skipped: this rasterio has no float16")
    with rasterio.open(there_and_back(source, tmp_path)) as dataset:
        assert_same_bits(dataset.read(), pixels)


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    dtype=st.sampled_from(DTYPES),
    shape=st.tuples(st.integers(1, 4), st.integers(1, 90), st.integers(1, 90)),
    tile_size=st.integers(16, 70),
    block=st.sampled_from([None, 16, 48]),
    source_interleave=st.sampled_from(["pixel", "band"]),
    interleave=st.sampled_from(INTERLEAVES),
    compression=st.integers(0, 8),
    block_size=st.sampled_from([16, 100, 4096, 65_535]),
)
def test_any_shape_returns(
    tmp_path, dtype, shape, tile_size, block, source_interleave, interleave, compression, block_size
):
    pixels = any_pixels(dtype, shape)
    tiled = {} if block is None else {"tiled": True, "blockxsize": block, "blockysize": block}
    source = make_tif(tmp_path / "source.tif", pixels, interleave=source_interleave, **tiled)
    result = there_and_back(
        source,
        tmp_path,
        tile_size=tile_size,
        interleave=interleave,
        compression=compression,
        block_size=block_size,
    )
    with rasterio.open(result) as dataset:
        assert_same_bits(dataset.read(), pixels)


def test_edges_of_2667_pixels(tmp_path, gdalcompare, shared_data):
    source = shared_data / "landsat_uint16_2658.tif"
    result = there_and_back(source, tmp_path, tile_size=1024)
    assert gdalcompare(source, result) == []


@pytest.mark.parametrize("interleave", INTERLEAVES)
def test_shared_rasters_return(tmp_path, gdalcompare, shared_data, interleave):
    for source in sorted(shared_data.glob("*.tif")):
        result = there_and_back(source, tmp_path, tile_size=256, interleave=interleave)
        assert gdalcompare(source, result) == [], source.name


# --- Metadata -------------------------------------------------------------------------------------

XMP = (
    '<?xpacket begin="" id="W5M0MpCehiHzreSzNTczkc9d"?>\n'
    '  <x:xmpmeta xmlns:x="adobe:ns:meta/"><a   b="1=2"> </a></x:xmpmeta>'
)


def set_colors(*names):
    def after(dataset):
        dataset.colorinterp = tuple(ColorInterp[name] for name in names)

    return after


def set_scaling(dataset):
    dataset.scales = tuple(0.0001 * n for n in dataset.indexes)
    dataset.offsets = tuple(-273.15 + n for n in dataset.indexes)
    dataset.units = ("K",) * dataset.count
    dataset.descriptions = tuple(f'band <&" {n}' for n in dataset.indexes)


def set_tags(dataset):
    dataset.update_tags(
        A="1",
        B='x<y&"z"\n\ttab',
        AREA_OR_POINT="Point",
        TIFFTAG_SOFTWARE="sw",
        TIFFTAG_DATETIME="2020:01:01 00:00:00",
        TIFFTAG_XRESOLUTION="72",
        TIFFTAG_YRESOLUTION="72",
        TIFFTAG_RESOLUTIONUNIT="2 (pixels/inch)",
        ü="ö",
    )
    dataset.update_tags(ns="MY_DOMAIN", q="=r=")
    dataset.update_tags(ns="IMAGERY", CLOUDCOVER="3")
    key, _, value = XMP.partition("=")
    dataset.update_tags(ns="xml:XMP", **{key: value})
    dataset.update_tags(1, STATISTICS_MINIMUM="0", STATISTICS_MAXIMUM="99", STATISTICS_MEAN="49.5")
    dataset.update_tags(1, ns="BB", x="y")
    dataset.update_tags(2, foo="bar")


def set_colormap(dataset):
    dataset.write_colormap(1, {n: (n, 255 - n, n // 2, 255) for n in range(256)})


def set_gcps(crs):
    points = [(0, 0, 1, 2, 3), (10.5, 0, 1, 3), (0, 20, 5, 2, 1e-3), (70, 90, 1.123456789012345, 2)]

    def after(dataset):
        dataset.gcps = [GroundControlPoint(*point) for point in points], CRS.from_string(crs)

    return after


def set_rpcs(dataset):
    coefficients = {
        f"{axis}_{part}_coeff": [n / divisor for n in range(20)]
        for divisor, (axis, part) in enumerate(
            [("line", "den"), ("line", "num"), ("samp", "den"), ("samp", "num")], 3
        )
    }
    names = ("height", "lat", "line", "long", "samp")
    scalars = {
        f"{name}_{part}": n / 7 for part in ("off", "scale") for n, name in enumerate(names, 1)
    }
    dataset.rpcs = RPC(**coefficients, **scalars, err_bias=1, err_rand=2)


def bands(count, dtype="uint8"):
    return RNG.integers(0, 100, (count, 71, 93)).astype(dtype)


RGB = {"photometric": "RGB"}
NOWHERE = {"crs": None, "transform": None}
ROTATED = NORTH_UP * Affine.rotation(30)
CASES = {
    "plain": {},
    "nodata": {"nodata": 7},
    "nodata negative": {"pixels": bands(1, "int16"), "nodata": -32768},
    "nodata float64": {"pixels": bands(1, "float64"), "nodata": -1.7976931348623157e308},
    "nodata float32": {"pixels": bands(2, "float32"), "nodata": -3.4028234663852886e38},
    "nodata fraction": {"nodata": 1.5},
    "scaled": {"pixels": bands(2, "int16"), "after": set_scaling},
    "colormap": {"after": set_colormap},
    "colormap nodata": {"after": set_colormap, "nodata": 3},
    "rgb": {"pixels": bands(3), "interleave": "pixel", **RGB},
    "rgba": {"pixels": bands(4), "alpha": "yes", **RGB},
    "rgba premultiplied": {"pixels": bands(4), "alpha": "PREMULTIPLIED", **RGB},
    "gray alpha": {"pixels": bands(2, "uint16"), "after": set_colors("gray", "alpha")},
    "rgb and one": {"pixels": bands(4), "after": set_colors("red", "green", "blue", "undefined")},
    "bgr": {"pixels": bands(3), "after": set_colors("blue", "green", "red")},
    "many colours": {
        "pixels": bands(6, "uint16"),
        "after": set_colors("blue", "green", "red", "nir", "rededge", "alpha"),
    },
    "odd colours": {"pixels": bands(2, "float32"), "after": set_colors("sar_c", "other_ir")},
    "undefined": {"after": set_colors("undefined")},
    "cmyk": {"pixels": bands(4), "photometric": "CMYK"},
    "white is zero": {"photometric": "MINISWHITE"},
    "twelve bits": {"pixels": bands(1, "uint16"), "nbits": 12},
    "tags": {"pixels": bands(2), "after": set_tags},
    "point": {"after": lambda dataset: dataset.update_tags(AREA_OR_POINT="Point")},
    "point without crs": {
        "crs": None,
        "after": lambda dataset: dataset.update_tags(AREA_OR_POINT="Point"),
    },
    "no crs": {"crs": None},
    "nowhere": NOWHERE,
    "rotated": {"transform": ROTATED},
    "rotated point": {
        "transform": ROTATED,
        "after": lambda dataset: dataset.update_tags(AREA_OR_POINT="Point"),
    },
    "south up": {"transform": Affine(10, 0, 5e5, 0, 10, 4e6)},
    "gcps": {"after": set_gcps("EPSG:4326"), **NOWHERE},
    "gcps projected": {"after": set_gcps("EPSG:32629"), **NOWHERE},
    "rpcs": {"after": set_rpcs, **NOWHERE},
    "six bands": {
        "pixels": bands(6, "uint16"),
        "nodata": 0,
        "overviews": ([2, 4], Resampling.average),
    },
    "overviews nearest": {"overviews": ([2, 4, 8], Resampling.nearest)},
    "overviews odd": {"pixels": bands(3), "overviews": ([3, 5], Resampling.cubic), **RGB},
    "overviews and tags": {
        "pixels": bands(2),
        "after": set_tags,
        "overviews": ([2, 4], Resampling.average),
    },
    "overviews palette": {"after": set_colormap, "overviews": ([2], Resampling.nearest)},
    "overviews rgba": {
        "pixels": bands(4),
        "alpha": "yes",
        "overviews": ([2, 4], Resampling.average),
        **RGB,
    },
    **{
        f"EPSG {code}": {"crs": f"EPSG:{code}"}
        for code in (4326, 3857, 2154, 27700, 3413, 4979, 5070, 6933, 3031, 32759, 2056, 7415)
    },
    "laea": {"crs": "+proj=laea +lat_0=52.3 +lon_0=10.1 +datum=WGS84 +units=m"},
    "sinusoidal": {"crs": "+proj=sinu +R=6371007.181 +units=m"},
    "geostationary": {"crs": "+proj=geos +h=35785831 +lon_0=0 +sweep=y +ellps=GRS80"},
    "feet": {"crs": "+proj=lcc +lat_1=33 +lat_2=45 +lat_0=39 +lon_0=-96 +datum=NAD27 +units=us-ft"},
    "engineering": {"crs": CRS.from_wkt('LOCAL_CS["x",UNIT["m",1]]')},
}


def facts(path):
    """What rasterio says of a dataset, for domains that gdalcompare does not look at."""
    skipped = {"IMAGE_STRUCTURE", "DERIVED_SUBDATASETS"}
    with rasterio.open(path) as dataset:
        domains = {
            (n, ns): dataset.tags(n, ns=ns)
            for n in (0, *dataset.indexes)
            for ns in ("", *dataset.tag_namespaces(n))
            if ns not in skipped
        }
        points, crs = dataset.gcps
        palette = dataset.colorinterp[0] == ColorInterp.palette
        return {
            "domains": domains,
            "crs": dataset.crs,
            "transform": dataset.transform,
            "gcps": [(p.row, p.col, p.x, p.y, p.z) for p in points],
            "gcp_crs": crs,
            "rpcs": dataset.rpcs and dataset.rpcs.to_dict(),
            "nodata": repr(dataset.nodatavals),
            "scales": dataset.scales,
            "offsets": dataset.offsets,
            "units": dataset.units,
            "descriptions": dataset.descriptions,
            "colors": dataset.colorinterp,
            "colormap": dataset.colormap(1) if palette else None,
            "masks": dataset.mask_flag_enums,
        }


@pytest.mark.parametrize("interleave", INTERLEAVES)
@pytest.mark.parametrize("name", CASES)
def test_all_metadata_return(tmp_path, gdalcompare, name, interleave):
    source = make_tif(tmp_path / "source.tif", **CASES[name])
    result = there_and_back(source, tmp_path, interleave=interleave)
    assert gdalcompare(source, result) == []
    assert facts(result) == facts(source)
    for found, expected in zip(all_levels(result), all_levels(source), strict=True):
        assert_same_bits(found, expected)
    with rasterio.open(source) as golden, rasterio.open(result) as new:
        assert describe(new) == describe(golden)


def test_nan_as_nodata_returns(tmp_path):
    # gdalcompare.py finds NaN different from itself.
    source = make_tif(tmp_path / "source.tif", bands(1, "float32"), nodata=float("nan"))
    with rasterio.open(there_and_back(source, tmp_path)) as dataset:
        assert np.isnan(dataset.nodata)


@pytest.mark.parametrize(
    ("gdal_type", "text", "value"),
    [
        ("Int64", "9223372036854775807", 2**63 - 1),
        ("Int64", "-9223372036854775808", -(2**63)),
        ("UInt64", "18446744073709551615", 2**64 - 1),
        ("Byte", "-9999", -9999),
        ("UInt16", "70000", 70_000),
        ("Float64", "0.1", 0.1),
    ],
)
def test_nodata_that_rasterio_cannot_say_returns(tmp_path, gdalcompare, gdal_type, text, value):
    (tmp_path / "source.vrt").write_text(
        f'<VRTDataset rasterXSize="30" rasterYSize="20"><VRTRasterBand dataType="{gdal_type}" '
        f'band="1"><NoDataValue>{text}</NoDataValue></VRTRasterBand></VRTDataset>'
    )
    source = tmp_path / "source.tif"
    rasterio.shutil.copy(str(tmp_path / "source.vrt"), str(source), driver="GTiff")
    with rasterio.open(source) as dataset:
        assert describe(dataset).nodata == value
        assert type(describe(dataset).nodata) is type(value)
    result = there_and_back(source, tmp_path)
    assert gdalcompare(source, result) == []
    assert read_index(tmp_path / "there.flac").raster.nodata == value


def test_statistics_come_from_a_side_file_too(tmp_path, gdalcompare):
    source = make_tif(tmp_path / "source.tif")
    # GDAL puts statistics that it computes on reading beside the file.
    with rasterio.open(source) as dataset:
        if hasattr(dataset, "stats"):
            dataset.stats()
        else:
            dataset.statistics(1)
    result = there_and_back(source, tmp_path)
    assert gdalcompare(source, result) == []
    assert not (tmp_path / "back.tif.aux.xml").exists()


def test_crs_without_a_place_in_geotiff_is_told(tmp_path):
    crs = "+proj=ob_tran +o_proj=longlat +o_lon_p=0 +o_lat_p=39.25 +lon_0=18 +R=6371229"
    source = make_tif(tmp_path / "source.tif", crs=crs)
    with pytest.warns(UserWarning, match="Lost or changed: CRS$"):
        there_and_back(source, tmp_path)


def test_the_index_is_what_describe_says(tmp_path):
    source = make_tif(tmp_path / "source.tif", bands(2), after=set_tags, nodata=3)
    index = write_flac(source, tmp_path / "x.flac", tile_size=32)
    with rasterio.open(source) as dataset:
        expected = describe(dataset)
    assert expected.tags[""]["AREA_OR_POINT"] == "Point"
    assert expected.tags["xml:XMP"] == {"xml:XMP": XMP}
    assert "IMAGE_STRUCTURE" not in expected.tags
    assert index.raster == expected == read_index(tmp_path / "x.flac").raster


# --- Choices --------------------------------------------------------------------------------------


def test_chosen_bands_in_their_order(tmp_path):
    pixels = bands(4, "uint16")
    names = ("one", "two", "three", "four")
    source = make_tif(
        tmp_path / "source.tif",
        pixels,
        after=lambda dataset: setattr(dataset, "descriptions", names),
        overviews=([2], Resampling.nearest),
    )
    for interleave in INTERLEAVES:
        result = there_and_back(source, tmp_path, bands=[4, 2], interleave=interleave)
        with rasterio.open(result) as dataset:
            assert dataset.descriptions == ("four", "two")
        expected = [level[[3, 1]] for level in all_levels(source)]
        for found, wanted in zip(all_levels(result), expected, strict=True):
            assert_same_bits(found, wanted)


@pytest.mark.parametrize("chosen", [[0], [3], [1, 1], []])
def test_bands_that_are_not_there(tmp_path, chosen):
    source = make_tif(tmp_path / "source.tif", bands(2))
    with pytest.raises(SelectionError, match="band"):
        write_flac(source, tmp_path / "x.flac", bands=chosen)
    assert os.listdir(tmp_path) == ["source.tif"]


def test_open_datasets_and_virtual_ones(tmp_path):
    pixels = bands(2)
    source = make_tif(tmp_path / "source.tif", pixels, overviews=([2], Resampling.nearest))
    with rasterio.open(source) as dataset:
        index = write_flac(dataset, tmp_path / "a.flac")
        assert len(index.levels) == 2
        assert not dataset.closed
        with WarpedVRT(dataset, crs="EPSG:3857") as warped:
            write_flac(warped, tmp_path / "b.flac", overviews="none")
            expected = warped.read()
    write_geotiff(tmp_path / "b.flac", tmp_path / "b.tif")
    with rasterio.open(tmp_path / "b.tif") as dataset:
        assert_same_bits(dataset.read(), expected)
    with MemoryFile(source.read_bytes()) as memory, memory.open() as dataset:
        write_flac(dataset, tmp_path / "c.flac", overviews=[2, 4])
    assert len(read_index(tmp_path / "c.flac").levels) == 3


@pytest.mark.parametrize("interleave", INTERLEAVES)
def test_one_level_alone(tmp_path, interleave):
    source = make_tif(tmp_path / "source.tif", bands(2), overviews=([2, 4], Resampling.average))
    write_flac(source, tmp_path / "x.flac", tile_size=16, interleave=interleave)
    write_geotiff(tmp_path / "x.flac", tmp_path / "half.tif", level=1, overviews="none")
    assert_same_bits(all_levels(tmp_path / "half.tif")[0], all_levels(source)[1])
    with (
        rasterio.open(source, overview_level=0) as expected,
        rasterio.open(tmp_path / "half.tif") as found,
    ):
        assert found.transform == expected.transform
        assert found.overviews(1) == []
    with pytest.raises(SelectionError, match="0 to 2"):
        write_geotiff(tmp_path / "x.flac", tmp_path / "no.tif", level=3)


def test_creation_options(tmp_path):
    source = make_tif(tmp_path / "source.tif", bands(3))
    back = {
        "compress": "zstd",
        "creation_options": {"interleave": "pixel", "BIGTIFF": "YES"},
        "workers": 1,
    }
    result = there_and_back(source, tmp_path, back=back)
    with rasterio.open(result) as dataset:
        structure = dataset.tags(ns="IMAGE_STRUCTURE")
        assert structure["COMPRESSION"] == "ZSTD"
        assert structure["INTERLEAVE"] == "PIXEL"
        assert "LAYOUT" not in structure
        assert dataset.block_shapes == [(32, 32)] * 3
    assert result.read_bytes()[:4] == b"II+\0"
    assert_same_bits(all_levels(result)[0], all_levels(source)[0])


def test_what_geotiff_cannot_hold_is_told(tmp_path):
    source = make_tif(tmp_path / "source.tif", bands(2), after=set_tags)
    write_flac(source, tmp_path / "x.flac")
    with pytest.warns(UserWarning, match="changed: CRS, .*tag B, .*STATISTICS_MEAN of band 1"):
        write_geotiff(
            tmp_path / "x.flac",
            tmp_path / "x.tif",
            creation_options={"PROFILE": "BASELINE"},
        )


@pytest.mark.parametrize("compress", ["jpeg", "webp"])
def test_lossy_options_are_found_out(tmp_path, compress):
    source = make_tif(tmp_path / "source.tif", bands(3), interleave="pixel", **RGB)
    write_flac(source, tmp_path / "x.flac", interleave="pixel")
    before = set(os.listdir(tmp_path))
    options = {"COMPRESS": compress, "WEBP_LOSSLESS": False}
    with pytest.raises((LossyTileError, OSError), match=r"x\.tif|raster\.tif"):
        write_geotiff(
            tmp_path / "x.flac", tmp_path / "x.tif", compress="none", creation_options=options
        )
    assert set(os.listdir(tmp_path)) == before


FULL_DISK = """
import resource, sys
from virtual_flac import write_flac, write_geotiff
limit = int(sys.argv[3])
resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
function = {"flac": write_flac, "tif": write_geotiff}[sys.argv[2].rpartition(".")[2]]
try:
    function(sys.argv[1], sys.argv[2], overwrite=True)
except (OSError, ValueError) as error:
    print(type(error).__name__, error)
    sys.exit(3)
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
    for limit in (1000, size // 2, size - 5000, size - 10):
        command = [sys.executable, "-c", FULL_DISK, str(origin), str(tmp_path / target), str(limit)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        assert done.returncode == 3, (limit, done.stderr)
        assert (tmp_path / target).read_bytes() == b"old"
        assert set(os.listdir(tmp_path)) == before


def test_a_result_with_overviews_pretends_no_order(tmp_path):
    source = make_tif(tmp_path / "source.tif", overviews=([2], Resampling.nearest))
    for bigtiff in ("YES", "NO"):
        back = {"creation_options": {"BIGTIFF": bigtiff}}
        result = there_and_back(source, tmp_path, back=back)
        assert b"GDAL_STRUCTURAL_METADATA" not in result.read_bytes()


# --- Overviews ------------------------------------------------------------------------------------


@pytest.mark.parametrize("resampling", ["nearest", "average", "cubicspline", "mode", "RMS"])
@pytest.mark.parametrize("interleave", ["band", "pixel"])
def test_built_overviews_are_gdals(tmp_path, resampling, interleave):
    pixels = bands(3, "int16")
    source = make_tif(tmp_path / "source.tif", pixels, nodata=5)
    write_flac(
        source,
        tmp_path / "x.flac",
        tile_size=16,
        overviews=[4, 2],
        resampling=resampling,
        interleave=interleave,
    )
    names = {"cubicspline": "cubic_spline"}
    method = Resampling[names.get(resampling, resampling.lower())]
    # Beside the file, as `gdaladdo -ro`; inside it, GDAL takes "nearest" from the level before.
    with rasterio.Env(TIFF_USE_OVR=True), rasterio.open(source, "r+") as dataset:
        dataset.build_overviews([2, 4], method)
    write_geotiff(tmp_path / "x.flac", tmp_path / "x.tif", overviews="all", tile_size=16)
    for found, expected in zip(all_levels(tmp_path / "x.tif"), all_levels(source), strict=True):
        assert_same_bits(found, expected)
    # Those that were built on the way are not the source's.
    write_geotiff(tmp_path / "x.flac", tmp_path / "y.tif", tile_size=16)
    assert len(all_levels(tmp_path / "y.tif")) == 1
    made = {"source.tif", "source.tif.ovr", "x.flac", "x.tif", "y.tif"}
    assert set(os.listdir(tmp_path)) == made


def test_overviews_equal_those_of_gdaladdo(tmp_path):
    program = shutil.which("gdaladdo")
    if program is None:
        pytest.skip("skipped: no gdaladdo (Debian: gdal-bin)")
    source = make_tif(tmp_path / "source.tif", bands(1, "uint16"), nodata=0)
    write_flac(source, tmp_path / "x.flac", tile_size=16, overviews=[2, 4, 8])
    subprocess.run([program, "-q", "-r", "average", str(source), "2", "4", "8"], check=True)
    write_geotiff(tmp_path / "x.flac", tmp_path / "x.tif", overviews="all")
    for found, expected in zip(all_levels(tmp_path / "x.tif"), all_levels(source), strict=True):
        assert_same_bits(found, expected)


def test_factors_replace_what_the_source_has(tmp_path):
    source = make_tif(tmp_path / "source.tif", overviews=([2, 3], Resampling.nearest))
    bare = make_tif(tmp_path / "bare.tif", all_levels(source)[0])
    for path in (source, bare):
        write_flac(path, path.with_suffix(".flac"), tile_size=16, overviews=[2, 4])
        write_geotiff(path.with_suffix(".flac"), path.with_suffix(".all.tif"), overviews="all")
    found, expected = (all_levels(tmp_path / f"{name}.all.tif") for name in ("source", "bare"))
    for ours, theirs in zip(found, expected, strict=True):
        assert_same_bits(ours, theirs)


def test_which_overviews(tmp_path):
    bare = make_tif(tmp_path / "bare.tif", bands(1))
    reduced = make_tif(tmp_path / "reduced.tif", bands(1), overviews=([3], Resampling.nearest))

    def sizes(source, overviews):
        index = write_flac(
            source, tmp_path / "x.flac", tile_size=32, overviews=overviews, overwrite=True
        )
        assert read_index(tmp_path / "x.flac").source_overviews == index.source_overviews
        return [level.width for level in index.levels], index.source_overviews

    assert sizes(bare, "source") == ([93], False)
    assert sizes(bare, "auto") == ([93, 47, 24], False)
    assert sizes(bare, "none") == ([93], False)
    assert sizes(bare, [8, 2]) == ([93, 47, 12], False)
    assert sizes(reduced, "source") == ([93, 31], True)
    assert sizes(reduced, "auto") == ([93, 31], True)
    assert sizes(reduced, "none") == ([93], False)
    assert sizes(reduced, [2]) == ([93, 47], False)


def test_palettes_are_not_averaged(tmp_path):
    source = make_tif(tmp_path / "source.tif", after=set_colormap)
    write_flac(source, tmp_path / "x.flac", tile_size=32, overviews="auto")
    write_geotiff(tmp_path / "x.flac", tmp_path / "x.tif", overviews="all")
    full, half, _ = all_levels(tmp_path / "x.tif")
    with rasterio.open(source, "r+") as dataset:
        dataset.build_overviews([2], Resampling.nearest)
    assert_same_bits(half, all_levels(source)[1])
    assert_same_bits(full, all_levels(source)[0])


def test_sizes_that_no_factor_gives(tmp_path):
    # As other programs make them: 93 // 2 and 71 // 2, not rounded up.
    base = make_tif(tmp_path / "base.tif", bands(1, "uint16"))
    half = make_tif(tmp_path / "half.tif", RNG.integers(0, 9, (1, 35, 46)).astype("uint16"))
    (tmp_path / "source.vrt").write_text(
        '<VRTDataset rasterXSize="93" rasterYSize="71"><VRTRasterBand dataType="UInt16" band="1">'
        f"<SimpleSource><SourceFilename>{base}</SourceFilename></SimpleSource>"
        f"<Overview><SourceFilename>{half}</SourceFilename><SourceBand>1</SourceBand></Overview>"
        "</VRTRasterBand></VRTDataset>"
    )
    result = there_and_back(tmp_path / "source.vrt", tmp_path)
    levels = all_levels(result)
    assert_same_bits(levels[0], all_levels(base)[0])
    assert_same_bits(levels[1], all_levels(half)[0])


@pytest.mark.parametrize("overviews", [[1], [0], [-2], [94], ["x"], "some", [80, 90]])
def test_overviews_that_cannot_be(tmp_path, overviews):
    source = make_tif(tmp_path / "source.tif")
    with pytest.raises(SelectionError):
        write_flac(source, tmp_path / "x.flac", overviews=overviews)
    assert os.listdir(tmp_path) == ["source.tif"]


@pytest.mark.parametrize("overviews", ["best", ["x"]])
def test_words_for_overviews_are_named(tmp_path, overviews):
    source = make_tif(tmp_path / "source.tif")
    with pytest.raises(SelectionError, match="expected 'source', 'auto', 'none' or factors"):
        write_flac(source, tmp_path / "x.flac", overviews=overviews)


def test_resampling_must_be_known(tmp_path):
    source = make_tif(tmp_path / "source.tif")
    with pytest.raises(SelectionError, match="cubicspline"):
        write_flac(source, tmp_path / "x.flac", overviews="auto", resampling="best")


# --- Refusals -------------------------------------------------------------------------------------


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


# --- Outside judges -------------------------------------------------------------------------------


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


# --- Costs ----------------------------------------------------------------------------------------

MEASURE = """
import json, sys
from virtual_flac import write_flac, write_geotiff
function = {"flac": write_flac, "tif": write_geotiff}[sys.argv[2].rpartition(".")[2]]
function(sys.argv[1], sys.argv[2], workers=2)
# Not ru_maxrss, which a process inherits from the one that starts it.
peak = int(open("/proc/self/status").read().partition("VmHWM:")[2].split()[0]) / 1024
heavy = {"xarray", "zarr", "virtualizarr", "rioxarray"} & set(sys.modules)
print(json.dumps([peak, sorted(heavy)]))
"""


def measure(source, target):
    command = [sys.executable, "-c", MEASURE, str(source), str(target)]
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
        (10_980, 10_980, "uint16", {"tiled": True, "compress": "deflate"}, 250),
        (10_980, 10_980, "uint16", {"tiled": True, "blockxsize": 400, "blockysize": 400}, 250),
        (36_000, 18_000, "uint8", {"compress": "lzw"}, 500),
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
    for origin, target in ((source, "x.flac"), (tmp_path / "x.flac", "x.tif")):
        _, heavy = measure(origin, tmp_path / target)
        assert heavy == []


def test_silent_about_rasters_without_georeferencing(tmp_path):
    source = make_tif(tmp_path / "source.tif", **NOWHERE)
    with warnings.catch_warnings():
        warnings.simplefilter("error", NotGeoreferencedWarning)
        there_and_back(source, tmp_path, overviews="auto", back={"overviews": "all"})


def test_errors_are_of_one_tree():
    for error in (RasterError, SelectionError, SourceError, UnsupportedDtypeError):
        assert issubclass(error, FlacError)
