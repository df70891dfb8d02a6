"""`query`, `spatial-info`, `extract` and flac-raster's names for them, as typed."""

from __future__ import annotations

import importlib.metadata
import json
import re
import shlex
import shutil
import subprocess
import sys
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio
from click.testing import CliRunner
from rasters import NORTH_UP, make, write_tif
from servers import url_of

import virtual_flac
from virtual_flac.cli.commands import app
from virtual_flac.cli.options import parse_store_options

SIZE = 150


def run(*words: Any) -> Any:
    return CliRunner().invoke(app, [str(word) for word in words])


def told(*words: Any) -> Any:
    done = run(*words, "--json")
    assert done.exit_code == 0, done.output
    return json.loads(done.stdout)


@pytest.fixture
def raster(tmp_path: Path) -> Path:
    virtual_flac.write_flac(make("overviews", tmp_path), tmp_path / "a.flac", tile_size=32)
    return tmp_path / "a.flac"


def test_query_prints_what_the_function_finds(raster: Path):
    found = virtual_flac.query(raster, window=(10, 20, 100, 50), bands=[2], level=1, max_gap=9)
    words = ("--window", "10,20,100,50", "--bands", "2", "--overview", 1, "--max-gap", 9)
    assert told("query", raster, *words) == found.to_dict()
    done = run("query", raster, *words)
    assert done.exit_code == 0
    for piece in found.ranges:
        assert piece.header in done.stdout


def test_query_writes_ranges_and_data(raster: Path, tmp_path: Path):
    found = virtual_flac.query(raster, tile=(1, 2), bands=[1])
    words = ("query", raster, "--tile", "1,2", "--bands", 1)
    assert run(*words, "-o", tmp_path / "ranges.json").exit_code == 0
    assert json.loads((tmp_path / "ranges.json").read_text()) == found.to_dict()
    assert run(*words, "--format", "data", "-o", tmp_path / "tile.flac").exit_code == 0
    data = raster.read_bytes()
    [piece] = found.ranges
    expected = data[piece.start : piece.end]
    assert (tmp_path / "tile.flac").read_bytes() == expected
    assert run(*words, "-f", "data").stdout_bytes == expected
    again = run(*words, "-o", tmp_path / "tile.flac")
    assert (again.exit_code, "--force" in again.stderr) == (1, True)
    assert (tmp_path / "tile.flac").read_bytes() == expected
    assert run(*words, "-o", tmp_path / "tile.flac", "--force").exit_code == 0
    assert run(*words, "-f", "data", "--json").exit_code == 2


def test_spatial_info_lists_tiles(raster: Path):
    table = virtual_flac.spatial_info(raster, level=0, band=2)
    shown = told("spatial-info", raster, "--level", 0, "--band", 2)
    assert shown == table.to_dict()
    assert len(shown["tiles"]) == 30
    assert len(told("spatial-info", raster, "--limit", 4)["tiles"]) == 4
    done = run("spatial-info", raster, "--limit", 2)
    assert f"and {virtual_flac.read_index(raster).tile_count - 2} more" in done.stdout


@pytest.mark.parametrize(
    ("words", "arguments"),
    [
        (["--bbox", "400260,4997040,401460,4999440"], {"bbox": (400260, 4997040, 401460, 4999440)}),
        (["--window", "3,5,40,50", "--bands", "2,1"], {"window": (3, 5, 40, 50), "bands": [2, 1]}),
        (["--tile", "1,2"], {"tile": (1, 2)}),
        (["--tile-id", "0"], {"tile_id": 0}),
        (["--center", "--overview", "1"], {"center": True, "level": 1}),
        (["--last", "--compress", "zstd"], {"last": True, "compress": "zstd"}),
        (["--overview", "2"], {"level": 2}),
    ],
)
def test_extract_does_what_the_function_does(
    raster: Path, tmp_path: Path, words: list[str], arguments: dict[str, Any]
):
    result = told("extract", raster, "-o", tmp_path / "cli.tif", *words)
    virtual_flac.extract(raster, tmp_path / "api.tif", **arguments)
    with rasterio.open(tmp_path / "cli.tif") as ours, rasterio.open(tmp_path / "api.tif") as api:
        np.testing.assert_array_equal(ours.read(), api.read())
        assert ours.profile == api.profile
        assert (result["width"], result["height"]) == (ours.width, ours.height)
        assert result["crs"] == "EPSG:32633"


def test_extract_tells_a_person(raster: Path, tmp_path: Path):
    done = run("extract", raster, "--tile-id", 1, "-o", tmp_path / "a.tif")
    assert done.exit_code == 0
    assert "32 x 32 x 2 uint16" in done.stdout
    assert run("extract", raster, "-o", tmp_path / "b.png", "--bands", 1, "-q").stdout == ""


@pytest.mark.parametrize(
    ("words", "code", "message"),
    [
        (["query", "a.flac", "--bbox", "1,2,3"], 2, "XMIN,YMIN,XMAX,YMAX"),
        (["query", "a.flac", "--bbox", "a,b,c,d"], 2, "XMIN,YMIN,XMAX,YMAX"),
        (["query", "a.flac", "--window", "1,2,3"], 2, "4 whole numbers like COL,ROW,WIDTH,HEIGHT"),
        (["query", "a.flac", "--tile", "1"], 2, "2 whole numbers like ROW,COL"),
        (["query", "a.flac", "--tile-id", "1", "--last"], 1, "tile_id and last"),
        (["query", "a.flac", "--max-gap", "-1"], 2, "max-gap"),
        (["query", "absent.flac"], 1, "no such file"),
        (["spatial-info", "a.flac", "--level", "7"], 1, "no overview 7"),
        (["extract", "a.flac", "-o", "x.gif"], 2, "must end in"),
        (["extract", "a.flac", "-o", "s3://bucket/x.tif"], 1, "aws s3 cp"),
        (["extract", "a.flac", "-o", "x.tif", "--bbox", "0,0,1,1"], 1, "outside the raster"),
        (["extract", "absent.flac", "-o", "x.tif"], 1, "absent.flac"),
        (["extract-streaming", "a.flac", "-o", "x.tif"], 2, "--tile-id"),
        (["extract-tile", "a.flac", "-o", "x.tif"], 2, "--bbox"),
        (["query", "a.flac", "--store-option", "my-secret"], 2, "KEY=VALUE"),
    ],
)
def test_misuse_is_told_on_standard_error(
    raster: Path, monkeypatch: pytest.MonkeyPatch, words: list[str], code: int, message: str
):
    monkeypatch.chdir(raster.parent)
    done = run(*words)
    assert done.exit_code == code, done.output
    [line] = done.stderr.splitlines()
    assert line.startswith("Error: ")
    assert message in line
    assert done.stdout == ""
    assert "my-secret" not in done.output
    assert not Path("x.tif").exists()


@pytest.mark.parametrize(
    "command", ["query", "spatial-info", "extract", "extract-streaming", "extract-tile"]
)
def test_help_has_an_example(command: str):
    done = run(command, "--help")
    assert done.exit_code == 0
    assert f"  virtual-flac {command} " in done.stdout.partition("Examples:")[2]


def test_stores_get_their_options(raster: Path, tmp_path: Path, s3_server: Any):
    options = s3_server.upload("looking", {"a.flac": raster})
    words = []
    for key, value in options.items():
        pairs = value.items() if isinstance(value, dict) else [("", value)]
        for name, inner in pairs:
            words += ["--store-option", f"{key}{'.' * bool(name)}{name}={inner}"]
    url = "s3://looking/a.flac"
    assert len(told("spatial-info", url, *words)["tiles"]) == 86
    assert told("query", url, "--tile-id", 3, *words)["source"] == url
    assert told("extract", url, "--tile-id", 3, "-o", tmp_path / "a.tif", *words)["width"] == 32
    whole = told("convert", url, "-o", tmp_path / "whole.tif", *words)
    assert (whole["tiles"], whole["tile_shape"]) == (6, [512, 512])  # those of the GeoTIFF
    assert told("virtualize", url, "-o", tmp_path / "refs.json", *words)["sources"]
    done = run("query", url, *words, "--anonymous")
    assert (done.exit_code, "access denied" in done.stderr) == (1, True)
    assert s3_server.secret_access_key not in done.output


def test_words_become_options_of_stores():
    words = ["region=eu-west-1", "skip_signature=true", "a.b=12", "a.c.d=x=y", "port=12"]
    assert parse_store_options(words) == {
        "region": "eu-west-1",
        "skip_signature": True,
        "a": {"b": 12, "c": {"d": "x=y"}},
        "port": "12",
    }


def readme_commands() -> list[list[str]]:
    """The examples of flac-raster's README that look into files, in words."""
    metadata = importlib.metadata.metadata("flac-raster")
    text = str(metadata.get_payload() or metadata["Description"]).replace("\\\n", " ")
    found = []
    for line in text.splitlines():
        match = re.match(r"\s*(?:flac-raster|python test_streaming\.py) .*", line)
        if not match:
            continue
        words = shlex.split(line, comments=True)
        if words[:2] == ["python", "test_streaming.py"]:
            # Its options are those of extract-streaming, without a file to write.
            found.append(["extract", *words[2:], "--output=streaming_test.tif"])
        elif words[1] in ("query", "extract-streaming", "extract-tile", "spatial-info"):
            found.append(words[1:])
    return found


def test_the_readme_of_flac_raster_has_examples():
    commands = [words[0] for words in readme_commands()]
    assert {"query", "extract", "extract-streaming", "spatial-info"} <= set(commands)
    assert len(commands) >= 14


@pytest.fixture(scope="module")
def theirs(flac_raster: Any, tmp_path_factory: pytest.TempPathFactory) -> Any:
    """Return ``theirs(transform, crs, tile_size)``: flac-raster's file of a raster, its GeoTIFF."""
    made: dict[tuple[Any, str, int], Path] = {}

    def get(transform: Any, crs: str, tile_size: int) -> tuple[Path, Path]:
        folder = made.get((transform, crs, tile_size))
        if folder is None:
            folder = made[transform, crs, tile_size] = tmp_path_factory.mktemp("theirs")
            data = np.random.default_rng(1).integers(0, 3000, (1, SIZE, SIZE), dtype=np.uint16)
            tif = write_tif(folder / "in.tif", data, crs=crs, transform=transform)
            flac_raster.create_streaming(tif, folder / "out.flac", tile_size=tile_size)
        return folder / "out.flac", folder / "in.tif"

    return get


@pytest.mark.parametrize("words", readme_commands(), ids=" ".join)
def test_examples_of_flac_rasters_readme(
    words: list[str], theirs: Any, tmp_path: Path, range_server: Any,
    monkeypatch: pytest.MonkeyPatch,
):  # fmt: skip
    command, source, *options = words
    box = next((word for word in _values(options, "--bbox")), None)
    transform, crs = NORTH_UP, "EPSG:32633"
    if box is not None:
        # A raster where the example's box lies; "xmin,ymin,xmax,ymax" stands for one.
        if box == "xmin,ymin,xmax,ymax":
            box = "400000,4996000,401000,4999000"
            options = [word.replace("xmin,ymin,xmax,ymax", box) for word in options]
        left, bottom, right, top = map(float, box.split(","))
        step = (right - left) / 40
        transform = rasterio.Affine(step, 0, left - 50 * step, 0, -(top - bottom) / 40, 0)
        transform = rasterio.Affine(*transform[:5], top - 50 * transform.e)
        crs = "EPSG:4326" if abs(left) < 180 else "EPSG:32633"
    # Of 13 x 13 tiles where a tile is asked for by its number, up to 120.
    flac, tif = theirs(transform, crs, 12 if box is None else 50)
    served = source.startswith("https://")
    name = tmp_path / Path(source).name
    shutil.copy(flac, name)
    where = url_of(range_server(tmp_path), name) if served else name.name
    monkeypatch.chdir(tmp_path)
    done = run(command, where, *options)
    assert done.exit_code == 0, done.output
    index = virtual_flac.read_index(name)
    if command == "spatial-info":
        assert "169 of 12 x 12" in done.stdout
        return
    if command == "query":
        headers = {piece.header for piece in virtual_flac.query(name, bbox=_box(box)).ranges}
        assert headers
        assert headers <= set(re.findall(r"bytes=\d+-\d+", done.stdout))
        return
    [output] = _values(options, "--output", "-o")
    with rasterio.open(tif) as source_tif, rasterio.open(output) as ours:
        assert ours.crs == source_tif.crs
        window = source_tif.window(*ours.bounds).round_offsets().round_lengths()
        np.testing.assert_array_equal(ours.read(), source_tif.read(window=window))
        if box is not None:
            assert ours.bounds == pytest.approx(_box(box), rel=1e-9)
        else:
            [number] = _values(options, "--tile-id") or ["84" if "--center" in options else "168"]
            expected = index.grid(0).window(*divmod(int(number), 13))
            assert window.flatten() == tuple(expected)


def _box(text: str | None) -> Any:
    assert text is not None
    return tuple(map(float, text.split(",")))


def _values(words: list[str], *names: str) -> list[str]:
    """Values of an option, as ``--name value`` or ``--name=value``."""
    joined = tuple(f"{name}=" for name in names)
    found = [word.partition("=")[2] for word in words if word.startswith(joined)]
    return [*found, *(value for name, value in pairwise(words) if name in names)]


def test_data_goes_to_a_pipe(raster: Path):
    done = subprocess.run(
        [sys.executable, "-c", "from virtual_flac.cli import main; main()", "query", str(raster),
         "--tile-id", "2", "--bands", "1", "--format", "data"],
        capture_output=True, check=False,
    )  # fmt: skip
    [piece] = virtual_flac.query(raster, tile_id=2, bands=[1]).ranges
    assert done.stdout == raster.read_bytes()[piece.start : piece.end]
    assert done.stderr == b""
