"""All metadata return from FLAC: rasterio and gdalcompare.py are the judges."""

from __future__ import annotations

import numpy as np
import pytest
import rasterio
import rasterio.shutil
import xarray as xr
from affine import Affine
from conversions import (
    INTERLEAVES,
    NOWHERE,
    RGB,
    XMP,
    all_levels,
    assert_same_bits,
    bands,
    make_tif,
    set_colormap,
    set_tags,
    there_and_back,
)
from rasterio.control import GroundControlPoint
from rasterio.crs import CRS
from rasterio.enums import ColorInterp, Resampling
from rasterio.rpc import RPC
from rasters import NORTH_UP, write_tif

from virtual_flac import write_flac, write_geotiff
from virtual_flac.gdal.describe import describe
from virtual_flac.reading.header import read_index

pytestmark = pytest.mark.filterwarnings("ignore::rasterio.errors.NotGeoreferencedWarning")


def set_colors(*names):
    def after(dataset):
        dataset.colorinterp = tuple(ColorInterp[name] for name in names)

    return after


def set_scaling(dataset):
    dataset.scales = tuple(0.0001 * n for n in dataset.indexes)
    dataset.offsets = tuple(-273.15 + n for n in dataset.indexes)
    dataset.units = ("K",) * dataset.count
    dataset.descriptions = tuple(f'band <&" {n}' for n in dataset.indexes)


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


@pytest.mark.parametrize("name", CASES)
def test_all_metadata_return(tmp_path, gdalcompare, name):
    source = make_tif(tmp_path / "source.tif", **CASES[name])
    # Metadata do not depend on it: each is tried with many of them.
    interleave = INTERLEAVES[list(CASES).index(name) % 3]
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


def test_crs_with_braces_in_its_name(tmp_path):
    # pyproj takes text with a brace for JSON.
    wkt = CRS.from_string("+proj=laea +lat_0=52 +lon_0=9.5 +datum=WGS84").to_wkt()
    crs = CRS.from_wkt(wkt.replace('"unknown"', '"{mine}"', 1))
    tif = write_tif(tmp_path / "a.tif", np.zeros((1, 20, 30), np.uint8), crs=crs)
    flac, back = tmp_path / "a.flac", tmp_path / "b.tif"
    write_flac(tif, flac)
    write_geotiff(flac, back)
    with rasterio.open(tif) as one, rasterio.open(back) as other:
        assert one.crs == other.crs
        assert "{mine}" in one.crs.to_wkt()
    with xr.open_dataset(flac, engine="flac") as ds:
        assert ds.spatial_ref.attrs["grid_mapping_name"] == "lambert_azimuthal_equal_area"
