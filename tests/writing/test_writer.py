"""The writer: every order of tiles gives the same file, and nothing is ever half written."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import tempfile
import threading
import time

import numpy as np
import pytest
import zarr_flac

from virtual_flac.errors import (
    LossyTileError,
    RasterError,
    SelectionError,
    TargetExistsError,
)
from virtual_flac.io import local_files as atomic
from virtual_flac.model.index import Band, RasterInfo
from virtual_flac.reading.header import read_index
from virtual_flac.writing import layout_writers, writer
from virtual_flac.writing.options import WriteOptions
from virtual_flac.writing.writer import FlacWriter

RNG = np.random.default_rng(3)


def make(width=100, height=70, count=2, dtype="uint16"):
    pixels = RNG.integers(0, 200, (count, height, width)).astype(dtype)
    raster = RasterInfo(width=width, height=height, dtype=pixels.dtype, bands=(Band(),) * count)
    return raster, pixels


def options(**changes):
    return WriteOptions(**{"tile_size": 32, "workers": 2, **changes})


def decode(path, index):
    """All levels, by the codec alone."""
    data = path.read_bytes()
    levels = []
    for number, level in enumerate(index.levels):
        result = np.empty((index.raster.count, level.height, level.width), index.raster.dtype)
        grid = index.grid(number)
        bands = index.chunk_shape(number)[0]
        for plane, row, col in np.ndindex(level.lengths.shape):
            window = grid.window(row, col)
            start = int(level.offsets[plane, row, col])
            tile = data[start : start + int(level.lengths[plane, row, col])]
            shape = (bands, window.height, window.width)
            spec = zarr_flac.TileSpec(chunk_shape=shape, dtype=index.raster.dtype, channels=bands)
            top, left = window.row_off, window.col_off
            result[
                plane * bands : (plane + 1) * bands,
                top : top + window.height,
                left : left + window.width,
            ] = zarr_flac.decode_tile(tile, spec)
        levels.append(result)
    return levels


@pytest.mark.parametrize("interleave", ["band", "tile", "pixel"])
def test_file_is_what_the_index_says(tmp_path, interleave):
    raster, pixels = make()
    small = pixels[:, ::2, ::2].copy()
    path = tmp_path / "x.flac"
    with FlacWriter(
        path, raster, overviews=[(50, 35)], options=options(interleave=interleave)
    ) as out:
        out.write(pixels)
        out.write(small, level=1)
        index = out.finish()
    found = read_index(path)
    assert found.raster == index.raster
    assert found.version.size == index.version.size == path.stat().st_size
    for ours, theirs in zip(index.levels, found.levels, strict=True):
        np.testing.assert_array_equal(ours.offsets, theirs.offsets)
        np.testing.assert_array_equal(ours.lengths, theirs.lengths)
    full, half = decode(path, found)
    np.testing.assert_array_equal(full, pixels)
    np.testing.assert_array_equal(half, small)
    # Nothing between the tiles, nothing behind them.
    tiles = sum(int(level.lengths.sum()) for level in found.levels)
    first = min(int(level.offsets.min()) for level in found.levels)
    assert first + tiles == found.version.size


@pytest.mark.parametrize("interleave", ["band", "tile", "pixel"])
def test_order_of_writing_does_not_show(tmp_path, interleave):
    raster, pixels = make(count=3)
    blocks = [
        (band, row, col)
        for band in ([0] if interleave == "pixel" else range(3))
        for row in range(3)
        for col in range(4)
    ]
    files = []
    for seed in range(3):
        random.Random(seed).shuffle(blocks)
        path = tmp_path / f"{seed}.flac"
        with FlacWriter(path, raster, options=options(interleave=interleave)) as out:
            for band, row, col in blocks:
                bands = slice(None) if interleave == "pixel" else slice(band, band + 1)
                part = pixels[bands, row * 32 : row * 32 + 32, col * 32 : col * 32 + 32]
                out.write(part, band=band, row=row, col=col)
            out.finish()
        files.append(path.read_bytes())
    assert files[0] == files[1] == files[2]


def test_a_missing_tile_is_refused(tmp_path):
    raster, pixels = make()
    with FlacWriter(tmp_path / "x.flac", raster, options=options()) as out:
        out.write(pixels[:1])
        with pytest.raises(RasterError, match="12 tiles were not written"):
            out.finish()
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize(
    ("shape", "dtype"), [((2, 33, 100), "uint16"), ((2, 70, 99), "uint16"), ((2, 70, 100), "int16")]
)
def test_pixels_that_are_no_whole_tiles_are_refused(tmp_path, shape, dtype):
    raster, _ = make()
    with FlacWriter(tmp_path / "x.flac", raster, options=options()) as out:  # noqa: SIM117
        with pytest.raises(RasterError, match="whole tiles of 32"):
            out.write(np.zeros(shape, dtype))


@pytest.mark.parametrize("error", [RuntimeError, KeyboardInterrupt, SystemExit])
@pytest.mark.parametrize("old", [None, b"the old file"])
def test_nothing_is_left_when_something_fails(tmp_path, error, old):
    path = tmp_path / "x.flac"
    if old:
        path.write_bytes(old)
    raster, pixels = make()

    def fail():
        with FlacWriter(path, raster, options=options(), overwrite=True) as out:
            out.write(pixels[:1])
            raise error

    with pytest.raises(error):
        fail()
    assert os.listdir(tmp_path) == (["x.flac"] if old else [])
    assert not old or path.read_bytes() == old


@pytest.mark.parametrize("where", ["spool.copy_bytes", "layout_writers.OwnLayout.pack"])
def test_nothing_is_left_when_the_end_fails(tmp_path, monkeypatch, where):
    path = tmp_path / "x.flac"
    path.write_bytes(b"old")

    def fail(*_, **__):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(f"virtual_flac.writing.{where}", fail)
    raster, pixels = make()
    with FlacWriter(path, raster, options=options(), overwrite=True) as out:
        out.write(pixels)
        with pytest.raises(OSError, match="the disk is full" if "spool" in where else "No space"):
            out.finish()
    assert os.listdir(tmp_path) == ["x.flac"]
    assert path.read_bytes() == b"old"


@pytest.mark.skipif(not hasattr(os, "O_TMPFILE"), reason="skipped: no nameless files here")
@pytest.mark.parametrize("moment", ["write", "finish"])
def test_nothing_is_left_when_the_process_is_killed(tmp_path, moment):
    code = f"""
import os, sys, time
sys.path.insert(0, {os.path.dirname(__file__)!r})
from test_writer import *
raster, pixels = make()
if {moment!r} == "finish":
    from virtual_flac.writing import spool
    spool.copy_bytes = lambda *_: (print("now", flush=True), time.sleep(60))
with FlacWriter(sys.argv[1], raster, options=options(), overwrite=True) as out:
    out.write(pixels)
    if {moment!r} == "finish":
        out.finish()
    print("now", flush=True)
    time.sleep(60)
"""
    path = tmp_path / "x.flac"
    path.write_bytes(b"old")
    child = subprocess.Popen([sys.executable, "-c", code, str(path)], stdout=subprocess.PIPE)
    assert child.stdout is not None
    with child.stdout:
        assert child.stdout.readline() == b"now\n"
        child.send_signal(signal.SIGKILL)
    child.wait()
    assert os.listdir(tmp_path) == ["x.flac"]
    assert path.read_bytes() == b"old"


def test_an_existing_file_is_kept_unless_overwriting(tmp_path):
    path = tmp_path / "x.flac"
    path.write_bytes(b"old")
    raster, pixels = make()
    with pytest.raises(TargetExistsError, match="--force"):
        FlacWriter(path, raster)
    with FlacWriter(path, raster, options=options(), overwrite=True) as out:
        out.write(pixels)
        assert path.read_bytes() == b"old"
        out.finish()
    assert read_index(path).raster == raster


def test_a_file_that_appears_meanwhile_is_kept(tmp_path):
    path = tmp_path / "x.flac"
    raster, pixels = make()
    with FlacWriter(path, raster, options=options()) as out:
        out.write(pixels)
        path.write_bytes(b"another's")
        with pytest.raises(TargetExistsError):
            out.finish()
    assert path.read_bytes() == b"another's"
    assert os.listdir(tmp_path) == ["x.flac"]


def test_targets_that_cannot_be(tmp_path):
    raster, _ = make()
    with pytest.raises(FileNotFoundError, match="no such folder"):
        FlacWriter(tmp_path / "no" / "x.flac", raster)
    with pytest.raises(TargetExistsError, match="is a folder"):
        FlacWriter(tmp_path, raster)


def test_files_have_the_usual_permissions(tmp_path):
    usual = tmp_path / "usual"
    usual.touch()
    raster, pixels = make()
    with FlacWriter(tmp_path / "x.flac", raster, options=options()) as out:
        out.write(pixels)
        out.finish()
    assert (tmp_path / "x.flac").stat().st_mode == usual.stat().st_mode


@pytest.mark.parametrize("lack", ["O_TMPFILE", "link", "copy_file_range", "copy fails"])
def test_systems_that_can_less(tmp_path, monkeypatch, lack):
    def refuse(*_, **__):
        raise OSError(18, "Invalid cross-device link")

    if lack == "link":
        monkeypatch.setattr(os, "link", refuse)
    elif lack == "copy fails":
        monkeypatch.setattr(os, "copy_file_range", refuse, raising=False)
    elif lack == "O_TMPFILE":
        monkeypatch.delattr(os, "O_TMPFILE", raising=False)
        monkeypatch.setattr(tempfile, "_O_TMPFILE_WORKS", False, raising=False)
    else:
        monkeypatch.delattr(os, "copy_file_range", raising=False)
    monkeypatch.setattr(atomic, "COPY_BYTES", 1000)
    raster, pixels = make(count=1)
    path = tmp_path / "x.flac"
    with FlacWriter(path, raster, options=options()) as out:
        out.write(pixels)
        index = out.finish()
    np.testing.assert_array_equal(decode(path, index)[0], pixels)
    assert os.listdir(tmp_path) == ["x.flac"]


@pytest.mark.parametrize("order", ["row", "predicted"])
def test_a_damaged_tile_is_not_kept(tmp_path, monkeypatch, order):
    from zarr_flac import frame_encoder, predicted

    encoder = frame_encoder if order == "row" else predicted
    encode = encoder.encode

    def damage(samples, *args, **kwargs):
        changed = samples.copy()
        changed[..., 5] ^= 1
        return encode(changed, *args, **kwargs)

    monkeypatch.setattr(encoder, "encode", damage)
    raster, pixels = make()

    def write():
        with FlacWriter(tmp_path / "x.flac", raster, options=options(order=order)) as out:
            out.write(pixels)
            out.finish()

    with pytest.raises(LossyTileError, match=r"level 0, plane 0, tile \(0, 0\)"):
        write()
    assert os.listdir(tmp_path) == []


def test_work_in_flight_is_bounded(tmp_path, monkeypatch):
    lock, running, most = threading.Lock(), set(), [0]
    original = layout_writers.encode_tile

    def slow(pixels, *args, **kwargs):
        time.sleep(0.002)
        return original(pixels, *args, **kwargs)

    submit = writer.ThreadPoolExecutor.submit

    def count(pool, function, *args, **kwargs):
        future = submit(pool, function, *args, **kwargs)
        with lock:
            running.add(future)
            most[0] = max(most[0], len(running))
        future.add_done_callback(lambda done: running.discard(done))
        return future

    monkeypatch.setattr(layout_writers, "encode_tile", slow)
    monkeypatch.setattr(writer.ThreadPoolExecutor, "submit", count)
    monkeypatch.setattr(writer, "PENDING_BYTES", 1)
    raster, pixels = make(width=640, height=320, count=1)
    with FlacWriter(tmp_path / "x.flac", raster, options=options()) as out:
        out.write(pixels)
        out.finish()
    assert 2 <= most[0] <= 5


def test_progress_counts_every_pixel(tmp_path):
    seen = []
    raster, pixels = make()
    with FlacWriter(
        tmp_path / "x.flac",
        raster,
        overviews=[(50, 35)],
        options=options(),
        progress=lambda done, total: seen.append((done, total)),
    ) as out:
        out.write(pixels)
        out.write(pixels[:, ::2, ::2], level=1)
        out.finish()
    total = 2 * (100 * 70 + 50 * 35)
    assert seen[-1] == (total, total)
    assert [done for done, _ in seen] == sorted({done for done, _ in seen})


@pytest.mark.parametrize(
    ("name", "value"),
    [
        *(("tile_size", value) for value in (0, 15, -1, 16_385, 2.5, True)),
        *(("compression", value) for value in (-1, 9)),
        *(("block_size", value) for value in (15, 65_536)),
        *(("workers", value) for value in (0, -2)),
        ("interleave", "line"),
    ],
)
def test_options_out_of_range(name, value):
    with pytest.raises(SelectionError, match=name):
        WriteOptions(**{name: value})


@pytest.mark.parametrize(("count", "dtype"), [(9, "uint8"), (5, "float64"), (5, "int64")])
def test_more_bands_than_channels(tmp_path, count, dtype):
    raster, _ = make(count=count, dtype=dtype)
    with pytest.raises(SelectionError, match="--interleave band"):
        FlacWriter(tmp_path / "x.flac", raster, options=options(interleave="pixel"))
