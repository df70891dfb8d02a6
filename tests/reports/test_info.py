"""`info`: what rasterio says of the source, and what a server was asked."""

from __future__ import annotations

import json
import math
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio
import soundfile
from click.testing import CliRunner
from heads import write_sentinel
from rasters import CASES, make, write_tif
from servers import url_of

import virtual_flac
from virtual_flac.cli.commands import app
from virtual_flac.errors import FlacError, SourceNotFoundError
from virtual_flac.rasters import open_raster
from virtual_flac.reading.header import PREFIX_BYTES


def opened(path: Path) -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return rasterio.open(path)


@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize("suffix", [".flac", ".tif"])
def test_the_report_is_what_rasterio_says(name: str, suffix: str, tmp_path: Path):
    source = make(name, tmp_path)
    path = source
    if suffix == ".flac":
        path = tmp_path / "a.flac"
        virtual_flac.write_flac(source, path, tile_size=16)
    report = virtual_flac.info(path)
    said = json.loads(json.dumps(report.to_dict(), allow_nan=False))
    with opened(source) as dataset:
        raster = said["raster"]
        assert (raster["width"], raster["height"]) == (dataset.width, dataset.height)
        assert raster["count"] == dataset.count == len(raster["bands"])
        assert raster["dtype"] == dataset.dtypes[0]
        assert raster["transform"] == list(dataset.transform)[:6]
        if not dataset.gcps[0]:
            left, bottom, right, top = dataset.bounds
            if dataset.transform.b == 0:
                box = (left, min(bottom, top), right, max(bottom, top))
                assert raster["bounds"] == pytest.approx(box)
        code = dataset.crs.to_epsg() if dataset.crs else None
        assert raster["crs"] == (f"EPSG:{code}" if code else None)
        nodata = dataset.nodata
        if nodata is None:
            assert raster["nodata"] is None
        elif math.isnan(nodata):
            assert raster["nodata"] == "NaN"
        else:
            assert raster["nodata"] == nodata
        for number, band in enumerate(raster["bands"]):
            assert band["description"] == dataset.descriptions[number]
            assert band["unit"] == (dataset.units[number] or None)
            assert (band["scale"], band["offset"]) == (
                dataset.scales[number],
                dataset.offsets[number],
            )
            assert band["color_interpretation"] == dataset.colorinterp[number].name
        sizes = [[dataset.width, dataset.height]]
        sizes += [
            [-(-dataset.width // factor), -(-dataset.height // factor)]
            for factor in dataset.overviews(1)
        ]
        assert said["levels"] == sizes
    assert said["file_bytes"] == path.stat().st_size
    pixels = sum(w * h for w, h in sizes) * raster["count"] * np.dtype(raster["dtype"]).itemsize
    assert said["pixel_bytes"] == pixels
    assert said["ratio"] == round(pixels / path.stat().st_size, 3)


def test_costs_are_what_the_server_saw(tmp_path: Path, range_server: Any):
    source = make("overviews", tmp_path)
    virtual_flac.write_flac(source, tmp_path / "small.flac", tile_size=64)
    write_sentinel(tmp_path / "many.flac", 60 * 512, 512)
    server = range_server(tmp_path)
    for name, requests in (("small.flac", 1), ("many.flac", 2)):
        server.reset()
        report = virtual_flac.info(url_of(server, name))
        log = server.log()
        assert report.requests == len(log) == requests
        assert report.bytes_read == sum(request.bytes_sent for request in log)
        index = virtual_flac.read_index(tmp_path / name)
        assert report.tile_count == index.tile_count
        assert report.tile_bytes == sum(int(level.lengths.sum()) for level in index.levels)
        assert (report.layout, report.interleave) == ("virtual-flac", "band")


def test_a_url_without_a_suffix_costs_what_is_reported(tmp_path: Path, range_server: Any):
    virtual_flac.write_flac(make("overviews", tmp_path), tmp_path / "a.flac", tile_size=64)
    (tmp_path / "a.flac").rename(tmp_path / "raster")
    server = range_server(tmp_path)
    report = virtual_flac.info(url_of(server, "raster"))
    [request] = server.log()
    assert (report.requests, report.bytes_read) == (1, request.bytes_sent)
    server.reset()
    with open_raster(url_of(server, "raster")) as raster:
        assert raster.info == report.raster
    assert len(server.log()) == 1


def test_sound_is_shown_as_what_it_is(tmp_path: Path):
    sound = (np.sin(np.arange(3000)[:, None] / [9, 11]) * 9999).astype(np.int16)
    soundfile.write(tmp_path / "song.flac", sound, 22_050, subtype="PCM_16")
    report = virtual_flac.info(tmp_path / "song.flac")
    assert (report.layout, report.raster, report.ratio) == ("FLAC", None, None)
    said = report.to_dict()["stream"]
    assert (said["channels"], said["bits_per_sample"], said["sample_rate"]) == (2, 16, 22_050)
    assert said["total_samples"] == 3000
    done = CliRunner().invoke(app, ["info", str(tmp_path / "song.flac")])
    assert done.exit_code == 0
    assert "22050 Hz" in done.stdout


def test_a_stream_with_much_in_front_of_its_frames(tmp_path: Path, range_server: Any):
    soundfile.write(tmp_path / "a.flac", np.zeros((100, 1), np.int16), 8000)
    data = (tmp_path / "a.flac").read_bytes()
    # A padding block of 200 kB behind STREAMINFO.
    size = 200_000
    padded = data[:42] + b"\x01" + size.to_bytes(3, "big") + bytes(size) + data[42:]
    (tmp_path / "padded.flac").write_bytes(padded)
    server = range_server(tmp_path)
    report = virtual_flac.info(url_of(server, "padded.flac"))
    assert report.stream is not None
    assert report.stream.streaminfo.sample_rate == 8000
    assert report.requests == len(server.log()) == 2
    assert report.stream.frames_offset > PREFIX_BYTES
    (tmp_path / "cut.flac").write_bytes(padded[:150_000])
    with pytest.raises(FlacError, match=r"cut\.flac"):
        virtual_flac.info(tmp_path / "cut.flac")


@pytest.mark.parametrize("name", ["uint16", "int16_dem"])
def test_streaming_files_of_flac_raster(name: str, flac_raster: Any, tmp_path: Path):
    source = make(name, tmp_path)
    flac_raster.create_streaming(source, tmp_path / "theirs.flac", tile_size=64)
    report = virtual_flac.info(tmp_path / "theirs.flac")
    assert report.layout == "flac-raster streaming"
    assert report.raster is not None
    with opened(source) as dataset:
        assert (report.raster.width, report.raster.height) == (dataset.width, dataset.height)
        assert report.raster.dtype == dataset.dtypes[0]
    assert report.requests == 1


def test_plain_files_of_flac_raster_are_not_read_through(
    flac_raster: Any, tmp_path: Path, range_server: Any
):
    data = np.random.default_rng(1).integers(0, 9000, (1, 400, 400), dtype=np.uint16)
    write_tif(tmp_path / "a.tif", data, transform=rasterio.Affine(10, 0, 0, 0, -10, 0))
    path = flac_raster.convert(tmp_path / "a.tif", tmp_path / "plain.flac")
    server = range_server(tmp_path)
    report = virtual_flac.info(url_of(server, "plain.flac"))
    [request] = server.log()
    assert request.bytes_sent == PREFIX_BYTES < path.stat().st_size
    assert report.stream is not None
    assert report.stream.comments["GEOSPATIAL_WIDTH"] == "400"


def test_the_command_shows_and_prints_json(tmp_path: Path):
    source = make("uint16_six_bands", tmp_path)
    virtual_flac.write_flac(source, tmp_path / "a.flac", tile_size=16, overviews=[2])
    done = CliRunner().invoke(app, ["info", str(tmp_path / "a.flac"), "--json"])
    assert json.loads(done.stdout) == virtual_flac.info(tmp_path / "a.flac").to_dict()
    done = CliRunner().invoke(app, ["info", str(tmp_path / "a.flac"), "--tags"])
    assert done.exit_code == 0
    for word in ("EPSG:32633", "WGS 84 / UTM zone 33N", "6 of uint16", "65535", "25 x 20", "B06",
                 "AREA_OR_POINT", "1 request,"):  # fmt: skip
        assert word in done.stdout
    done = CliRunner().invoke(app, ["info", "--help"])
    assert "virtual-flac info " in done.stdout


def test_what_is_no_raster_is_an_error(tmp_path: Path):
    (tmp_path / "a.txt").write_text("nothing of the kind")
    (tmp_path / "b.flac").write_bytes(b"\0\0\0\x10" + b'{"some": "json"}')
    for name in ("a.txt", "b.flac"):
        with pytest.raises(FlacError, match=name):
            virtual_flac.info(tmp_path / name)
    for name in ("absent.flac", "absent.tif"):
        with pytest.raises(SourceNotFoundError, match="absent"):
            virtual_flac.info(tmp_path / name)
    done = CliRunner().invoke(app, ["info", str(tmp_path / "absent.flac")])
    assert (done.exit_code, done.stdout) == (1, "")
