"""The commands that check, compare and show: words in, text out, exit codes."""

from __future__ import annotations

import importlib.metadata
import json
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import rasterio
import rasters
import servers
from click.testing import CliRunner

from virtual_flac import compare, read_index, write_flac, write_geotiff
from virtual_flac.cli.commands import app


def run(*words: Any, code: int = 0) -> Any:
    result = CliRunner().invoke(app, [str(word) for word in words])
    assert result.exit_code == code, result.output
    assert result.exception is None or isinstance(result.exception, SystemExit)
    return result


@pytest.fixture
def tif(tmp_path: Path) -> Path:
    return rasters.make("overviews", tmp_path)


@pytest.fixture
def flac(tif: Path, tmp_path: Path) -> Path:
    write_flac(tif, tmp_path / "x.flac", tile_size=64)
    return tmp_path / "x.flac"


def break_tile(path: Path, level: int, where: tuple[int, int, int]) -> tuple[int, int]:
    """Flip one bit in a tile; return its first byte and the byte behind it."""
    index = read_index(path)
    start = int(index.levels[level].offsets[where])
    length = int(index.levels[level].lengths[where])
    data = bytearray(path.read_bytes())
    data[start + length // 2] ^= 8
    path.write_bytes(data)
    return start, start + length


def test_verify(flac: Path) -> None:
    result = run("verify", flac)
    assert "undamaged" in result.stdout
    assert result.stderr == ""
    report = json.loads(run("verify", flac, "--json").stdout)
    assert report["ok"] is True
    assert report["tiles"] == read_index(flac).tile_count
    assert run("verify", flac, "--quiet").output == ""


def test_verify_names_damaged_tiles(flac: Path) -> None:
    start, end = break_tile(flac, 1, (1, 1, 0))
    result = run("verify", flac, code=1)
    assert "damaged" in result.stdout
    report = json.loads(run("verify", flac, "--json", code=1).stdout)
    assert report["ok"] is False
    [fault] = report["faults"]
    assert {key: fault[key] for key in ("level", "band", "row", "col")} == {
        "level": 1, "band": 2, "row": 1, "col": 0,
    }  # fmt: skip
    assert (fault["offset"], fault["offset"] + fault["length"]) == (start, end)
    result = run("verify", flac, "--quiet", code=1)
    assert result.stdout == ""
    assert "level 1, band 2, tile (1, 0)" in result.stderr


def test_verify_of_what_is_no_raster(tmp_path: Path) -> None:
    (tmp_path / "x.flac").write_bytes(b"nothing of the kind")
    for name in ("x.flac", "none.flac"):
        result = run("verify", tmp_path / name, code=1)
        assert result.stderr.startswith("Error: ")
        assert result.stdout == ""
    run("verify", code=2)
    run("verify", tmp_path / "x.flac", "--workers", "0", code=2)


def test_verify_and_compare_over_http_and_s3(
    flac: Path, tif: Path, range_server: Any, s3_server: Any, monkeypatch: Any
) -> None:
    assert run("verify", servers.url_of(range_server(flac.parent), flac.name)).stderr == ""
    s3_server.upload("verify-cli", {"x.flac": flac, "x.tif": tif})
    monkeypatch.setenv("AWS_ENDPOINT_URL", s3_server.endpoint)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", s3_server.access_key_id)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", s3_server.secret_access_key)
    monkeypatch.setenv("AWS_REGION", s3_server.region)
    monkeypatch.setenv("AWS_ALLOW_HTTP", "true")
    monkeypatch.setenv("AWS_VIRTUAL_HOSTED_STYLE_REQUEST", "false")
    report = json.loads(run("verify", "s3://verify-cli/x.flac", "--json").stdout)
    assert report["ok"] is True
    run("compare", "s3://verify-cli/x.flac", "s3://verify-cli/x.tif")


@pytest.mark.parametrize("command", ["compare", "create-streaming", "preview", "verify"])
def test_help_has_an_example(command: str) -> None:
    text = " ".join(run(command, "--help").stdout.split())
    assert f"virtual-flac {command} " in text
    assert "--json" in text


def test_compare(tif: Path, flac: Path, tmp_path: Path) -> None:
    result = run("compare", tif, flac)
    assert "identical" in result.stdout
    assert result.stderr == ""
    assert run("compare", tif, flac, "--quiet").output == ""
    report = json.loads(run("compare", tif, flac, "--json").stdout)
    assert report["identical"] is True
    assert [band["differing"] for band in report["bands"]] == [0, 0]


def test_compare_ends_with_one_when_something_differs(tif: Path, tmp_path: Path) -> None:
    other = tmp_path / "other.tif"
    other.write_bytes(tif.read_bytes())
    with rasterio.open(other, "r+") as target:
        target.update_tags(more="1")
    assert "tag more" in run("compare", tif, other, code=1).stdout
    run("compare", tif, other, "--pixels-only")
    with rasterio.open(other, "r+") as target:
        pixels = target.read(1)
        pixels[3, 4] += 1
        target.write(pixels, 1)
    run("compare", tif, other, "--pixels-only", code=1)
    out = tmp_path / "report.json"
    result = run("compare", tif, other, "--export", out, "--no-bands", code=1)
    assert "Bands" not in result.stdout
    assert json.loads(out.read_text())["bands"][0]["max_error"] == 1
    assert "--force" in run("compare", tif, other, "-e", out, code=1).stderr
    run("compare", tif, other, "-e", out, "-f", code=1)


def test_compare_of_what_cannot_be_read(tif: Path, tmp_path: Path) -> None:
    result = run("compare", tif, tmp_path / "none.tif", code=1)
    assert result.stderr.startswith("Error: ")
    assert result.stdout == ""
    run("compare", tif, code=2)


# --- flac-raster's commands -----------------------------------------------------------------------

#: Lines of its README that other tests take care of, or that need another program.
ELSEWHERE = ("query", "extract-streaming", "extract-tile", "spatial-info")


def readme_commands() -> list[list[str]]:
    """The example commands of flac-raster's README, as words."""
    metadata = importlib.metadata.metadata("flac-raster")
    text = metadata["Description"] or metadata.get_payload()
    text = re.sub(r"\\\\\n\s*", " ", text.replace("\\\n", " "))
    lines = [line.strip() for line in text.splitlines()]
    words = [shlex.split(line, comments=True) for line in lines if line.startswith("flac-raster ")]
    return [line for line in dict.fromkeys(map(tuple, words)) if line[1] not in ELSEWHERE]


def is_there(command: str) -> bool:
    return CliRunner().invoke(app, [command, "--help"]).exit_code == 0


def test_every_example_of_flac_rasters_readme(
    tmp_path: Path, monkeypatch: Any, range_server: Any
) -> None:
    """With the program's name changed: converted files hold the pixels, comparisons say so."""
    (tmp_path / "test_data").mkdir()
    (tmp_path / "www").mkdir()
    monkeypatch.chdir(tmp_path)
    sources = {
        "input.tif": "uint8", "file.tif": "uint16", "original.tif": "int16_dem",
        "test_data/sample_dem.tif": "int16_dem", "test_data/sample_rgb.tif": "uint8_rgb_nodata",
    }  # fmt: skip
    for target, name in sources.items():
        rasters.make(name, tmp_path).rename(tmp_path / target)
    write_flac("file.tif", "file.flac")
    write_flac("original.tif", "x.flac")
    write_geotiff("x.flac", "reconstructed.tif")
    write_flac("input.tif", "input.flac")
    write_flac("input.tif", "www/B04_spatial.flac")
    server = range_server(tmp_path / "www")
    seen = set()
    for _, command, *words in readme_commands():
        # Their demonstration's file, from a server here.
        words = [
            f"{server.url}/B04_spatial.flac" if word.startswith("https://") else word
            for word in words
        ]
        if command == "convert" and words[0] == "input.tif":
            words.append("--force")  # several examples write the same file
        seen.add(command)
        if command == "info" and not is_there(command):
            continue
        result = run(command, *words)
        if command == "compare":
            assert "identical" in result.stdout
        if "--export" in words:
            report = json.loads(Path(words[words.index("--export") + 1]).read_text())
            assert report["identical"] is True
        if command in ("convert", "create-streaming"):
            outs = [w.partition("=")[2] for w in words if w.startswith("--output=")]
            outs += [words[n + 1] for n, w in enumerate(words) if w == "-o"]
            suffix = ".flac" if words[0].endswith(".tif") else ".tif"
            [out] = outs or [str(Path(words[0]).with_suffix(suffix))]
            assert compare(words[0], out).identical
    assert seen == {"convert", "create-streaming", "info", "compare"}


def test_create_streaming(tif: Path, tmp_path: Path) -> None:
    run("create-streaming", tif, "--tile-size=64", "-c", 8, "-v")
    out = tmp_path / "overviews_streaming.flac"
    index = read_index(out)
    assert index.tile_shape == (64, 64)
    assert compare(tif, out).identical
    assert "--force" in run("create-streaming", tif, code=1).stderr
    run("create-streaming", tif, "-f", "--quiet")
    assert read_index(out).tile_shape == (1024, 1024)


def test_spatial_means_tiles_of_512(tif: Path, tmp_path: Path) -> None:
    run("convert", tif, "-s", "-o", tmp_path / "s.flac")
    assert read_index(tmp_path / "s.flac").tile_shape == (512, 512)
    run("convert", tif, "--spatial", "--tile-size", 32, "-o", tmp_path / "s.flac", "-f")
    assert read_index(tmp_path / "s.flac").tile_shape == (32, 32)


def test_shells_complete_commands_and_options() -> None:
    """``eval "$(_VIRTUAL_FLAC_COMPLETE=bash_source virtual-flac)"`` asks the program like this."""
    code = "from virtual_flac.cli import main; main()"
    environment = {
        **os.environ, "_VIRTUAL_FLAC_COMPLETE": "bash_complete", "COMP_WORDS": "virtual-flac ver",
        "COMP_CWORD": "1",
    }  # fmt: skip
    done = subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=False
    )
    assert done.stdout.split() == ["plain,verify"], done.stderr


def test_preview(flac: Path, tmp_path: Path) -> None:
    out = tmp_path / "x.png"
    result = run("preview", flac, "-o", out, "--size", 64, "--bands", 2, "--cmap", "terrain")
    assert result.stderr == ""
    assert out.read_bytes().startswith(b"\x89PNG")
    assert "--force" in run("preview", flac, "-o", out, code=1).stderr
    facts = json.loads(run("preview", flac, "-o", out, "-f", "--size", 64, "--json").stdout)
    assert facts["level"] == 2  # of 48 x 38 pixels: half of level 1 is no more
    assert max(facts["width"], facts["height"]) <= 64
    written = ["-o", out, "-f"]
    for words in ([], ["--json"], ["-o", "x.jpg"], [*written, "--stretch", "1"]):
        run("preview", flac, *words, code=2)
    run("preview", flac, *written, "--cmap", "no", code=2)
    run("preview", flac, *written, "--bands", "9", code=1)


@pytest.mark.parametrize(("terminal", "sign"), [("blocks", "▀"), ("plain", "@")])
def test_preview_in_the_terminal(terminal: str, sign: str, flac: Path) -> None:
    assert sign in run("preview", flac, "--terminal", terminal, "--size", 32).stdout
