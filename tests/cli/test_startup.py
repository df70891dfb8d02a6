"""What commands import before they have something to do: in fresh processes."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from rasters import make

import virtual_flac

#: Runs a command, then prints on standard error which of some modules it has imported.
_CODE = """
import sys
from virtual_flac.cli import main
heavy, sys.argv = sys.argv[1].split(","), ["virtual-flac", *sys.argv[2:]]
try:
    main()
finally:
    print(*[name for name in heavy if name in sys.modules], file=sys.stderr)
"""
_NEVER = "matplotlib,xarray,zarr,numcodecs,pyproj,rasterio,virtualizarr,pandas,dask,fsspec"


def run(*words: str, code: str = _CODE) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", code, *words], capture_output=True, text=True, check=False
    )


@pytest.mark.parametrize("words", [["--help"], ["info", "--help"], ["--version"]])
def test_help_imports_nothing_heavy(words: list[str]) -> None:
    done = run(f"{_NEVER},numpy,obstore,asyncio", *words)
    assert (done.returncode, done.stderr.split()) == (0, [])
    assert done.stdout


def test_info_of_a_flac_imports_what_reads_its_header(tmp_path: Path) -> None:
    virtual_flac.write_flac(make("uint16", tmp_path), tmp_path / "a.flac")
    done = run(_NEVER, "info", str(tmp_path / "a.flac"))
    assert (done.returncode, done.stderr.split()) == (0, [])
    assert "EPSG:32633, WGS 84 / UTM zone 33N" in done.stdout


def test_without_click_the_extra_is_named() -> None:
    code = "import sys; sys.modules['click'] = None; from virtual_flac.cli import main; main()"
    done = run(code=code)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == 'Error: click is not installed: pip install "virtual-flac[cli]"\n'
