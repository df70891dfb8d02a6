"""The demo from end to end, and its server, folder and rasters one by one."""

from __future__ import annotations

import http.client
import json
import os
import signal
import subprocess
import sys
import warnings
from datetime import date
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import numpy as np
import pytest
import rasterio
import xarray as xr
from click.testing import CliRunner
from matplotlib.cbook import get_sample_data
from matplotlib.image import imread
from rasterio.errors import NotGeoreferencedWarning

import virtual_flac
from virtual_flac.cli.commands import app
from virtual_flac.demo import DemoResult, make_dem, make_sunlight, run_demo, serve
from virtual_flac.demo.picture import draw
from virtual_flac.demo.result import Cost, claim
from virtual_flac.errors import SourceNotFoundError, TargetExistsError


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> DemoResult:
    """The command in a process of its own, served and interrupted, past a proxy that is dead."""
    folder = tmp_path_factory.mktemp("demo")
    # An earlier demo left these, and each is replaced.
    earlier = ["dem.tif", "dem.flac", "dem.cog.tif", "refs.json", "cube.json", "demo.png"]
    report = {"made_by": "virtual-flac demo", "files": dict.fromkeys(earlier, "")}
    (folder / "demo.json").write_text(json.dumps(report))
    for name in earlier:
        (folder / name).touch()
    code = "from virtual_flac.cli import main; main()"
    proxies = dict.fromkeys(("http_proxy", "HTTP_PROXY"), "http://127.0.0.1:9")
    with subprocess.Popen(
        [sys.executable, "-c", code, "demo", "--serve", "--json", "-o", str(folder)],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env={**os.environ, **proxies},
    ) as process:  # fmt: skip
        try:
            assert process.stderr is not None
            said = []
            for line in process.stderr:
                said.append(line)
                if line.startswith("Serving"):
                    break
            url = said.pop().split()[-1]
            assert ask(url, Range="bytes=0-3")[0] == 206, said
            process.send_signal(signal.SIGINT)
            printed, rest = process.communicate(timeout=60)
            assert (process.returncode, rest) == (0, "")
        finally:
            process.kill()
    with pytest.raises(ConnectionRefusedError):
        ask(url)
    found = json.loads(printed)
    assert [f"- {step}\n" for step in found["steps"]] == said
    costs = [Cost(**cost) for cost in found.pop("costs")]
    return DemoResult(costs=costs, **{**found, "folder": folder})


def read(path: Path) -> Any:
    with rasterio.open(path) as source:
        return source.read()


# --- End to end -----------------------------------------------------------------------------------


def test_every_file_is_there_and_no_other(demo: DemoResult) -> None:
    assert {path.name for path in demo.folder.iterdir()} == set(demo.files)
    assert all((demo.folder / name).stat().st_size > 0 for name in demo.files)


def test_every_reader_gave_the_pixels_of_the_source(demo: DemoResult) -> None:
    assert demo.identical
    expected = read(demo.folder / "dem.tif")
    np.testing.assert_array_equal(read(demo.folder / "dem.cog.tif"), expected)
    for path, engine in (("dem.flac", "flac"), ("refs.json", "kerchunk")):
        with xr.open_dataset(str(demo.folder / path), engine=engine) as dataset:
            np.testing.assert_array_equal(dataset.band_data, expected)


def test_the_table_says_what_the_files_say(demo: DemoResult) -> None:
    index = virtual_flac.read_index(demo.folder / "dem.flac")
    column, row, width, height = demo.window
    size = index.tile_shape[0]
    touched = index.levels[0].lengths[
        0,
        row // size : (row + height - 1) // size + 1,
        column // size : (column + width - 1) // size + 1,
    ]
    window = (touched.size, int(touched.sum()))
    measured = {(c.reader, c.action): (c.requests, c.bytes) for c in demo.costs}
    flac, references = 'FLAC, engine="flac"', 'References to it, engine="kerchunk"'
    assert measured[flac, "open"][0] == 1
    assert measured[references, "open"] == (0, 0)
    requests, sent = measured[flac, "read the window"]
    assert requests <= window[0]
    assert window[1] <= sent <= 1.02 * window[1]
    assert measured[references, "read the window"] == window
    assert measured['COG, engine="rasterio"', "open"][0] >= 1
    assert measured['COG, engine="rasterio"', "read the window"][1] > 0
    cube = 'Cube of three FLACs, engine="kerchunk"'
    assert measured[cube, "open"] == (0, 0)
    assert measured[cube, "read a pixel"][0] == 3


def test_the_cube_holds_the_dates(demo: DemoResult) -> None:
    days = ["2026-03-20", "2026-06-21", "2026-12-21"]
    expected = np.stack([read(demo.folder / f"sunlight_{day}.tif") for day in days])
    with xr.open_dataset(str(demo.folder / "cube.json"), engine="kerchunk") as cube:
        assert np.datetime_as_string(cube.time, unit="D").tolist() == days
        np.testing.assert_array_equal(cube.band_data, expected)


def test_the_report_is_the_result(demo: DemoResult) -> None:
    report = json.loads((demo.folder / "demo.json").read_text())
    assert report.pop("made_by") == "virtual-flac demo"
    assert report == json.loads(json.dumps(demo.to_dict()))


def test_the_picture_shows_something(demo: DemoResult) -> None:
    pixels = imread(demo.folder / "demo.png")
    height, width, _ = pixels.shape
    assert width > height > 600
    assert len(np.unique((pixels[..., :3] * 255).astype(int).reshape(-1, 3), axis=0)) > 1000


@pytest.mark.parametrize(
    ("dtype", "bands", "profile"),
    [
        ("float32", 2, {"nodata": float("nan")}),
        pytest.param("int16", 1, {"crs": "EPSG:3857"}, marks=pytest.mark.exhaustive),
    ],
)
def test_other_rasters(
    dtype: str, bands: int, profile: dict[str, Any], tmp_path: Path
) -> None:  # fmt: skip
    rng = np.random.default_rng(3)
    data = rng.integers(0, 90, (bands, 300, 700)).astype(dtype)
    if dtype == "float32":
        data[:, :50] = np.nan
    source = tmp_path / "my raster #1.tif"
    if "crs" in profile:
        profile = {"transform": rasterio.transform.from_origin(4e5, 5e6, 30, 30), **profile}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", NotGeoreferencedWarning)
        with rasterio.open(
            source, "w", driver="GTiff", dtype=dtype, count=bands, width=700, height=300, **profile
        ) as target:
            target.write(data)
    before = source.read_bytes()
    result = run_demo(source, tmp_path / "out")
    assert result.identical
    assert "my_raster_1.flac" in result.files
    assert source.read_bytes() == before
    with xr.open_dataset(
        str(tmp_path / "out" / "refs.json"), engine="kerchunk", mask_and_scale=False
    ) as dataset:
        np.testing.assert_array_equal(dataset.band_data, data)


# --- The command ----------------------------------------------------------------------------------


@pytest.mark.parametrize("columns", ["40", "200"])
def test_the_command_prints_paths_and_costs_whole(
    columns: str, demo: DemoResult, monkeypatch: Any
) -> None:
    monkeypatch.setenv("COLUMNS", columns)
    monkeypatch.setattr("virtual_flac.demo.run_demo", lambda *args, **options: demo)
    done = CliRunner().invoke(app, ["demo"])
    assert (done.exit_code, done.stderr) == (0, "")
    for name in ("refs.json", "cube.json"):
        assert f'xr.open_dataset("{demo.folder / name}", engine="kerchunk")' in done.stdout
    for cost in demo.costs:
        [line] = [
            line for line in done.stdout.splitlines()
            if cost.reader in line and f" {cost.action} " in line
        ]  # fmt: skip
        assert line.split()[-3:-1] == [str(cost.requests), f"{cost.bytes:,}"]
    assert f"Files in {demo.folder}" in done.stdout
    done = CliRunner().invoke(app, ["demo", "--json"])
    assert json.loads(done.stdout) == json.loads(json.dumps(demo.to_dict()))


def test_the_command_says_what_is_wrong(tmp_path: Path) -> None:
    (tmp_path / "dem.tif").write_text("mine")
    done = CliRunner().invoke(app, ["demo", "-o", str(tmp_path)])
    assert (done.exit_code, "dem.tif exists" in done.stderr) == (1, True)
    assert (tmp_path / "dem.tif").read_text() == "mine"
    done = CliRunner().invoke(app, ["demo", "missing.tif", "-o", str(tmp_path / "new")])
    assert (done.exit_code, "missing.tif: no such file" in done.stderr) == (1, True)
    done = CliRunner().invoke(app, ["demo", str(tmp_path / "dem.tif"), "-o", str(tmp_path / "new")])
    assert (done.exit_code, "dem.tif" in done.stderr) == (1, True)
    assert "Traceback" not in done.output


# --- The folder -----------------------------------------------------------------------------------


def test_only_own_files_are_replaced(tmp_path: Path) -> None:
    claim(tmp_path, ["a", "b", "demo.json"])
    report = {"made_by": "virtual-flac demo", "files": {"a": "", "b": ""}}
    (tmp_path / "demo.json").write_text(json.dumps(report))
    (tmp_path / "a").touch()
    (tmp_path / "notes.txt").touch()
    claim(tmp_path, ["a", "c", "demo.json"])
    assert (tmp_path / "a").exists()
    with pytest.raises(TargetExistsError, match=r"notes\.txt exists"):
        claim(tmp_path, ["notes.txt"])
    with pytest.raises(TargetExistsError, match="no demo made it"):
        claim(tmp_path, ["a"], keep=tmp_path / "a")
    with pytest.raises(TargetExistsError, match="no demo made it"):
        claim(tmp_path / "a", [])


@pytest.mark.parametrize("text", ["", "[]", '{"files": ["a"]}', "\udcff"])
def test_somebody_elses_report_stays(text: str, tmp_path: Path) -> None:
    (tmp_path / "demo.json").write_bytes(text.encode("utf-8", "surrogateescape"))
    with pytest.raises(TargetExistsError, match=r"demo\.json exists"):
        claim(tmp_path, ["demo.json"])


def test_nothing_is_made_without_a_source(tmp_path: Path) -> None:
    with pytest.raises(SourceNotFoundError):
        run_demo(tmp_path / "no.tif", tmp_path / "new")
    assert not (tmp_path / "new").exists()


# --- The rasters ----------------------------------------------------------------------------------


def test_the_elevation_model_is_matplotlibs(tmp_path: Path) -> None:
    make_dem(tmp_path / "dem.tif")
    sample: Any = get_sample_data("jacksboro_fault_dem.npz")
    with sample, rasterio.open(tmp_path / "dem.tif") as dem:
        np.testing.assert_array_equal(dem.read(1), sample["elevation"])
        assert dem.crs.to_epsg() == 4326
        edges = [sample[name].item() for name in ("xmin", "ymax", "xmax", "ymin")]
        np.testing.assert_allclose(dem.bounds, edges, atol=1e-9)


def test_sunlight_is_physics(tmp_path: Path) -> None:
    size = 60
    rows, columns = np.mgrid[:size, :size]
    flat = np.zeros((size, size), "int16")
    profile: dict[str, Any] = {
        "driver": "GTiff", "dtype": "int16", "count": 1, "width": size, "height": size,
        "crs": "EPSG:4326", "transform": rasterio.transform.from_origin(10, 40, 0.001, 0.001),
    }  # fmt: skip
    light: dict[str, dict[int, float]] = {}
    slopes = {"flat": flat, "south": (-20 * rows).astype("int16"), "east": (9 * columns)}
    for name, heights in slopes.items():
        with rasterio.open(tmp_path / f"{name}.tif", "w", **profile) as target:
            target.write(heights.astype("int16"), 1)
        light[name] = {}
        for month in (3, 6, 12):
            make_sunlight(tmp_path / f"{name}.tif", tmp_path / "s.tif", date(2026, month, 21))
            light[name][month] = float(read(tmp_path / "s.tif")[0, 30, 30])
    assert light["flat"][12] < light["flat"][3] < light["flat"][6] < 1361
    # About 450 W/m² of direct light at noon of the shortest day on 40 degrees north, 1000 in June.
    assert 250 < light["flat"][12] < 500
    assert 800 < light["flat"][6] < 1050
    assert light["south"][12] > light["flat"][12]
    assert light["east"][6] < light["flat"][6]


# --- The server -----------------------------------------------------------------------------------


def ask(url: str, method: str = "GET", **headers: str) -> tuple[int, dict[str, str], bytes]:
    parts = urlsplit(url)
    connection = http.client.HTTPConnection(parts.netloc, timeout=10)
    try:
        connection.request(method, parts.path, headers=headers)
        response = connection.getresponse()
        return response.status, dict(response.getheaders()), response.read()
    finally:
        connection.close()


def test_the_server_honours_ranges_and_tells(tmp_path: Path) -> None:
    (tmp_path / "a b.bin").write_bytes(bytes(range(100)))
    with serve(tmp_path) as server:
        url = server.url_of("a b.bin")
        assert url == server.url_of(tmp_path / "a b.bin") == f"{server.url}/a%20b.bin"
        status, headers, body = ask(url, Range="bytes=10-19")
        assert (status, headers["Content-Range"]) == (206, "bytes 10-19/100")
        assert body == bytes(range(10, 20))
        assert ask(url, Range="bytes=-5")[2] == bytes(range(95, 100))
        status, headers, body = ask(url, "HEAD")
        assert (status, headers["Content-Length"], body) == (200, "100", b"")
        assert ask(url)[2] == bytes(range(100))
        assert ask(url, Range="bytes=200-300")[0] == 416
        assert ask(f"{server.url}/no.bin")[0] == 404
        assert ask(f"{server.url}/../etc/passwd")[0] in (403, 404)
        told = [(r.method, r.range, r.status, r.bytes_sent) for r in server.requests()[:4]]
        assert told == [
            ("GET", "bytes=10-19", 206, 10), ("GET", "bytes=-5", 206, 5), ("HEAD", None, 200, 0),
            ("GET", None, 200, 100),
        ]  # fmt: skip
        assert [request.status for request in server.requests()[4:6]] == [416, 404]
    with pytest.raises(ConnectionRefusedError):
        ask(url)
    with pytest.raises(NotADirectoryError), serve(tmp_path / "a b.bin"):
        pass


def test_the_server_goes_with_its_parent(tmp_path: Path) -> None:
    with serve(tmp_path) as server:
        assert server.process.stdin is not None
        server.process.stdin.close()  # as when the parent is killed
        assert server.process.wait(30) == 0


def test_proxies_of_the_environment_are_restored(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NO_PROXY", "example.com")
    monkeypatch.delenv("no_proxy", raising=False)
    with serve(tmp_path):
        assert os.environ["NO_PROXY"] == "example.com,127.0.0.1"
        assert os.environ["no_proxy"] == "127.0.0.1"
    assert os.environ["NO_PROXY"] == "example.com"
    assert "no_proxy" not in os.environ


def test_labels_of_the_picture_are_text(tmp_path: Path):
    """Dollar signs make no formula, line ends no second line; a half formula would be an error."""
    names = {"long_name": "$x^$ [m] \n\x07", "units": "US$"}
    y, x = np.arange(6.0), np.arange(8.0)
    plane = xr.DataArray(np.ones((6, 8)), {"y": y, "x": x}, ("y", "x"), attrs=names)
    cube = plane.expand_dims(time=np.arange("2026-01", "2026-04", dtype="M8[M]").astype("M8[ns]"))
    draw(tmp_path / "a.png", plane, (1, 1, 2, 2), cube, relief=False)
    assert imread(tmp_path / "a.png").shape[2] == 4
