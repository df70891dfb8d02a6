"""flac-raster's spatial files: they open, and say that nothing is left of the pixels."""

from __future__ import annotations

import base64
import gzip
import json
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import xarray as xr
from fresh_process import read_elsewhere
from rasters import write_tif
from servers import url_of
from virtualizarr import open_virtual_dataset
from zarr_flac import read_info

import virtual_flac
from virtual_flac.errors import DestroyedPixelsWarning, FlacError, LayoutError, NeedBytes
from virtual_flac.layouts import parse
from virtual_flac.model.grid import Window
from virtual_flac.model.index import TileIndex
from virtual_flac.reading.tiles import TileReader

TILE = 64
#: name -> (dtype, bands, height, width): tiles of the last row and column are smaller, in `square`
#: both have as many pixels.
RASTERS = {
    "square": ("uint8", 3, 150, 150),
    "wide": ("uint16", 1, 100, 230),
    "even": ("int16", 2, 128, 192),
    "floats": ("float32", 1, 70, 150),
    "single": ("int32", 1, 40, 50),
}

pytestmark = pytest.mark.filterwarnings(
    "ignore::virtual_flac.errors.DestroyedPixelsWarning"
)  # one test looks for it


def sparse(dtype: str, bands: int, height: int, width: int) -> npt.NDArray[Any]:
    """Pixels of which much is left: the ends of the dtype, and values in between."""
    rng = np.random.default_rng(width)
    kind = np.dtype(dtype)
    low, high = (-1.0, 1.0) if kind.kind == "f" else (np.iinfo(kind).min, np.iinfo(kind).max)
    choices = np.array([low, high, 0.25 if kind.kind == "f" else 77])
    data: npt.NDArray[Any] = rng.choice(choices, (bands, height, width)).astype(kind)
    return data


def left_of(data: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """What flac-raster's arithmetic leaves, written down once more."""
    values = data.astype(np.float32)
    name = data.dtype.name
    scaled = {
        "uint8": lambda: (values - 127.5) / 127.5,
        "uint16": lambda: (values - 32767.5) / 32767.5,
        "int16": lambda: values / 32767.0,
        "int32": lambda: values / 2147483647.0,
        "float32": lambda: np.clip(values, -1, 1),
    }[name]()
    samples = scaled.astype(np.int32)
    if data.dtype.kind == "f":
        return samples.astype(data.dtype)
    top = np.iinfo(data.dtype).max
    ends = [0, top // 2 + 1, top] if data.dtype.kind == "u" else [-top, 0, top]
    result: npt.NDArray[Any] = np.array(ends, data.dtype)[samples + 1]
    return result


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory, flac_raster: Any) -> dict[str, Any]:
    folder = tmp_path_factory.mktemp("spatial")
    made: dict[str, Any] = {"folder": folder}
    for name, (dtype, bands, height, width) in RASTERS.items():
        data = sparse(dtype, bands, height, width)
        tif = write_tif(folder / f"{name}.tif", data)
        flac = folder / f"{name}.flac"
        flac_raster.convert(tif, flac, "--spatial", "--tile-size", str(TILE))
        made[name] = flac, data
    return made


@pytest.mark.parametrize("name", RASTERS)
def test_what_is_left_is_where_it_was(name: str, files: dict[str, Any], range_server: Any) -> None:
    flac, data = files[name]
    expected = left_of(data)
    server = range_server(files["folder"])
    theirs = xr.open_dataset(flac.with_suffix(".tif"), engine="rasterio")
    for source in (flac, url_of(server, flac.name)):
        ours = xr.open_dataset(source, engine="flac", mask_and_scale=False)
        assert ours.band_data.dtype == data.dtype
        np.testing.assert_array_equal(ours.band_data, expected)
        assert "destroyed" in ours.band_data.attrs["flac_raster_loss"]
        assert ours.rio.transform() == theirs.rio.transform()
        assert ours.rio.crs == theirs.rio.crs
    with ThreadPoolExecutor(2) as pool:
        index = virtual_flac.read_index(flac)
        reader = TileReader(flac, index, None, pool)
        window = Window(10, 5, data.shape[2] - 11, data.shape[1] - 5)
        np.testing.assert_array_equal(reader.read(window), expected[:, 5:, 10:-1])


def test_it_is_said_plainly(files: dict[str, Any]) -> None:
    flac, _ = files["wide"]
    with pytest.warns(DestroyedPixelsWarning, match="destroyed the pixels"):
        index = virtual_flac.read_index(flac)
    assert index.layout == "flac-raster spatial"
    assert index.loss is not None
    assert index.loss.largest_error == np.inf


def test_references_need_the_codec_only(
    files: dict[str, Any], range_server: Any, tmp_path: Path
) -> None:
    server = range_server(files["folder"])
    names = ("square", "wide", "floats")
    paths = []
    for name in names:
        url = url_of(server, f"{name}.flac")
        vds = open_virtual_dataset(
            url, parser=virtual_flac.FLACParser(), registry=virtual_flac.registry_for(url)
        )
        virtual_flac.write_kerchunk(vds, tmp_path / f"{name}.json")
        virtual_flac.write_icechunk(vds, tmp_path / f"{name}.icechunk")
        paths += [tmp_path / f"{name}.json", tmp_path / f"{name}.icechunk"]
    seen = read_elsewhere(paths)
    for name, kerchunk, icechunk in zip(names, seen[::2], seen[1::2], strict=True):
        expected = left_of(files[name][1])
        np.testing.assert_array_equal(kerchunk["stored"], expected)
        np.testing.assert_array_equal(icechunk["stored"], expected)


def test_tiles_are_where_streams_begin(files: dict[str, Any]) -> None:
    for name in RASTERS:
        flac, _ = files[name]
        whole = flac.read_bytes()
        index = parse(whole, len(whole))
        assert isinstance(index, TileIndex)
        level = index.levels[0]
        starts, ends = level.offsets.ravel(), (level.offsets + level.lengths).ravel()
        assert all(whole[int(start) :][:4] == b"fLaC" for start in starts)
        assert (starts[1:] == ends[:-1]).all()
        assert starts[0] == 0
        assert ends[-1] == len(whole)
        # Theirs are not there.
        comments = read_info(whole).comments
        text = gzip.decompress(base64.b64decode(comments["GEOSPATIAL_SPATIAL_INDEX"]))
        for frame in json.loads(text)["frames"][1:]:
            assert whole[frame["byte_offset"] :][:4] != b"fLaC"


def test_parsing_asks_for_the_bytes_it_needs(files: dict[str, Any]) -> None:
    whole = files["square"][0].read_bytes()
    head, parsed = whole[:5], None
    while parsed is None:
        try:
            parsed = parse(head, len(whole))
        except NeedBytes as need:
            head = whole[: max(need.end, len(head) + 1)]
    assert isinstance(parsed, TileIndex)
    assert len(head) == parsed.levels[0].offsets.ravel()[1] + 4


def test_damage(files: dict[str, Any], tmp_path: Path) -> None:
    whole = files["square"][0].read_bytes()
    comments = read_info(whole).comments
    text = comments["GEOSPATIAL_SPATIAL_INDEX"]
    index = json.loads(gzip.decompress(base64.b64decode(text)))

    def with_index(data: bytes) -> bytes:
        new = base64.b64encode(data)[: len(text)].ljust(len(text), b"=")
        return whole.replace(text.encode(), new)

    path = tmp_path / "damaged.flac"
    path.write_bytes(whole)
    virtual_flac.read_index(path)
    missing = {**index, "frames": index["frames"][1:]}
    for damaged in (
        whole[:-1], whole[:-500], whole + b"x", whole[:300], whole[:50],
        with_index(b"no gzip"), with_index(gzip.compress(b"[]")),
        with_index(gzip.compress(json.dumps(missing).encode())[:-9]),
        whole.replace(b"TILE_SIZE=64", b"TILE_SIZE=65"), whole.replace(b"COUNT=3", b"COUNT=2"),
        whole.replace(b"HEIGHT=150", b"HEIGHT=250"),
    ):  # fmt: skip
        assert damaged != whole
        path.write_bytes(damaged)
        with pytest.raises(LayoutError):
            virtual_flac.read_index(path)
    # Damage in a tile is found when it is read.
    offset = int(virtual_flac.read_index(files["square"][0]).levels[0].offsets[0, 1, 1])
    broken = bytearray(whole)
    broken[offset + 100] ^= 4
    path.write_bytes(broken)
    ours = xr.open_dataset(path, engine="flac", mask_and_scale=False)
    with pytest.raises(FlacError):
        ours.band_data.load()
