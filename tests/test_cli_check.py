"""The commands that check, compare and show: words in, text out, exit codes."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import rasterio
import rasters
import servers
from typer.testing import CliRunner

from virtual_flac import read_index, write_flac
from virtual_flac.cli import app


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
    assert "whole" in result.stdout
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


def test_verify_over_http_and_s3(
    flac: Path, range_server: Any, s3_server: Any, monkeypatch: Any
) -> None:
    assert run("verify", servers.url_of(range_server(flac.parent), flac.name)).stderr == ""
    s3_server.upload("verify-cli", {"x.flac": flac})
    monkeypatch.setenv("AWS_ENDPOINT_URL", s3_server.endpoint)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", s3_server.access_key_id)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", s3_server.secret_access_key)
    monkeypatch.setenv("AWS_REGION", s3_server.region)
    monkeypatch.setenv("AWS_ALLOW_HTTP", "true")
    monkeypatch.setenv("AWS_VIRTUAL_HOSTED_STYLE_REQUEST", "false")
    report = json.loads(run("verify", "s3://verify-cli/x.flac", "--json").stdout)
    assert report["ok"] is True


@pytest.mark.parametrize("command", ["compare", "verify"])
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
    assert "--force" in run("compare", tif, other, "-e", out, code=2).stderr
    run("compare", tif, other, "-e", out, "-f", code=1)


def test_compare_of_what_cannot_be_read(tif: Path, tmp_path: Path) -> None:
    result = run("compare", tif, tmp_path / "none.tif", code=1)
    assert result.stderr.startswith("Error: ")
    assert result.stdout == ""
    run("compare", tif, code=2)
