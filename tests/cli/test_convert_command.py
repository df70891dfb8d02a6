"""`virtual-flac convert`: words in, text out, exit codes; what it writes is tested elsewhere."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
import rasterio
from affine import Affine
from click.testing import CliRunner
from rasters import write_tif

import virtual_flac
from virtual_flac.cli.commands import app
from virtual_flac.reading.header import read_index

# The console script may not be installed where only the sources are.
COMMAND = [sys.executable, "-c", "from virtual_flac.cli import main; main()"]


def make_tif(path, width=93, height=71, count=3, dtype="uint8", **profile):
    pixels = np.random.default_rng(5).integers(0, 100, (count, height, width)).astype(dtype)
    profile = {"crs": "EPSG:32629", "transform": Affine(10, 0, 5e5, 0, -10, 4e6), **profile}
    write_tif(path, pixels, **profile)
    return path


@pytest.fixture
def tif(tmp_path):
    return make_tif(tmp_path / "source.tif")


def run(*words, code=0):
    result = CliRunner().invoke(app, [str(word) for word in words])
    assert result.exit_code == code, result.output
    assert result.exception is None or isinstance(result.exception, SystemExit)
    return result


def unboxed(text):
    """Text without the frame and the line breaks that depend on the terminal."""
    return " ".join(text.replace("│", " ").split())


def test_there_and_back(tmp_path, tif, gdalcompare):
    flac = tmp_path / "x.flac"
    result = run("convert", tif, "-o", flac)
    assert "93 x 71 x 3 uint8" in result.stdout
    assert result.stderr == ""
    run("convert", flac, "-o", tmp_path / "back.tif")
    assert gdalcompare(tif, tmp_path / "back.tif") == []


def test_every_option_for_flac(tmp_path, tif):
    words = "--tile-size 32 -c 8 --interleave tile --overviews 4,2 --resampling mode --bands 3,1"
    result = run(
        "convert", tif, "-o", tmp_path / "x.flac", "--json", "--workers", 1, *words.split()
    )
    report = json.loads(result.stdout)
    index = read_index(tmp_path / "x.flac")
    assert report["levels"] == [[93, 71], [47, 36], [24, 18]]
    assert report["bands"] == 2
    assert report["tiles"] == index.tile_count == 2 * (3 * 3 + 2 * 2 + 1)
    assert report["tile_shape"] == list(index.tile_shape) == [32, 32]
    assert report["interleave"] == index.interleave == "tile"
    assert report["target_bytes"] == (tmp_path / "x.flac").stat().st_size
    assert report["pixel_bytes"] == 2 * (93 * 71 + 47 * 36 + 24 * 18)
    assert report["ratio"] == round(report["pixel_bytes"] / report["target_bytes"], 3)
    assert report["seconds"] > 0


def test_options_for_geotiff(tmp_path, tif):
    run("convert", tif, "-o", tmp_path / "x.flac", "--overviews", "auto", "--tile-size", 32)
    words = "--overviews all --compress zstd --tile-size 64 --json"
    report = json.loads(
        run("convert", tmp_path / "x.flac", "-o", tmp_path / "x.tif", *words.split()).stdout
    )
    assert report["dtype"] == "uint8"
    with rasterio.open(tmp_path / "x.tif") as dataset:
        assert dataset.overviews(1) == [2, 4]
        assert dataset.block_shapes[0] == (64, 64)
        assert dataset.compression.name == "zstd"


def test_the_suffix_says_what_is_written(tmp_path, tif):
    for name in ("one", "one.png", "one.zarr"):
        result = run("convert", tif, "-o", tmp_path / name, code=2)
        assert ".flac or .tif" in " ".join(result.output.split())
    result = run("convert", tif, "-o", tmp_path / "two.tif", code=1)
    assert "let OUT end in .flac" in " ".join(result.output.replace("│", "").split())
    assert not any((tmp_path / name).exists() for name in ("one", "one.png", "one.zarr", "two.tif"))


def test_from_a_server(tmp_path, tif, range_server):
    folder = tmp_path / "www"
    folder.mkdir()
    run("convert", tif, "-o", folder / "x.flac")
    run("convert", f"{range_server(folder).url}/x.flac", "-o", tmp_path / "x.tif")
    with rasterio.open(tif) as expected, rasterio.open(tmp_path / "x.tif") as found:
        np.testing.assert_array_equal(found.read(), expected.read())


@pytest.mark.parametrize("output", ["back.tif", "again.flac"])
def test_a_header_behind_a_url_without_a_suffix_is_read_once(tmp_path, tif, range_server, output):
    folder = tmp_path / "www"
    folder.mkdir()
    run("convert", tif, "-o", tmp_path / "x.flac")
    (tmp_path / "x.flac").rename(folder / "raster")
    server = range_server(folder)
    run("convert", f"{server.url}/raster", "-o", tmp_path / output)
    assert [request.range[0] for request in server.log()].count(0) == 1


def test_quiet_is_silent(tmp_path, tif):
    result = run("convert", tif, "-o", tmp_path / "x.flac", "--quiet")
    assert result.output == ""


def test_existing_files_need_force(tmp_path, tif):
    flac = tmp_path / "x.flac"
    flac.write_bytes(b"old")
    result = run("convert", tif, "-o", flac, code=1)
    assert "--force" in result.stderr
    assert flac.read_bytes() == b"old"
    run("convert", tif, "-o", flac, "--force")
    assert read_index(flac).raster.width == 93


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        ("--tile-size 7", 2, "7 is not in the range 16<=x<=16384"),
        ("--compression 9", 2, "--compression"),
        ("--interleave line", 2, "line"),
        ("--bands 4", 1, "no band 4"),
        ("--bands a,b", 2, "not a list of whole numbers"),
        ("--overviews some", 2, "expected source, auto, none or factors like 2,4,8"),
        ("--overviews 2,,4", 2, "expected source, auto, none or factors like 2,4,8"),
        ("--overviews 1", 1, "reduced by 1"),
        ("--overviews auto --resampling best", 2, "resampling is 'best'"),
        ("--compress zstd", 2, "has no meaning when a FLAC"),
        ("--workers 0", 2, "--workers"),
        ("--no-such-option", 2, "No such option"),
    ],
)
def test_bad_use_is_one_line(tmp_path, tif, words, code, said):
    result = run("convert", tif, "-o", tmp_path / "x.flac", *words.split(), code=code)
    [line] = result.stderr.splitlines()
    assert line.startswith("Error: ")
    assert said in line
    assert result.stdout == ""
    assert os.listdir(tmp_path) == ["source.tif"]


@pytest.mark.parametrize("source", [".", "./", "..", "/"])
def test_a_folder_is_no_raster(source):
    assert "is a folder, expected a file" in unboxed(run("convert", source, code=1).stderr)


def test_a_bucket_is_no_place_to_write_to(tmp_path, tif):
    result = run("convert", tif, "-o", "s3://bucket/a/x.flac", code=1)
    assert "aws s3 cp x.flac s3://bucket/a/x.flac" in unboxed(result.stderr)


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        ("-c 3", 2, "--compression"),
        ("--interleave band", 2, "--interleave"),
        ("--bands 1", 2, "--bands"),
        ("--resampling mode", 2, "--resampling"),
        ("--drop-mask", 2, "--drop-mask"),
        ("--overviews 2", 2, "expected source, all, none"),
        ("--compress jpeg", 2, "jpeg"),
        ("--spatial", 2, "--spatial"),
    ],
)
def test_bad_use_on_the_way_back(tmp_path, tif, words, code, said):
    run("convert", tif, "-o", tmp_path / "x.flac")
    words = ["convert", tmp_path / "x.flac", "-o", tmp_path / "x.tif", *words.split()]
    [line] = run(*words, code=code).stderr.splitlines()
    assert said in line
    assert not (tmp_path / "x.tif").exists()


def test_flac_to_flac(tmp_path, tif):
    run("convert", tif, "-o", tmp_path / "x.flac")
    words = ["convert", tmp_path / "x.flac", "-o", tmp_path / "y.flac", "--tile-size", "32"]
    report = json.loads(run(*words, "--bands", "3,1", "--json").stdout)
    assert (report["bands"], report["tile_shape"]) == (2, [32, 32])
    assert report["layout"] == "virtual-flac"
    assert "IN itself" in unboxed(run(*words[:3], tmp_path / "x.flac", "--force", code=2).stderr)


@pytest.mark.filterwarnings("always:flac-raster's layout has no place")
def test_to_flac_raster(tmp_path, tif):
    words = ["convert", tif, "-o", tmp_path / "x.flac", "--to", "flac-raster"]
    assert "--bands 1" in run(*words, code=1).stderr
    result = run(*words, "--bands", "2", "--json")
    assert json.loads(result.stdout)["layout"] == "flac-raster streaming"
    assert "Warning" in result.stderr  # the colour of the band is lost
    for name, kind in [("y.tif", "flac-raster"), ("y.flac", "geotiff")]:
        said = run("convert", tif, "-o", tmp_path / name, "--to", kind, code=2).stderr
        assert "does not end as" in unboxed(said)


def test_without_a_name_the_ending_changes(tmp_path, tif, range_server, monkeypatch):
    run("convert", tif)
    tif.unlink()
    run("convert", tmp_path / "source.flac")
    assert tif.exists()
    run("convert", tmp_path / "source.flac", code=1)
    here = tmp_path / "here"
    here.mkdir()
    monkeypatch.chdir(here)
    run("convert", f"{range_server(tmp_path).url}/source.flac")
    assert os.listdir(here) == ["source.tif"]


def test_verbose_goes_to_standard_error(tmp_path, tif):
    result = run("convert", tif, "-o", tmp_path / "x.flac", "-v", "--json")
    assert f"Reading {tif}" in result.stderr
    json.loads(result.stdout)


def test_bad_data_ends_with_one(tmp_path, tif):
    (tmp_path / "text.tif").write_text("no raster")
    make_tif(tmp_path / "complex.tif", dtype="complex64")
    (tmp_path / "bad.flac").write_bytes(b"\0\0\0\x10{not JSON")
    for source, target, said in [
        ("no.tif", "x.flac", "No such file"),
        ("text.tif", "x.flac", "not recognized"),
        ("complex.tif", "x.flac", "complex64"),
        ("bad.flac", "x.tif", "bad.flac"),
        ("no.flac", "x.tif", "no such file"),
        ("source.tif", "no/x.flac", "no such folder"),
    ]:
        result = run("convert", tmp_path / source, "-o", tmp_path / target, code=1)
        assert said in result.stderr
        assert result.stderr.startswith("Error: ")
        assert result.stderr.count("\n") == 1
        assert result.stdout == ""
        assert not (tmp_path / target).exists()


def test_a_mask_can_be_dropped(tmp_path, tif):
    with rasterio.open(tif, "r+") as dataset:
        dataset.write_mask(np.arange(71 * 93).reshape(71, 93) % 2 == 0)
    assert "--drop-mask" in run("convert", tif, "-o", tmp_path / "x.flac", code=1).stderr
    run("convert", tif, "-o", tmp_path / "x.flac", "--drop-mask")


def test_help_and_version():
    assert run("--version").stdout == f"virtual-flac {virtual_flac.__version__}\n"
    text = " ".join(run("convert", "--help").stdout.split())
    assert "virtual-flac convert dem.tif -o dem.flac" in text
    assert "--interleave" in text


def test_the_command_ends_with_a_code_and_no_traceback(tmp_path, tif):
    done = subprocess.run(
        [*COMMAND, "convert", str(tif), "-o", str(tmp_path / "no" / "x.flac")],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert done.stdout == ""
    assert done.stderr.startswith("Error: ")
    assert "Traceback" not in done.stderr


@pytest.mark.skipif(not hasattr(os, "openpty"), reason="skipped: no pseudo terminals here")
def test_progress_only_on_a_terminal(tmp_path, tif):
    words = [*COMMAND, "convert", str(tif), "-o", str(tmp_path / "x.flac"), "--tile-size", "16"]
    ours, theirs = os.openpty()
    child = subprocess.Popen(words, stdout=subprocess.PIPE, stderr=theirs)
    os.close(theirs)
    shown = b""
    try:
        while part := os.read(ours, 4096):
            shown += part
    except OSError:  # the other end is closed
        pass
    finally:
        os.close(ours)
    out, _ = child.communicate()
    assert child.returncode == 0
    assert b"100%" in shown
    assert b"100%" not in out


@pytest.fixture(scope="module")
def large(tmp_path_factory):
    """Return a folder with a raster, as GeoTIFF and FLAC, that takes a while to convert."""
    folder = tmp_path_factory.mktemp("large")
    source = make_tif(folder / "x.tif", width=3000, height=3000, dtype="uint16")
    run("convert", source, "-o", folder / "x.flac", "-c", "0")
    return folder


@pytest.mark.parametrize(
    ("way", "number"),
    [
        ("to flac", signal.SIGINT),
        ("to geotiff", signal.SIGTERM),
        pytest.param("to flac", signal.SIGTERM, marks=pytest.mark.exhaustive),
        pytest.param("to geotiff", signal.SIGINT, marks=pytest.mark.exhaustive),
    ],
)
def test_stopped_in_the_middle(large, tmp_path, number, way):
    source, target = large / "x.tif", tmp_path / "x.flac"
    if way == "to geotiff":
        source, target = large / "x.flac", tmp_path / "x.tif"
    target.write_bytes(b"old")
    before = set(os.listdir(tmp_path))
    words = ["convert", str(source), "-o", str(target), "--force", "-c", "8", "--overviews", "none"]
    if way == "to geotiff":
        words = [word for word in words if word not in ("-c", "8")]
    child = subprocess.Popen([*COMMAND, *words], stderr=subprocess.PIPE)
    wait_for_work(child, tmp_path, before)
    child.send_signal(number)
    _, said = child.communicate(timeout=60)
    assert child.returncode not in (0, None)
    assert b"Traceback" not in said
    assert target.read_bytes() == b"old"
    assert set(os.listdir(tmp_path)) == before


def wait_for_work(child, folder, before):
    """Until a temporary file, named or nameless, is there."""
    end = time.monotonic() + 120
    while time.monotonic() < end and child.poll() is None:
        links = []
        for name in os.listdir(f"/proc/{child.pid}/fd"):
            try:
                links.append(os.readlink(f"/proc/{child.pid}/fd/{name}"))
            except OSError:
                continue
        if set(os.listdir(folder)) != before or any(
            link.startswith(str(folder)) and "(deleted)" in link for link in links
        ):
            return
        time.sleep(0.005)
    pytest.fail(f"no work was seen; the command ended with {child.poll()}")
