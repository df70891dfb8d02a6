"""What is printed does not depend on the width of the terminal: paths and numbers are whole."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import rasterio
from click.testing import CliRunner
from rasters import make

import virtual_flac
from virtual_flac.cli.commands import app


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a name longer than any terminal is wide, and rasters in it."""
    folder = tmp_path_factory.mktemp("long") / ("folder " * 30).strip()
    folder.mkdir()
    tif = make("overviews", folder)
    virtual_flac.write_flac(tif, folder / "a.flac", tile_size=1024)
    virtual_flac.write_flac(tif, folder / "b.flac", tile_size=64)
    return folder


def run(monkeypatch: Any, columns: int, *words: Any) -> Any:
    monkeypatch.setenv("COLUMNS", str(columns))
    return CliRunner().invoke(app, [str(word) for word in words])


@pytest.mark.parametrize(
    "words",
    [
        ["info", "a.flac", "--tags"],
        ["info", "overviews.tif"],
        ["query", "a.flac", "--window", "1,2,30,40"],
        ["spatial-info", "a.flac", "--limit", "5"],
        ["verify", "a.flac"],
        ["compare", "a.flac", "overviews.tif"],
        ["convert", "a.flac", "-o", "c.tif", "--force"],
        ["extract", "a.flac", "--tile-id", "0", "-o", "d.tif", "--force"],
        ["preview", "a.flac", "-o", "e.png", "--force"],
        ["virtualize", "a.flac", "-o", "f.json", "--force"],
        ["info", "missing.flac"],
    ],
    ids=lambda words: f"{words[0]} {words[1]}",
)
def test_nothing_is_wrapped_or_shortened(words: list[str], folder: Path, monkeypatch: Any) -> None:
    files = [str(folder / word) if "." in word else word for word in words]
    narrow, wide = (run(monkeypatch, columns, *files) for columns in (40, 200))
    assert narrow.exit_code == wide.exit_code == (1 if "missing.flac" in words else 0)
    for done in (narrow, wide):
        lines = (done.stdout + done.stderr).splitlines()
        shown = [word for word in words if "." in word and f"{folder / word}" in "\n".join(lines)]
        # The target of what writes, otherwise the source; as a URL where there is one.
        assert shown or any(folder.as_uri() in line for line in lines)
        assert "…" not in done.output
    first, second = (
        [line for line in done.stdout.splitlines() if not line.startswith("  time ")]
        for done in (narrow, wide)
    )
    assert first == second


def test_tiles_are_called_as_large_as_they_are(folder: Path, monkeypatch: Any) -> None:
    """Those of 1024 of a raster of 190 x 150 end where their level ends."""
    wanted = "  tiles       6 of 190 x 150 or 95 x 75 or 48 x 38, by band"
    assert wanted in run(monkeypatch, 80, "info", folder / "a.flac").stdout.splitlines()
    text = run(monkeypatch, 80, "info", folder / "b.flac").stdout
    assert "of 64 x 64 or 48 x 38, by band" in text


def test_verify_speaks_of_flac_raster_for_its_files_only(folder: Path, monkeypatch: Any) -> None:
    done = run(monkeypatch, 80, "verify", folder / "a.flac")
    assert "undamaged" in done.stdout
    assert "flac-raster" not in done.stdout


def test_what_a_file_says_cannot_steer_the_terminal(tmp_path: Path, monkeypatch: Any) -> None:
    tif = make("uint8", tmp_path)
    with rasterio.open(tif, "r+") as target:
        target.update_tags(title="\u202etwo\nlines")
    done = run(monkeypatch, 80, "info", tif, "--tags")
    assert "\\u202etwo\\nlines" in done.stdout
