"""Every command on flac-raster's plain files, here and over HTTP; other files are refused."""

from __future__ import annotations

import hashlib
import json
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio
import soundfile
from click.testing import CliRunner
from rasters import write_tif
from servers import url_of
from zarr_flac import decode

import virtual_flac
from virtual_flac.cli.commands import app

SHAPE = (1, 230, 301)
WINDOW = (5, 6, 50, 40)
REFUSED = {
    "sound.flac": "the file is an audio FLAC: 2 channels of 16 bits at 44100 Hz",
    "spatial.flac": "the file was written by `flac-raster convert --spatial`, and its pixels cannot"
    " be recovered",
}


def run(*words: Any) -> Any:
    return CliRunner().invoke(app, [str(word) for word in words])


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory, flac_raster: Any) -> Path:
    """A GeoTIFF, flac-raster's files of it, and sound."""
    folder = tmp_path_factory.mktemp("layouts")
    data = np.random.default_rng(1).integers(-30, 200, SHAPE).astype("int16")
    write_tif(folder / "source.tif", data)
    flac_raster.convert(folder / "source.tif", folder / "plain.flac")
    flac_raster.convert(folder / "source.tif", folder / "spatial.flac", "--spatial")
    soundfile.write(folder / "sound.flac", np.zeros((4410, 2)), 44_100)
    return folder


@pytest.fixture(params=["here", "http"])
def place(request: Any, folder: Path, range_server: Any) -> Callable[[str], str]:
    """Path or URL of a file."""
    if request.param == "here":
        return lambda name: str(folder / name)
    server = range_server(folder)
    return lambda name: url_of(server, name)


def pixels(path: Path) -> Any:
    with rasterio.open(path) as dataset:
        return dataset.read()


def test_every_command_on_plain_files(place: Any, folder: Path, tmp_path: Path):
    source = place("plain.flac")
    col, row, width, height = WINDOW
    expected = pixels(folder / "source.tif")

    def told(*words: Any, code: int = 0) -> Any:
        done = run(*words, "--json")
        assert done.exit_code == code, done.output
        assert "Warning: " not in done.stderr
        return json.loads(done.stdout)

    report = told("info", source)
    assert report["layout"] == "flac-raster plain"
    assert report["note"] is None
    assert told("spatial-info", source)["tiles"]
    assert told("query", source, "--window", "5,6,50,40")["ranges"]
    words = ("--window", ",".join(map(str, WINDOW)), "-o", tmp_path / "part.tif")
    assert told("extract", source, *words)["width"] == width
    part = expected[:, row : row + height, col : col + width]
    np.testing.assert_array_equal(pixels(tmp_path / "part.tif"), part)
    assert told("compare", folder / "source.tif", source, code=1)["pixels_identical"]
    assert told("verify", source)["ok"]
    assert told("verify", source, "--strict")["losses"] == []
    assert told("preview", source, "-o", tmp_path / "x.png")["width"] == SHAPE[2]
    told("convert", source, "-o", tmp_path / "back.tif")
    np.testing.assert_array_equal(pixels(tmp_path / "back.tif"), expected)
    told("convert", source, "-o", tmp_path / "ours.flac", "--tile-size", 64)
    assert virtual_flac.compare(tmp_path / "ours.flac", tmp_path / "back.tif").pixels_identical
    assert told("virtualize", source, "-o", tmp_path / "one.json")["references"] >= 1
    words = ("--values", "1,2", "--dim", "t", "-o", tmp_path / "two.json")
    assert told("stack", source, source, *words)["sizes"]["t"] == 2


@pytest.mark.parametrize(
    "words",
    [
        ["spatial-info"], ["query", "--tile-id", "0"], ["extract", "-o", "x.tif"], ["verify"],
        ["preview", "-o", "x.png"], ["convert", "-o", "x.tif"], ["convert", "-o", "x.flac"],
        ["virtualize", "-o", "x.json"], ["stack", "-o", "x.json", "--values", "1", "--dim", "t"],
    ],
)  # fmt: skip
def test_files_without_pixels_are_refused(
    words: list[str], place: Any, tmp_path: Path, monkeypatch: Any
):
    """Sound, and flac-raster's spatial files."""
    monkeypatch.chdir(tmp_path)
    command, *options = words
    for name, what in REFUSED.items():
        done = run(command, place(name), *options)
        assert (done.exit_code, done.stdout) == (1, "")
        [line] = done.stderr.splitlines()
        assert line.startswith("Error: ")
        assert f"{name}: {what}" in line
    assert list(tmp_path.iterdir()) == []


def test_info_refuses_spatial_files(place: Any):
    done = run("info", place("spatial.flac"))
    assert (done.exit_code, done.stdout) == (1, "")
    assert f"spatial.flac: {REFUSED['spatial.flac']}" in " ".join(done.stderr.split())


def test_sound_is_refused_by_compare_and_shown_by_info(place: Any, folder: Path):
    for order in (
        [place("sound.flac"), folder / "source.tif"],
        [folder / "source.tif", place("sound.flac")],
    ):
        done = run("compare", *order)
        assert (done.exit_code, done.stdout) == (1, "")
        assert "audio FLAC" in done.stderr
    assert json.loads(run("info", place("sound.flac"), "--json").stdout)["raster"] is None


def test_the_md5_of_a_whole_stream_is_checked(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    data = bytearray((folder / "plain.flac").read_bytes())
    assert virtual_flac.verify(folder / "plain.flac").stream_md5 is None
    samples = decode(bytes(data))
    digest = hashlib.md5(samples.T.astype("<i2").tobytes(), usedforsecurity=False).digest()
    path = tmp_path / "x.flac"
    for md5, agrees in ((digest, True), (digest[::-1], False)):
        data[26:42] = md5  # the last field of STREAMINFO
        path.write_bytes(data)
        for read_bytes in (1 << 10, 1 << 23):  # frames in several pieces, and in one
            monkeypatch.setattr("virtual_flac.reports.stream_md5.READ_BYTES", read_bytes)
            found = virtual_flac.verify(path)
            assert (found.stream_md5, found.ok) == (agrees, agrees)
        done = run("verify", path)
        assert done.exit_code == (0 if agrees else 1)
        assert ("agrees" if agrees else "differs") in done.stdout
        done = run("verify", path, "--quiet")
        assert (done.stderr == "") == agrees
        if shutil.which("flac"):
            judged = subprocess.run(["flac", "-s", "-t", path], capture_output=True, check=False)
            assert (judged.returncode == 0) == agrees
