"""flac-raster's plain files: one stream for the raster, cut into rows wherever frames allow it."""

from __future__ import annotations

import struct
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import xarray as xr
from fresh_process import Elsewhere
from hypothesis import given, settings
from hypothesis import strategies as st
from rasters import write_tif
from servers import url_of
from virtualizarr import open_virtual_dataset
from zarr_flac import iter_frames, read_info

import virtual_flac
from virtual_flac.errors import (
    CorruptFlacError,
    FlacError,
    LayoutError,
    NeedBytes,
    UnknownLayoutError,
)
from virtual_flac.layouts import flac_raster, parse, plain
from virtual_flac.layouts._stream import READ_AHEAD_BYTES
from virtual_flac.model.grid import Window
from virtual_flac.reading.frame_scan import PIECE_BYTES
from virtual_flac.reading.header import PREFIX_BYTES
from virtual_flac.reading.tiles import TileReader

SHAPE = (230, 301)
FEW_BYTES = 40_000

#: name -> (dtype, bands, least pixel, largest pixel, largest error)
RASTERS: dict[str, tuple[str, int, float, float, float]] = {
    "uint8": ("uint8", 1, 3, 250, 0),
    "uint8_rgb": ("uint8", 3, 0, 255, 0),
    "uint8_eight": ("uint8", 8, 0, 255, 0),
    "int8": ("int8", 1, -60, 60, 0),
    "uint16": ("uint16", 1, 1000, 30_000, 0),
    "uint16_stereo": ("uint16", 2, 0, 9000, 0),
    "uint16_wide": ("uint16", 4, 0, 65_535, 1),
    "int16": ("int16", 1, -400, 4000, 0),
    "int16_flat": ("int16", 2, 7, 7, 0),
    "int32": ("int32", 1, -4_000_000, 4_000_000, 0),
    "uint32_wide": ("uint32", 2, 0, 4_294_967_295, 256),
    "int64": ("int64", 1, -(2**40), -(2**40) + 5_000_000, 0),
    "float32": ("float32", 2, -200.0, 255.0, 1.6e-5),
    "float64": ("float64", 1, -1.0, 1.0, 1.2e-7),
}


def surface(dtype: str, bands: int, low: float, high: float) -> npt.NDArray[Any]:
    """Bands that differ little, so that the encoder stores pairs of them as differences."""
    rng = np.random.default_rng(8)
    height, width = SHAPE
    y, x = np.mgrid[0:height, 0:width]
    wave = (np.sin(x / 40) + np.cos(y / 30) + 2) / 4
    values = low + wave * (high - low) + rng.normal(0, (high - low) / 99, (bands, *SHAPE))
    values = np.clip(values, low, high)
    if np.dtype(dtype).kind != "f":
        values = np.clip(np.rint(values), low, high)
    data: npt.NDArray[Any] = values.astype(dtype)
    data.flat[:2] = np.array([low, high], np.dtype(dtype))
    return data


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory, flac_raster: Any) -> dict[str, Any]:
    folder = tmp_path_factory.mktemp("plain")
    made: dict[str, Any] = {"folder": folder}
    for name, (dtype, bands, low, high, _) in RASTERS.items():
        data = surface(dtype, bands, low, high)
        tif = write_tif(folder / f"{name}.tif", data)
        made[name] = flac_raster.convert(tif, folder / f"{name}.flac"), data
    return made


@pytest.fixture(params=["whole", "cut"])
def tiles(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Either one tile for the small raster, or as many as its frames allow."""
    if request.param == "cut":
        monkeypatch.setattr(plain, "TILE_BYTES", FEW_BYTES)
    return str(request.param)


@pytest.mark.parametrize("name", RASTERS)
def test_pixels_and_georeferencing(
    name: str, files: dict[str, Any], tiles: str, range_server: Any
) -> None:
    flac, data = files[name]
    largest = RASTERS[name][-1]
    theirs = xr.open_dataset(flac.with_suffix(".tif"), engine="rasterio", mask_and_scale=False)
    for source in (flac, url_of(range_server(files["folder"]), flac.name)):
        index = virtual_flac.read_index(source)
        assert index.layout == "flac-raster plain"
        assert (index.tile_count > 1) is (tiles == "cut")
        ours = xr.open_dataset(source, engine="flac", mask_and_scale=False)
        assert ours.band_data.dtype == data.dtype
        found = ours.band_data.to_numpy()
        if largest == 0:
            np.testing.assert_array_equal(found, data)
            assert "flac_raster_loss" not in ours.band_data.attrs
        else:
            error = np.abs(found.astype("f8") - data.astype("f8")).max()
            assert 0 < error <= largest
            assert "flac-raster" in ours.band_data.attrs["flac_raster_loss"]
            loss = flac_raster.loss(index)
            assert loss is not None
            assert error <= loss.largest_error
        np.testing.assert_array_equal(ours.x, theirs.x)
        np.testing.assert_array_equal(ours.y, theirs.y)
        assert ours.rio.crs == theirs.rio.crs
        assert ours.rio.transform() == theirs.rio.transform()


def test_stereo_decorrelation_is_among_the_files(files: dict[str, Any]) -> None:
    data = files["uint16_stereo"][0].read_bytes()
    kinds = {data[frame.offset + 3] >> 4 for frame in iter_frames(data)}
    assert kinds & {8, 9, 10}


def test_windows_and_bands(
    files: dict[str, Any], monkeypatch: pytest.MonkeyPatch, thread_pool: Any
) -> None:
    monkeypatch.setattr(plain, "TILE_BYTES", FEW_BYTES)
    for name in ("uint8_eight", "uint16_stereo", "int16"):
        flac, data = files[name]
        index = virtual_flac.read_index(flac)
        reader = TileReader(flac, index, None, thread_pool)
        for window in (Window(0, 0, 301, 230), Window(17, 40, 5, 77), Window(300, 229, 1, 1)):
            bands = [len(data) - 1, 0] if len(data) > 1 else [0]
            found = reader.read(window, bands=bands)
            rows = slice(window.row_off, window.row_off + window.height)
            cols = slice(window.col_off, window.col_off + window.width)
            np.testing.assert_array_equal(found, data[bands, rows, cols])
        some = xr.open_dataset(flac, engine="flac", mask_and_scale=False, bands=[len(data)])
        np.testing.assert_array_equal(some.band_data[0], data[-1])


@pytest.fixture(scope="module")
def thread_pool() -> Any:
    from concurrent.futures import ThreadPoolExecutor

    with ThreadPoolExecutor(2) as pool:
        yield pool


@pytest.mark.exhaustive
def test_references_need_the_codec_only(
    files: dict[str, Any], range_server: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    elsewhere: Elsewhere,
) -> None:  # fmt: skip
    monkeypatch.setattr(plain, "TILE_BYTES", FEW_BYTES)
    server = range_server(files["folder"])
    names = ("uint8_rgb", "int16", "int64", "float32")
    for name in names:
        url = url_of(server, f"{name}.flac")
        vds = open_virtual_dataset(
            url, parser=virtual_flac.FLACParser(), registry=virtual_flac.registry_for(url)
        )
        virtual_flac.write_kerchunk(vds, tmp_path / f"{name}.json")
        virtual_flac.write_icechunk(vds, tmp_path / f"{name}.icechunk")
    server.reset()
    for name in names:
        expected = xr.open_dataset(
            files[name][0], engine="flac", mask_and_scale=False
        ).band_data.to_numpy()
        for kind in ("json", "icechunk"):
            seen = elsewhere.read(tmp_path / f"{name}.{kind}")
            np.testing.assert_array_equal(seen["stored"], expected)
    heads = [r for r in server.log() if r.range is None or r.range[0] == 0]
    assert not heads  # nobody looks for frames again


# Requests ----------------------------------------------------------------------------------------


def test_a_file_is_read_once_to_find_its_frames(
    flac_raster: Any, range_server: Any, tmp_path: Path
) -> None:
    rng = np.random.default_rng(2)
    data = rng.integers(0, 30_000, (1, 2600, 2500)).astype("uint16")
    flac = flac_raster.convert(write_tif(tmp_path / "big.tif", data), tmp_path / "big.flac")
    size = flac.stat().st_size
    assert size > PIECE_BYTES
    server = range_server(tmp_path)
    seen: list[tuple[int, int]] = []
    url = url_of(server, flac.name)
    index = virtual_flac.read_index(url, progress=lambda done, total: seen.append((done, total)))
    requests = server.log()
    assert len(requests) == 1 + -(-(size - PREFIX_BYTES) // PIECE_BYTES) == 3
    assert sum(request.bytes_sent for request in requests) == size
    assert seen == [(PREFIX_BYTES + PIECE_BYTES, size), (size, size)]
    assert index.tile_count == 7
    assert index.chunk_shape(0) == (1, 419, 2500)
    # Frames that two tiles share are all that is read twice.
    lengths = index.levels[0].lengths.ravel()
    assert 0 <= int(lengths.sum()) - (size - int(index.levels[0].offsets.min())) < 7 * 9000
    ours = xr.open_dataset(url, engine="flac", mask_and_scale=False)
    server.reset()
    np.testing.assert_array_equal(ours.band_data[0, 500:520, 7:9], data[0, 500:520, 7:9])
    (request,) = server.log()
    assert request.bytes_sent == lengths[1]
    np.testing.assert_array_equal(ours.band_data, data)


def with_seek_table(flac: Path, step: int, *, shift: int = 0) -> bytes:
    """The file with a SEEKTABLE of every `step`-th frame, and a placeholder."""
    data = flac.read_bytes()
    info = read_info(data)

    def place(frame: Any) -> int:
        offset: int = frame.offset - info.frames_offset
        return offset + (shift if offset else 0)

    points = [
        struct.pack(">QQH", frame.first_sample, place(frame), frame.block_size)
        for frame in list(iter_frames(data))[::step]
    ]
    block = b"".join(points) + struct.pack(">QQH", 2**64 - 1, 0, 0)
    return data[:42] + b"\x03" + len(block).to_bytes(3, "big") + block + data[42:]


@pytest.mark.parametrize("step", [1, 3])
def test_a_seek_table_spares_reading_the_file(
    step: int, files: dict[str, Any], range_server: Any, tmp_path: Path
) -> None:
    """Points at each frame, and points farther apart than a tile needs to be."""
    flac, data = files["uint8_eight"]
    path = tmp_path / f"seek_{step}.flac"
    path.write_bytes(with_seek_table(flac, step))
    for least in (1, plain.TILE_BYTES):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(plain, "TILE_BYTES", least)
            server = range_server(tmp_path)
            url = url_of(server, path.name)
            index = virtual_flac.read_index(url)
            read = sum(request.bytes_sent for request in server.log())
            assert read < 100_000 < path.stat().st_size
            if least == 1:
                assert index.tile_shape[0] == -(-step * 4096 // SHAPE[1])
            ours = xr.open_dataset(path, engine="flac", mask_and_scale=False)
            np.testing.assert_array_equal(ours.band_data, data)


def test_a_seek_table_that_lies_is_noticed(files: dict[str, Any], tmp_path: Path) -> None:
    flac, data = files["uint8"]
    path = tmp_path / "lies.flac"
    good = with_seek_table(flac, 1)
    path.write_bytes(with_seek_table(flac, 1, shift=1))
    with pytest.raises((CorruptFlacError, LayoutError), match="seek table"):
        virtual_flac.read_index(path)
    # Numbers of existing frames, at the places of others.
    broken = bytearray(good)
    broken[46 + 18 : 46 + 26] = struct.pack(">Q", 8191)
    path.write_bytes(broken)
    with pytest.raises(CorruptFlacError, match="sample 8191"):
        virtual_flac.read_index(path)
    # One that contradicts itself is not believed: the frames are looked for.
    broken[46 + 18 : 46 + 26] = struct.pack(">Q", 4096 * 5)
    path.write_bytes(broken)
    ours = xr.open_dataset(path, engine="flac", mask_and_scale=False)
    np.testing.assert_array_equal(ours.band_data, data)


# Damage ------------------------------------------------------------------------------------------


def test_cut_files_are_errors(files: dict[str, Any], tmp_path: Path) -> None:
    flac, _ = files["uint16"]
    whole = flac.read_bytes()
    frames = list(iter_frames(whole))
    cuts = {5, 30, 100, frames[0].offset, frames[0].offset + 3, len(whole) - 1, len(whole) - 100}
    cuts |= {frames[-1].offset, frames[5].offset, frames[5].offset + 10}
    path = tmp_path / "cut.flac"
    for cut in sorted(cuts):
        path.write_bytes(whole[:cut])
        with pytest.raises(FlacError):
            virtual_flac.read_index(path)
    for gone in (0, 3):  # a frame missing in the midst
        frame = frames[gone]
        path.write_bytes(whole[: frame.offset] + whole[frame.offset + frame.length :])
        with pytest.raises(FlacError):
            virtual_flac.read_index(path)
    frame = frames[2]
    path.write_bytes(
        whole[: frame.offset] + whole[frames[3].offset :][: frames[3].length]
        + whole[frame.offset : frames[3].offset] + whole[frames[4].offset :]
    )  # fmt: skip
    with pytest.raises(FlacError):
        virtual_flac.read_index(path)


@settings(max_examples=60)
@given(st.data())
def test_flipped_bits_are_errors_or_nothing(files: dict[str, Any], data: st.DataObject) -> None:
    """In what references point to, long after the file was indexed."""
    name = data.draw(st.sampled_from(["uint16_stereo", "float32"]))
    flac, _ = files[name]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(plain, "TILE_BYTES", FEW_BYTES)
        index = virtual_flac.read_index(flac)
    spec = index.tile_spec(0)
    row = data.draw(st.integers(0, index.grid(0).rows - 1))
    offset, length = (
        int(values[0, row, 0]) for values in (index.levels[0].offsets, index.levels[0].lengths)
    )
    from zarr_flac import decode_tile

    chunk = bytearray(flac.read_bytes()[offset : offset + length])
    expected = decode_tile(chunk, spec)
    bit = data.draw(st.integers(0, 8 * length - 1))
    chunk[bit // 8] ^= 1 << bit % 8
    try:
        found = decode_tile(chunk, spec)
    except FlacError:
        return
    np.testing.assert_array_equal(found, expected)


def test_what_the_comments_get_wrong(files: dict[str, Any]) -> None:
    whole = files["uint8_rgb"][0].read_bytes()

    def damaged(old: bytes, new: bytes) -> bytes:
        assert whole.count(old) == 1
        assert len(old) == len(new)
        return whole.replace(old, new)

    for old, new, words in (
        (b"COUNT=3", b"COUNT=4", "bands"),
        (b"COUNT=3", b"COUNT=x", "whole number"),
        (b"DTYPE=uint8", b"DTYPE=uint9", "dtype"),
        (b"WIDTH=301", b"WIDTH=3-1", "whole number"),
        (b"DATA_MAX=255.0", b"DATA_MAX=255.5", "whole number"),
        (b"TRANSFORM=[", b"TRANSFORM=x", "JSON"),
        (b"CRS=EPSG:32633", b"CRS=EPSG:99633", "PROJ"),
    ):
        with pytest.raises(FlacError, match=words):
            parse(damaged(old, new), len(whole))


def test_a_wrong_height_is_noticed(files: dict[str, Any], tmp_path: Path) -> None:
    whole = files["uint8_rgb"][0].read_bytes()
    path = tmp_path / "height.flac"
    for height in (b"229", b"231", b"100", b"999"):
        path.write_bytes(whole.replace(b"HEIGHT=230", b"HEIGHT=" + height))
        with pytest.raises(LayoutError, match=f"301 x {height.decode()}"):
            virtual_flac.read_index(path)


def test_parsing_asks_for_the_bytes_it_needs(files: dict[str, Any]) -> None:
    whole = files["int16"][0].read_bytes()
    head, stream = whole[:5], None
    while stream is None:
        try:
            stream = parse(head, len(whole))
        except NeedBytes as need:
            head = whole[: max(need.end, len(head) + 1)]
    assert isinstance(stream, plain.PlainStream)
    assert stream.frames_offset < len(head) <= stream.frames_offset + READ_AHEAD_BYTES
    tagged = b"ID3\x04\0\0\0\0\0\x0a" + b"x" * 10 + whole
    found = parse(tagged, len(tagged))
    assert isinstance(found, plain.PlainStream)
    assert found.frames_offset == stream.frames_offset + 20
    with pytest.raises(LayoutError, match="ID3"):
        parse(b"ID3\x04\0\0\0\0\0\x0a" + b"x" * 10 + b"RIFFRIFF", 1000)


# Other streams -----------------------------------------------------------------------------------


def test_music_is_told_from_rasters(tmp_path: Path) -> None:
    from zarr_flac import TileSpec, encode_tile

    sound = encode_tile(np.zeros((2, 44100 * 61), "int16"), TileSpec(channels=2, order="row"))
    sound = sound.replace(b"GEOSPATIAL_", b"SOMETHING__")
    path = tmp_path / "song.flac"
    path.write_bytes(sound)
    with pytest.raises(UnknownLayoutError) as caught:
        virtual_flac.read_index(path)
    for words in ("audio FLAC", "2 channels of 16 bits", "44100 Hz", "1:01.0", "convert"):
        assert words in str(caught.value)
    assert not xr.backends.list_engines()["flac"].guess_can_open(path)


def test_a_predicted_tile_is_no_raster(tmp_path: Path) -> None:
    from zarr_flac import TileSpec, encode_tile

    path = tmp_path / "tile.flac"
    path.write_bytes(encode_tile(np.zeros((30, 20), "int16"), TileSpec()))
    for read in (virtual_flac.read_index, lambda path: xr.open_dataset(path, engine="flac")):
        with pytest.raises(LayoutError, match=r"one predicted tile.*zarr_flac\.decode_tile"):
            read(path)


def test_the_engine_is_guessed(files: dict[str, Any]) -> None:
    flac, data = files["int16"]
    assert xr.backends.list_engines()["flac"].guess_can_open(flac)
    np.testing.assert_array_equal(xr.open_dataset(flac, mask_and_scale=False).band_data, data)


@pytest.mark.parametrize("dtype", ["uint16", "float32", "float64", "int64"])
def test_a_tile_of_ours_is_a_raster_too(
    dtype: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from zarr_flac import TileSpec, encode_tile

    monkeypatch.setattr(plain, "TILE_BYTES", 1)
    data = surface(dtype, 2, 0, 60_000)
    path = tmp_path / "tile.flac"
    path.write_bytes(encode_tile(data, TileSpec(channels=2, block_size=512)))
    ours = xr.open_dataset(path, engine="flac", mask_and_scale=False)
    np.testing.assert_array_equal(ours.band_data, data)
    assert virtual_flac.read_index(path).tile_shape == (2, SHAPE[1])
