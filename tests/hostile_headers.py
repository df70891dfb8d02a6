"""Headers that somebody wrote on purpose: valid JSON, a right checksum, and lies inside.

`victims` are small rasters of all layouts. `attack` changes one to three values of one's header, by
what they mean or whatever they are, and seals it again.
"""

from __future__ import annotations

import base64
import copy
import json
import random
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from heads import Raw, seal, with_comments
from rasters import write_tif
from zarr_flac import TileSpec, encode_tile

import virtual_flac

type Lie = Callable[[random.Random], Any]


@dataclass(frozen=True)
class Victim:
    """A raster that is attacked: its header, its tiles, and its pixels of shape (band, y, x).

    The header of a plain file are its comments, and its tiles the whole stream.
    """

    name: str
    header: dict[str, Any]
    tiles: bytes
    pixels: npt.NDArray[Any]

    def file(self, header: dict[str, Any]) -> bytes:
        """The file with a header."""
        if self.name == "plain":
            return with_comments(self.tiles, {key: str(text) for key, text in header.items()})
        return seal(header) + self.tiles


# What values become ------------------------------------------------------------------------------

NUMBERS: list[Any] = [
    *(0, 1, -1, 2, 15, 16, 31, 33, 255, 256, 65_536, 10**6, 10**8, 2**31 - 1, 2**31, 2**32),
    *(2**53 + 1, 2**63 - 1, 2**63, 2**64, -(2**63) - 1, 0.5, -0.0, 1e-320, 1e39, 1e150, -1.7e308),
    *(Raw("1" + "0" * 400), Raw("9" * 4200), Raw("1e400"), Raw("-1e999"), Raw("1E+2")),
]
TEXTS: list[str] = [
    *("", " ", "\0", "a\0b", "\ud800", "x\udfff", "\x1b[31mred", "\n\t", "[/red]", "\u202e"),
    *("\ufeff", "NaN", "nan", "inf", "-Infinity", "None", "null", "{}", "[]", "{1,2}", "{,}"),
    *("{nan,1}", "{inf}", "9" * 5000, "1_0", "0x10", "1e5", "1e400", "-1", "0", "true", "é" * 50),
    *("x" * 5000, "EPSG:4326", "+proj=merc", "[0]", "../../etc/passwd", "http://a:b@c/d", "%s%n"),
    *("<a>&amp;</a>", "]]>", "days since foo", "days since 2000-01-01", "object", "<U4", "tile"),
]
ODD: list[Any] = [
    *(None, True, False, [], {}, [[]], [{}], {"": {}}, [None], {"a": None}, [1] * 6, [0.5] * 20),
    *(Raw("[" * depth + "]" * depth) for depth in (3, 50, 900, 5000)),
]
WKTS = [
    *("garbage", "PROJCRS", "PROJCRS[", "[]", 'PROJCRS["a"]', 'GEOGCRS["x",FOO["y"]]', "[" * 1000),
    *("PROJCRS[" * 500 + "]" * 500, 'LOCAL_CS["x",UNIT["m",1]]', 'ENGCRS["a",EDATUM["b"]]'),
    *('VERTCRS["h",VDATUM["d"],CS[vertical,1],AXIS["h",up],LENGTHUNIT["metre",1]]', "EPSG:32633"),
    *('GEOGCS["W",DATUM["D",SPHEROID["S",6378137,298.25]],PRIMEM["G",0],UNIT["d",0.017]]', "{"),
    *('GEOGCS["a",DATUM["D",SPHEROID["S",1e400,0]],PRIMEM["G",nan],UNIT["d",0]]', "EPSG:99999"),
    *('PROJCRS["' + "a" * 5000 + '"]', "+proj=pipeline", "+init=epsg:4326", "/etc/passwd", "{}"),
    *('COMPOUNDCRS["a",GEOGCRS["b"],VERTCRS["c"]]', "urn:ogc:def:crs:EPSG::0", "http://[::1/x"),
]
TAG_NAMES = [
    *("add_offset", "scale_factor", "_FillValue", "missing_value", "units", "dtype", "calendar"),
    *("grid_mapping", "coordinates", "_Unsigned", "long_name", "scales", "offsets", "valid_range"),
    *("source", "chunks", "flag_values", "standard_name", "bounds", "name", "x#units", "y#units"),
    *("x#scale_factor", "y#add_offset", "x#_FillValue", "band#units", "band#_FillValue", "x#dtype"),
    *("spatial_ref#crs_wkt", "spatial_ref#GeoTransform", "x#coordinates", "x#", "#", "y#calendar"),
    *("NC_GLOBAL#units", "AREA_OR_POINT", "_ARRAY_DIMENSIONS", "_Encoding", "time", "nodata"),
]
TAG_VALUES = [
    *("{1,2}", "{}", "days since foo", "days since 2000-01-01", "seconds", "m", "0", "2.5", "nan"),
    *("inf", "1e400", "true", "x", "y x", "spatial_ref", "", "float32", "bool", "S1", "object"),
    *("datetime64[ns]", "timedelta64[ns]", "é", "\x01", "9" * 30, "1e300", "[1, 2]", '{"a": 1}'),
    *("{a,b}", "{1}", "360_day"),
]


def one_of(*values: Any) -> Lie:
    """One of these."""
    return lambda rng: copy.deepcopy(rng.choice(values))


def anything(rng: random.Random) -> Any:
    """A number, a text, or an odd value."""
    return copy.deepcopy(rng.choice(rng.choice([NUMBERS, TEXTS, ODD])))


def sizes(rng: random.Random) -> str:
    """Text of the kind of `sizes` and `checksums`; some inflates to megabytes."""
    data = rng.choice([bytes(rng.choice([4, 64, 3 * 10**7])), rng.randbytes(16), b"\xff" * 16])
    packed = zlib.compress(data, 9)
    return base64.b64encode(rng.choice([packed, packed[:-3], data[:40], b""])).decode()


def gcps(rng: random.Random) -> Any:
    """Ground control points, most of them with a lie."""
    points: list[Any] = [
        {
            "type": "Feature",
            "properties": {"id": "1", "info": "", "row": 10 * number, "col": 0},
            "geometry": {"type": "Point", "coordinates": [float(number), 2.0, 0.0]},
        }
        for number in range(rng.choice([1, 3, 4]))
    ]
    if rng.random() < 0.7:
        change(points, rng)
    return points


def rpcs(rng: random.Random) -> dict[str, Any]:
    """Rational polynomial coefficients, most of them with a lie."""
    names = ("LINE", "SAMP", "LAT", "LONG", "HEIGHT")
    items: dict[str, Any] = {f"{name}_{kind}": "1" for name in names for kind in ("OFF", "SCALE")}
    for name in ("LINE_NUM", "LINE_DEN", "SAMP_NUM", "SAMP_DEN"):
        items[f"{name}_COEFF"] = " ".join(["0.5"] * 20)
    if rng.random() < 0.7:
        items[rng.choice(list(items))] = rng.choice([*TEXTS, "12 pixels", "1 2 3", "0", "1e308"])
    return items


def tags(rng: random.Random) -> dict[str, Any]:
    """Tags by which readers of NetCDF would decode pixels or coordinates."""
    domain = rng.choice(["", "", "", "RPC", "x", "xml:a", "\0"])
    return {domain: {rng.choice(TAG_NAMES): rng.choice(TAG_VALUES) for _ in range(2)}}


LENGTHS = one_of(1, 31, 33, 64, 10**4, 10**6, 10**8, 2**31 - 1, 2**31)
#: By the name of the key, what it could have been.
LIES: dict[str, Lie] = {
    "crs_wkt": one_of(*WKTS),
    "gcp_crs_wkt": one_of(*WKTS),
    "crs": one_of(*WKTS, *TEXTS),
    "gcps": gcps,
    "rpcs": rpcs,
    "tags": tags,
    "overview_tags": one_of([], [[]], [[{}]], [[{"a": "b"}]], [[{"a": 1}], 3], "x"),
    "nodata": one_of(*NUMBERS, *TEXTS),
    "transform": lambda rng: [rng.choice([*NUMBERS, 0, 0, 1]) for _ in range(rng.choice([6, 9]))],
    "scale": one_of(*NUMBERS),
    "offset": one_of(*NUMBERS),
    "colormap": lambda rng: base64.b64encode(rng.randbytes(rng.choice([0, 4, 1024]))).decode(),
    "sizes": sizes,
    "checksums": sizes,
    "version": one_of("1.0", "1.1", "1.9", "2.0", "1", "9" * 5000 + ".0", "१.२", ""),
    "dtype": one_of("uint8", "int16", "float16", "float32", "float64", "uint64", "object", ""),
    "interleave": one_of("band", "tile", "pixel", "line"),
    "tile_size": LENGTHS,
    "width": LENGTHS,
    "height": LENGTHS,
    "frames": one_of([], [1], {}, "x"),
}
#: What few headers have, or no reader needs: many of these lies are taken.
HARMLESS = ("crs_wkt", "gcps", "gcp_crs_wkt", "rpcs", "nodata", "tags", "overview_tags", "later")
OF_A_BAND = ("tags", "colormap", "scale", "offset", "description", "unit", "color_interpretation")


# Where ------------------------------------------------------------------------------------------


def places(value: Any) -> Iterator[tuple[Any, Any]]:
    """Every container and key inside a JSON value."""
    if isinstance(value, dict | list):
        for key in value if isinstance(value, dict) else range(len(value)):
            yield value, key
            yield from places(value[key])


def change(value: Any, rng: random.Random) -> None:
    """Change, add, repeat or remove one of the values inside a JSON value."""
    found = list(places(value))
    if isinstance(value, dict) and rng.random() < 0.5:
        found = [(value, key) for key in value]  # however long lists below are
    if not found:
        return
    holder, key = rng.choice(found)
    before = holder[key]
    kind = rng.choice(["lie", "lie", "lie", "anything", "wrap", "add", "remove", "near"])
    if kind == "remove":
        del holder[key]
    elif kind == "add" and isinstance(holder, dict):
        holder[rng.choice([*TEXTS, *TAG_NAMES])] = anything(rng)
    elif kind == "add":
        holder.append(copy.deepcopy(before))
    elif kind == "wrap":
        holder[key] = [before]
    elif kind == "near" and isinstance(before, int | float):
        holder[key] = before + rng.choice([1, -1, 0.5, 2**32])
    elif kind == "lie" and key in LIES:
        holder[key] = LIES[key](rng)
    elif kind == "lie" and isinstance(before, str | int | float):
        holder[key] = rng.choice(TEXTS if isinstance(before, str) else NUMBERS)
    else:
        holder[key] = anything(rng)


def attack(victim: Victim, rng: random.Random) -> bytes:
    """The victim's file with one to three lies in its header."""
    header = copy.deepcopy(victim.header)
    for _ in range(rng.choice([1, 1, 2, 3])):
        kind = rng.random()
        bands = header.get("bands")
        if victim.name == "plain":
            key = rng.choice([*header, "GEOSPATIAL_PIXEL_ORDER", "TITLE"])
            header[key] = rng.choice(rng.choice([NUMBERS, TEXTS, WKTS]))
        elif kind < 0.4:
            key = rng.choice(HARMLESS)
            header[key] = LIES.get(key, anything)(rng)
        elif kind < 0.55 and isinstance(bands, list) and bands and isinstance(bands[0], dict):
            key = rng.choice(OF_A_BAND)
            bands[0][key] = LIES.get(key, anything)(rng)
        else:
            change(header, rng)
    return victim.file(header)


# Whose ------------------------------------------------------------------------------------------


def victims(folder: Path) -> list[Victim]:
    """Rasters of all layouts, as different as few files can be."""
    y, x = np.mgrid[0:40, 0:50]
    noise = np.random.default_rng(5).integers(0, 9, (3, 40, 50))
    surface = 100 + x + 2 * y + noise
    scaled = {"units": ["m"] * 2, "scales": [0.5] * 2}
    reduced = {"overviews": [2], "resampling": "nearest"}
    kinds: dict[str, tuple[str, int, dict[str, Any], dict[str, Any]]] = {
        "overviews": ("uint16", 2, {"nodata": 7, "describe": scaled}, reduced),
        "pixel": ("uint8", 3, {}, {"interleave": "pixel"}),
        "float": ("float32", 1, {"nodata": float("nan")}, {"interleave": "tile"}),
        "wide": ("int64", 1, {"nodata": -9999}, {}),
        "theirs": ("int16", 1, {}, {"layout": "flac-raster"}),
    }  # fmt: skip
    found = []
    for name, (dtype, count, options, how) in kinds.items():
        pixels = surface[:count].astype(dtype)
        tif = write_tif(folder / f"{name}.tif", pixels, **options)
        flac = tif.with_suffix(".flac")
        virtual_flac.write_flac(tif, flac, tile_size=32, **how)
        data = flac.read_bytes()
        end = 4 + int.from_bytes(data[:4], "big")
        found.append(Victim(name, json.loads(data[4:end]), data[end:], pixels))
    return [*found, plain(surface[:1].astype("uint8"))]


def plain(pixels: npt.NDArray[Any]) -> Victim:
    """A plain file as flac-raster writes it, whose samples are stretched pixels."""
    low, high = int(pixels.min()), int(pixels.max())
    samples = np.trunc((2.0 * (pixels[0] - low) / (high - low) - 1.0) * 32767).astype("int16")
    comments = {
        "ENCODER": "FLAC-Raster Python", "GEOSPATIAL_CRS": "EPSG:32633", "GEOSPATIAL_WIDTH": "50",
        "GEOSPATIAL_HEIGHT": "40", "GEOSPATIAL_COUNT": "1", "GEOSPATIAL_DTYPE": "uint8",
        "GEOSPATIAL_NODATA": "None", "GEOSPATIAL_DATA_MIN": str(low),
        "GEOSPATIAL_DATA_MAX": str(high),
        "GEOSPATIAL_TRANSFORM": "[30.0, 0, 399960.0, 0, -30.0, 5000040.0, 0, 0, 1]",
    }  # fmt: skip
    return Victim("plain", comments, encode_tile(samples, TileSpec(order="row")), pixels)
