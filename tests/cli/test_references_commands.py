"""`virtualize` and `stack`: their results open where this package is not; misuse is told so."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio
import servers
import xarray as xr
from click.testing import CliRunner
from fresh_process import Elsewhere
from rasters import write_tif

import virtual_flac
from virtual_flac.cli.commands import app
from virtual_flac.errors import MissingExtraError, SelectionError, TargetExistsError
from virtual_flac.publish import publish

DATES = ("2026-07-14", "20260301", "2026_05_20")
IN_ORDER = (1, 2, 0)

SUFFIXES = ("json", "parquet", "icechunk")


def pixels(tif: Path) -> Any:
    with rasterio.open(tif) as source:
        return source.read()


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One folder with dated rasters, one raster with overviews, and things that do not fit."""
    folder = tmp_path_factory.mktemp("rasters")
    rng = np.random.default_rng(7)
    rasters = {f"scene_{date}": rng.integers(0, 900, (2, 50, 70), "uint16") for date in DATES}
    rasters["red"] = rng.integers(0, 900, (1, 100, 90), "uint16")
    for name, data in rasters.items():
        tif = write_tif(folder / f"{name}.tif", data)
        overviews: Any = [2, 4] if name == "red" else "none"
        virtual_flac.write_flac(tif, tif.with_suffix(".flac"), tile_size=32, overviews=overviews)
    other = write_tif(folder / "other_2026-09-09.tif", np.zeros((2, 40, 70), "uint16"))
    virtual_flac.write_flac(other, other.with_suffix(".flac"), tile_size=32)
    (folder / "song.flac").write_bytes(b"fLaC" + bytes(200))
    return folder


def dated(folder: Path, suffix: str = "flac") -> list[Path]:
    return [folder / f"scene_{date}.{suffix}" for date in DATES]


def run(*arguments: Any) -> Any:
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


def told(*arguments: Any) -> dict[str, Any]:
    done = run(*arguments, "--json")
    assert done.exit_code == 0, done.output
    document = json.loads(done.stdout)
    assert isinstance(document, dict)
    return document


@pytest.mark.parametrize("server", ["", "aiohttp", "nginx"])
def test_one_raster(
    elsewhere: Elsewhere,
    server: str,
    folder: Path,
    tmp_path: Path,
    range_server: Callable[..., Any],
) -> None:
    if server == "nginx" and not servers.find_nginx():
        pytest.skip("skipped: no nginx")
    url = f"{range_server(folder, server).url}/red.flac" if server else str(folder / "red.flac")
    results = [told("virtualize", url, "-o", tmp_path / f"refs.{suffix}") for suffix in SUFFIXES]
    assert [result["references"] for result in results] == [12, 12, 12 + 4 + 1]
    assert [result["groups"] for result in results] == [[], [], ["overview_1", "overview_2"]]
    snippets = [result["snippet"] for result in results]
    snippets += [
        snippets[-1].replace("consolidated=", f'group="overview_{level}", consolidated=')
        for level in (1, 2)
    ]
    *roots, first, second = [elsewhere.run(snippet, tmp_path) for snippet in snippets]
    for result, seen in zip(results, roots, strict=True):
        assert result["sizes"] == {"band": 1, "y": 100, "x": 90}
        assert result["dtype"] == seen["band_data"].dtype == "uint16"
        np.testing.assert_array_equal(seen["band_data"], pixels(folder / "red.tif"))
    for level, seen in ((1, first), (2, second)):
        expected = xr.open_dataset(
            folder / "red.flac", engine="flac", overview=level, mask_and_scale=False
        )
        np.testing.assert_array_equal(seen["band_data"], expected.band_data)
        np.testing.assert_array_equal(seen["x"], expected.x)


def test_dates_are_stacked_in_their_order(
    elsewhere: Elsewhere, folder: Path, tmp_path: Path
) -> None:
    results = [
        told(command, *dated(folder), "-o", tmp_path / f"{command}.{suffix}")
        for suffix in SUFFIXES
        for command in ("virtualize", "stack")
    ]
    expected = np.stack([pixels(dated(folder, "tif")[i]) for i in IN_ORDER])
    seen = [elsewhere.run(result["snippet"], tmp_path) for result in results]
    for result, cube in zip(results, seen, strict=True):
        assert result["sizes"] == {"time": 3, "band": 2, "y": 50, "x": 70}
        assert result["references"] == 3 * 2 * 2 * 3
        np.testing.assert_array_equal(cube["band_data"], expected)
        assert cube["time"].astype("datetime64[D]").astype(str).tolist() == [
            "2026-03-01", "2026-05-20", "2026-07-14",
        ]  # fmt: skip


def test_values_of_the_new_dimension(elsewhere: Elsewhere, folder: Path, tmp_path: Path) -> None:
    moments = np.array(["2026-03-01", "2026-05-20", "2026-07-14T10:30"], "M8[ns]")
    cases: dict[str, list[Any]] = {
        "30,10,20": [10, 20, 30],
        "0.3,0.1,0.2": [0.1, 0.2, 0.3],
        "c,a,b": ["a", "b", "c"],
        "2026-07-14T10:30,2026-03-01,2026-05-20": moments.tolist(),
    }
    results = [
        told("stack", *dated(folder), "-o", tmp_path / f"{number}.{suffix}",
             "--dim", "z", "--values", values)
        for suffix in SUFFIXES
        for number, values in enumerate(cases)
    ]  # fmt: skip
    seen = [elsewhere.run(result["snippet"], tmp_path) for result in results]
    for cube, expected in zip(seen, [*cases.values()] * len(SUFFIXES), strict=True):
        assert cube["z"].tolist() == expected
        np.testing.assert_array_equal(cube["band_data"][2], pixels(dated(folder, "tif")[0]))


def test_bands_and_overviews_are_chosen(elsewhere: Elsewhere, folder: Path, tmp_path: Path) -> None:
    result = told("stack", *dated(folder), "-o", tmp_path / "a.json", "--bands", "2")
    assert result["sizes"]["band"] == 1
    seen = elsewhere.run(result["snippet"], tmp_path)
    np.testing.assert_array_equal(seen["band_data"][2, 0], pixels(dated(folder, "tif")[0])[1])
    for option in (("--overview", "1"), ("--group", "overview_1")):
        result = told("virtualize", folder / "red.flac", "-o", tmp_path / "b.json", "-f", *option)
        assert result["sizes"] == {"band": 1, "y": 50, "x": 45}


def test_the_pattern_finds_dates(folder: Path, tmp_path: Path) -> None:
    pattern = r"scene_(\d{4})[-_]?(\d\d)[-_]?(\d\d)"
    done = run("stack", *dated(folder), "-o", tmp_path / "a.json", "--pattern", pattern)
    assert done.exit_code == 0, done.output
    done = run("stack", *dated(folder), "-o", tmp_path / "b.json", "--pattern", "no" + pattern)
    assert done.exit_code == 1
    assert "no date in the name" in done.stderr


def test_what_was_skipped_is_told(folder: Path, tmp_path: Path) -> None:
    given = ["stack", *dated(folder), folder / "song_2026-01-09.flac", "--on-error", "skip"]
    result = told(*given, "-o", tmp_path / "a.json")
    assert result["sizes"]["time"] == 3
    [skipped] = result["skipped"]
    assert "song_2026-01-09.flac: no such file" in skipped["reason"]
    done = run(*given, "-o", tmp_path / "b.json", "--quiet")
    assert (done.exit_code, done.stdout) == (0, "")
    assert "Skipped: " in done.stderr


def test_bands_times_and_variables_by_name(
    elsewhere: Elsewhere, folder: Path, tmp_path: Path
) -> None:
    given = ["stack", *dated(folder), "--bands", "1"]
    values = ["--values", "time=2026-07-14,2026-03-01,2026-07-14", "--values", "band=red,red,nir"]
    failed = run(*given, *values, "-o", tmp_path / "a.json")
    assert failed.exit_code == 1
    assert "no raster for time 2026-03-01" in failed.stderr
    values = ["--values", "band=red,nir,blue", "--as-variables"]
    result = told(*given, *values, "-o", tmp_path / "b.json")
    assert result["variables"] == ["red", "nir", "blue"]
    seen = elsewhere.run(result["snippet"], tmp_path)
    for name, tif in zip(result["variables"], dated(folder, "tif"), strict=True):
        np.testing.assert_array_equal(seen[name], pixels(tif)[0])
    failed = run(*given, "--values", "1,2,3", "--values", "2,3,4", "-o", tmp_path / "c.json")
    assert failed.exit_code == 2


def test_options_of_stores(folder: Path, tmp_path: Path, s3_server: Any) -> None:
    options = s3_server.upload("command-line", {"red.flac": folder / "red.flac"})
    words = [
        f"--store-option={key}={options[key]}"
        for key in ("endpoint", "access_key_id", "secret_access_key", "region")
    ]
    words += ["--store-option=virtual_hosted_style_request=false"]
    words += ["--store-option=client_options.allow_http=true"]
    for suffix in ("json", "icechunk"):
        target = tmp_path / f"refs.{suffix}"
        result = told("virtualize", "s3://command-line/red.flac", "-o", target, *words)
        assert options["secret_access_key"] not in json.dumps(result)
        seen = virtual_flac.open_references(target, store_options=options)
        np.testing.assert_array_equal(seen.band_data, pixels(folder / "red.tif"))


def test_one_raster_is_stacked_when_a_dimension_is_named(folder: Path, tmp_path: Path) -> None:
    result = told("virtualize", dated(folder)[0], "-o", tmp_path / "a.json", "--dim", "time")
    assert result["sizes"]["time"] == 1


def test_what_is_printed(folder: Path, tmp_path: Path) -> None:
    target = tmp_path / "refs.json"
    done = run("virtualize", folder / "red.flac", "-o", target)
    assert done.exit_code == 0
    *table, snippet = done.stdout.splitlines()
    assert "12 byte ranges" in "\n".join(table)
    assert snippet == f'import xarray as xr; ds = xr.open_dataset("{target}", engine="kerchunk")'
    assert done.stderr == ""
    quiet = run("virtualize", folder / "red.flac", "-o", target, "--force", "--quiet")
    assert (quiet.exit_code, quiet.output) == (0, "")


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["virtualize", "missing.flac"], 1, "missing.flac: no such file"),
        (["virtualize", "red.tif"], 1, "red.tif"),
        (["virtualize", "song.flac"], 1, "song.flac"),
        (["stack", "red.flac", "song.flac"], 1, "no date in the name 'red.flac'"),
        (["stack", "scene_20260301.flac", "other_2026-09-09.flac"], 1, "other_2026-09-09.flac"),
        (["stack", "scene_20260301.flac", "scene_20260301.flac"], 1, "scene_20260301.flac"),
        (["stack", "scene_20260301.flac", "--values", "1,2"], 1, "2 values of time for 1"),
        (["stack", "red.flac", "--values", "2026-01-01T00:00+01:00"], 2, "time zone"),
        (["stack", "red.flac", "--pattern", "("], 1, "--pattern"),
        (["stack", "red.flac", "--pattern", "(a)"], 1, "1 groups"),
        (["stack", "red.flac", "--pattern", "%Q"], 1, "holds %Q"),
        (["virtualize", "red.flac", "--bands", "2"], 1, "no band 2; the file has band 1 only"),
        (["virtualize", "red.flac", "--bands", "a"], 2, "--bands"),
        (["virtualize", "red.flac", "--overview", "3"], 1, "no overview 3"),
        (["virtualize", "red.flac", "--group", "nix"], 1, "'nix'"),
        (["virtualize", "red.flac", "--group", "", "--overview", "1"], 1, "not both"),
        (["virtualize", "ftp://host/red.flac"], 1, "ftp"),
        (["virtualize"], 2, "URL"),
    ],
)
def test_errors(
    arguments: list[str], code: int, message: str, folder: Path, tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    monkeypatch.chdir(folder)
    target = tmp_path / "refs.json"
    done = run(*arguments, "-o", target)
    assert done.exit_code == code, done.output
    [line] = done.stderr.splitlines()
    assert line.startswith("Error: ")
    assert message in line
    assert done.stdout == ""
    assert not list(tmp_path.iterdir())


def test_targets_are_replaced_only_with_force(
    elsewhere: Elsewhere, folder: Path, tmp_path: Path
) -> None:
    targets = [tmp_path / f"refs.{suffix}" for suffix in SUFFIXES]
    snippets = []
    for target in targets:
        told("virtualize", folder / "red.flac", "-o", target)
        again = run("virtualize", dated(folder)[0], "-o", target)
        assert again.exit_code == 1
        assert "--force" in again.stderr
        snippets.append(told("virtualize", dated(folder)[0], "-o", target, "--force")["snippet"])
        # The old one stays when there is nothing to take its place.
        failed = run("virtualize", folder / "song.flac", "-o", target, "--force")
        assert failed.exit_code == 1
    assert sorted(tmp_path.iterdir()) == sorted(targets)
    for seen in [elsewhere.run(snippet, tmp_path) for snippet in snippets]:
        np.testing.assert_array_equal(seen["band_data"], pixels(dated(folder, "tif")[0]))


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_force_removes_no_folder_of_something_else(
    suffix: str, folder: Path, tmp_path: Path
) -> None:
    target = tmp_path / f"photos.{suffix}"
    target.mkdir()
    (target / "me.jpg").touch()
    with pytest.raises(TargetExistsError, match="remove it yourself"):
        publish([folder / "red.flac"], target, overwrite=True)
    assert (target / "me.jpg").exists()


def test_targets_are_refused_before_anything_is_read(tmp_path: Path) -> None:
    nowhere = ["https://nowhere.invalid/red.flac"]
    with pytest.raises(SelectionError, match=r"\.json or \.parquet"):
        publish(nowhere, tmp_path / "refs.zarr")
    with pytest.raises(FileNotFoundError, match="no such folder"):
        publish(nowhere, tmp_path / "missing" / "refs.json")
    with pytest.raises(SelectionError, match="no raster"):
        publish([], tmp_path / "refs.json")


def test_what_is_not_installed_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("virtual_flac.references.target.find_spec", lambda name: None)
    with pytest.raises(MissingExtraError, match=r"virtual-flac\[icechunk\]"):
        publish(["red.flac"], tmp_path / "refs.icechunk")


@pytest.mark.parametrize("command", ["virtualize", "stack"])
def test_help_has_an_example(command: str) -> None:
    done = run(command, "--help")
    assert done.exit_code == 0
    assert f"  virtual-flac {command} " in done.stdout.partition("Examples:")[2]
