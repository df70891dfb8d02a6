"""Rasters to FLAC and back: what the tests of conversions share."""

from __future__ import annotations

import os

import numpy as np
import rasterio
from rasters import write_tif

from virtual_flac import write_flac, write_geotiff

RNG = np.random.default_rng(11)
INTEGERS = ("int8", "uint8", "int16", "uint16", "int32", "uint32", "int64", "uint64")
DTYPES = (*INTEGERS, "float32", "float64")
INTERLEAVES = ("band", "tile", "pixel")
RGB = {"photometric": "RGB"}
NOWHERE = {"crs": None, "transform": None}
XMP = (
    '<?xpacket begin="" id="W5M0MpCehiHzreSzNTczkc9d"?>\n'
    '  <x:xmpmeta xmlns:x="adobe:ns:meta/"><a   b="1=2"> </a></x:xmpmeta>'
)


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


def bands(count, dtype="uint8"):
    return RNG.integers(0, 100, (count, 71, 93)).astype(dtype)


def make_tif(path, pixels=None, **options):
    """`rasters.write_tif`, of one small band by default."""
    return write_tif(path, bands(1) if pixels is None else pixels, **options)


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
