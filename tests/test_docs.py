"""The pages of docs/ and README.md hold: their examples run, and they leave nothing public out."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

import virtual_flac
from virtual_flac.cli.commands import app
from virtual_flac.demo import make_dem, make_sunlight

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
BLOCK = re.compile(
    r"^(<!-- not run: .* -->\n)?```(python|sh)\n(.*?)^```$", re.MULTILINE | re.DOTALL
)
# Commands of README.md that CI runs as they stand, and one that has tests of its own.
ELSEWHERE = re.compile(r"(python3 -m|pip install|virtual-flac demo$)")


def blocks(page: Path) -> list[tuple[str, str]]:
    """Language and text of the blocks that can be run anywhere."""
    found = BLOCK.findall(page.read_text("utf-8"))
    return [(language, text) for skipped, language, text in found if not skipped]


@pytest.fixture(scope="module")
def rasters(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with the files that the pages speak of."""
    folder = tmp_path_factory.mktemp("rasters")
    make_dem(folder / "dem.tif")
    virtual_flac.write_flac(folder / "dem.tif", folder / "dem.flac", tile_size=128, overviews=(2,))
    for day in (date(2026, 3, 1), date(2026, 5, 20), date(2026, 7, 14)):
        for band in ("B04", "B08"):
            name = f"{band}_{day:%Y%m%d}"
            make_sunlight(folder / "dem.tif", folder / f"{name}.tif", day)
            virtual_flac.write_flac(folder / f"{name}.tif", folder / f"{name}.flac")
    return folder


@pytest.mark.parametrize("page", [page for page in PAGES if blocks(page)], ids=lambda p: p.stem)
def test_its_examples_run(
    page: Path,
    rasters: Path,
    range_server: Callable[[Path], Any],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    if page.stem == "README":  # which needs nothing but what the demo makes
        made = tmp_path / "virtual-flac-demo"
        made.mkdir()
        (made / "dem.tif").symlink_to(rasters / "dem.tif")
        for path, day in zip(rasters.glob("B04*.flac"), ("03-20", "06-21", "12-21"), strict=True):
            (made / f"sunlight_2026-{day}.flac").symlink_to(path)
    elif page.stem != "tutorial":  # which makes what it needs
        for path in [rasters / "dem.tif", *rasters.glob("B*0[35]*.flac")]:
            (tmp_path / path.name).symlink_to(path)
    if page.stem not in ("tutorial", "README", "writing"):
        (tmp_path / "dem.flac").symlink_to(rasters / "dem.flac")
    url = range_server(rasters).url
    names: dict[str, Any] = {}
    for language, text in blocks(page):
        text = text.replace("https://example.com", url)
        if language == "python":
            exec(compile(text, str(page), "exec"), names)
        else:
            for line in text.splitlines():
                run(line)
    for value in names.values():
        getattr(value, "close", str)()


def run(line: str) -> None:
    """Run a command of the pages in this process, its words expanded by a shell."""
    if ELSEWHERE.match(line):
        return
    expanded = subprocess.run(
        ["bash", "-c", f"printf '%s\\0' {line}"], capture_output=True, text=True, check=True
    )
    command, *words, _ = expanded.stdout.split("\0")
    assert command == "virtual-flac", line
    result = CliRunner().invoke(app, words)
    assert result.exit_code == 0, f"{line}\n{result.output}\n{result.exception!r}"


def test_the_page_of_the_api_has_every_public_name() -> None:
    page = (ROOT / "docs" / "api.md").read_text("utf-8")
    # The root of the errors is shown with them.
    names = set(virtual_flac.__all__) - {"__version__", "FlacError"}
    public = {f"{getattr(virtual_flac, name).__module__}.{name}" for name in names}
    assert public <= set(re.findall(r"^::: ([\w.]+)$", page, re.MULTILINE))
