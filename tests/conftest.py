"""Fixtures of the whole suite: shared rasters, servers, outside judges."""

from __future__ import annotations

import contextlib
import importlib.util
import json
import os
import shlex
import shutil
import signal
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import hypothesis_profiles  # noqa: F401
import pytest
import servers
from flac_raster_process import FlacRaster
from fresh_process import Elsewhere

from virtual_flac.io.workers import available_cores

ROOT = Path(__file__).parents[1]

# A shell lets what it runs in the background ignore Ctrl-C, and the commands that tests start and
# interrupt would inherit that.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--network", action="store_true", help="run tests that need the internet")


def pytest_xdist_auto_num_workers(config: pytest.Config) -> int:
    # What tests print (-s: benchmarks) is lost in workers. One more than cores: tests wait for
    # servers and programs a fifth of their time.
    return 0 if config.option.capture == "no" else min(available_cores() + 1, 8)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if not config.getoption("--network"):
        for item in items:
            if item.get_closest_marker("network"):
                item.add_marker(pytest.mark.skip(reason="skipped: needs the internet (--network)"))


# --- Data -----------------------------------------------------------------------------------------


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Return the folder of rasters kept beside the repository."""
    path = ROOT.parent / "shared" / "data"
    if not path.is_dir():
        pytest.skip("skipped: no shared data")
    return path


# --- Servers --------------------------------------------------------------------------------------


@pytest.fixture(scope="session")
def range_server() -> Iterator[Callable[..., servers.RangeServer]]:
    """Return ``start(directory, server=None)``: one running server for each directory and kind."""
    running: dict[tuple[Path, str], servers.RangeServer] = {}
    with contextlib.ExitStack() as stack:

        def start(directory: Path | str, server: str | None = None) -> servers.RangeServer:
            key = (Path(directory).resolve(), server or servers.available_servers()[0])
            if key not in running:
                running[key] = stack.enter_context(servers.serve(*key))
            running[key].reset()
            return running[key]

        yield start


@pytest.fixture(scope="session")
def s3_server() -> Iterator[servers.S3Server]:
    """Run one S3 server that verifies signatures; give every test its own bucket."""
    with servers.serve_s3() as server:
        yield server


@pytest.fixture(scope="session")
def lenient_s3() -> Iterator[servers.S3Server]:
    """Run one S3 server that lets anybody read what is public."""
    with servers.serve_s3(verify=False) as server:
        yield server


@pytest.fixture(scope="session")
def elsewhere(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Elsewhere]:
    """Run one process that has the codec and not our package."""
    process = Elsewhere(tmp_path_factory.mktemp("elsewhere"))
    yield process
    process.close()


# --- Outside judges -------------------------------------------------------------------------------


# It stays, for GDAL takes longer to be imported than to compare.
_GDALCOMPARE = """
import contextlib, io, json, runpy, sys
for line in sys.stdin:
    sys.argv, printed = json.loads(line), io.StringIO()
    with contextlib.redirect_stdout(printed), contextlib.suppress(SystemExit):
        runpy.run_path(sys.argv[0], run_name="__main__")
    print(json.dumps(printed.getvalue()), flush=True)
"""


@pytest.fixture(scope="session")
def gdalcompare() -> Iterator[Callable[[Path, Path], list[str]]]:
    """Return ``compare(golden, new)``: what GDAL's gdalcompare.py finds different, line by line.

    Pixels, georeferencing, metadata, colour tables and overviews count; that the files differ as
    byte strings, which two encoders always do, does not.
    """
    script = shutil.which("gdalcompare.py")
    if script is None:
        pytest.skip("skipped: no gdalcompare.py (Debian: gdal-bin, python3-gdal)")
    # The interpreter named in its first line has GDAL's bindings.
    interpreter = shlex.split(Path(script).read_text().splitlines()[0].removeprefix("#!"))
    process = subprocess.Popen(
        [*interpreter, "-c", _GDALCOMPARE],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=_environment(),
    )  # fmt: skip

    def compare(golden: Path, new: Path) -> list[str]:
        assert process.stdin is not None
        assert process.stdout is not None
        print(json.dumps([script, str(golden), str(new)]), file=process.stdin, flush=True)
        answer = process.stdout.readline()
        assert answer, f"gdalcompare.py ended with {process.wait()}"
        lines = [line.strip() for line in json.loads(answer).splitlines()]
        if "Differences Found: 0" in lines:
            return []
        assert any(line.startswith("Differences Found:") for line in lines), lines
        # "Files differ at the binary level." counts as one difference and is expected.
        return [
            line
            for line in lines
            if line
            and "differ at the binary level" not in line
            and not line.startswith("Differences Found:")
        ]

    yield compare
    process.communicate()


@pytest.fixture(scope="session")
def flac_raster() -> Iterator[FlacRaster]:
    """Return flac-raster 0.1.2, driven by its command line in a process of its own."""
    if importlib.util.find_spec("flac_raster") is None:
        pytest.skip("skipped: flac-raster is not installed")
    program = FlacRaster(_environment())
    yield program
    program.close()


def _environment() -> dict[str, str]:
    # Another GDAL or PROJ than this environment's must find its own data.
    foreign = {"GDAL_DATA", "PROJ_DATA", "PROJ_LIB", "PYTHONPATH", "PYTHONHOME"}
    return {name: value for name, value in os.environ.items() if name not in foreign}
