"""Whatever files and folders are called: what can be written can be read, by every reader."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import quote

import numpy as np
import numpy.typing as npt
import pytest
import xarray as xr
from click.testing import CliRunner
from rasters import write_tif
from virtualizarr import open_virtual_dataset

import virtual_flac
from virtual_flac.cli.commands import app
from virtual_flac.io.stores import to_url
from virtual_flac.publish import publish
from virtual_flac.references.snippet import snippet

SUFFIXES = ("json", "parquet", "icechunk")
#: Signs that mean something in URLs, shells, globs, format strings, or to fsspec, GDAL and zarr.
NAMES = [
    "a b", " a", "a ", "äöüß", "a\u0308o\u0308", "👩\u200d🚀", "a\xa0b", "a\u202eb", "a\u2028b",
    "a%20b", "a%2Fb", "%zz", "100%", "a#b", "a?b", "a&b=c", "a+b", "a;b", "a,b", "a@b", "a:b",
    "a'b", 'a"b', "a`b", "$HOME", "a|b", "a<b>", "a^b", "(a)!", "a\\b", "~", "~root", "-a",
    "[!a]", "*", "a{b}", "{field}", "...", "..a", "a.", "s3:a", "zip:a", "file:", "a::b",
    "simplecache::a", "x.json", "x.parquet", "%s", "ü" * 120, "n" * 250,
]  # fmt: skip
EVERYTHING = "ä ö\u0308 %20%2F#?&+;='\"`[*]{field}\\~$(!)😀-.json :@|<>^"
#: What fsspec takes for its own in the name of a target, so that plain kerchunk cannot open it.
CHAINED, BRACES = "::", "{}"
SHAPE = (1, 20, 30)
RAW: dict[str, Any] = {"mask_and_scale": False}


def pixels(number: int = 0) -> npt.NDArray[np.int16]:
    return np.arange(number, number + 600, dtype=np.int16).reshape(SHAPE)


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Callable[[Path, int], Path]:
    """Return ``copy(target, number)``, which writes FLAC of `pixels(number)`."""
    folder = tmp_path_factory.mktemp("template")

    def copy(target: Path, number: int) -> Path:
        flac = folder / f"{number}.flac"
        if not flac.exists():
            tif = write_tif(folder / f"{number}.tif", pixels(number))
            virtual_flac.write_flac(tif, flac, tile_size=32)
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(flac, target)
        return target

    return copy


def run(*words: Any) -> Any:
    done = CliRunner().invoke(app, [str(word) for word in words])
    assert done.exit_code == 0, (words, done.output, done.exception)
    return done


def by_snippet(line: str) -> xr.Dataset:
    names: dict[str, Any] = {}
    exec(line, names)
    dataset: xr.Dataset = names["ds"]
    return dataset


def check(dataset: xr.Dataset, number: int = 0) -> None:
    np.testing.assert_array_equal(dataset.band_data.to_numpy().reshape(SHAPE), pixels(number))


def test_as_a_source_of_every_name(template: Any, tmp_path: Path) -> None:
    """In folders of their names; one file taken for another would be seen in its pixels."""
    files = [template(tmp_path / n / f"{n}.flac", i) for i, n in enumerate(NAMES)]
    for number, file in enumerate(files):
        source = str(file) if number % 2 else file.as_uri()
        check(xr.open_dataset(source, engine="flac", **RAW), number)
        assert virtual_flac.info(file).requests == 1
    # By everything that reads references.
    expected = np.stack([pixels(number) for number in range(len(files))])
    for suffix in SUFFIXES:
        cube = tmp_path / f"cube.{suffix}"
        result = publish(files, cube, cube={"dim": "t", "values": range(len(files))})
        assert list(result.sources) == [to_url(file) for file in files]
        for found in (virtual_flac.open_references(cube, **RAW), by_snippet(result.snippet)):
            np.testing.assert_array_equal(found.band_data.to_numpy(), expected)
        told = virtual_flac.info(cube)
        assert (told.files, told.references) == (len(files), len(files))


def test_as_a_target_of_every_name(template: Any, tmp_path: Path) -> None:
    """Read by kerchunk itself, too, but where fsspec takes a sign for its own."""
    flac = template(tmp_path / "a.flac", 0)
    vds = open_virtual_dataset(
        str(flac), parser=virtual_flac.FLACParser(), registry=virtual_flac.registry_for(flac)
    )
    for number, name in enumerate(NAMES):
        target = tmp_path / name / f"{name}.json"
        target.parent.mkdir()
        virtual_flac.write_kerchunk(vds, target)
        check(virtual_flac.open_references(target if number % 2 else target.as_uri(), **RAW))
        line = snippet(target, [])
        assert ('engine="kerchunk"' in line) == (CHAINED not in name)
        check(by_snippet(line))
        assert len(list(target.parent.iterdir())) == 1


@pytest.mark.parametrize(
    "name", [EVERYTHING, pytest.param("a::" + "ü" * 115, marks=pytest.mark.exhaustive)]
)
def test_by_every_command(name: str, tmp_path: Path) -> None:
    folder = tmp_path / name
    folder.mkdir()

    def beside(suffix: str) -> Path:
        return folder / f"{name}.{suffix}"

    tif, flac = beside("tif"), beside("flac")
    write_tif(tif, pixels())
    run("convert", tif, "-o", flac, "--tile-size", 32)
    for command in ("info", "query", "spatial-info", "verify"):
        assert name in run(command, flac).stdout or "%" in name
    for source in (tif, flac):
        assert str(source) in run("info", source).stdout
    store = virtual_flac.FLACParser()(flac.as_uri(), virtual_flac.registry_for(flac))
    check(xr.open_zarr(store, consolidated=False, zarr_format=3, **RAW))
    run("compare", tif, flac, "--export", beside("txt"))
    run("preview", flac, "-o", beside("png"))
    run("convert", flac, "-o", beside("tiff"))
    run("extract", flac, "-o", beside("x.flac"), "--window", "0,0,9,9")
    run("extract", flac, "-o", beside("x.tif"), "--window", "0,0,9,9")
    run("compare", beside("tiff"), tif)
    run("compare", beside("x.tif"), beside("x.flac"))
    run("query", flac, "-f", "data", "-o", beside("bin"), "--tile", "0,0")
    other = folder / "again" / flac.name
    other.parent.mkdir()
    shutil.copy(flac, other)
    for suffix in SUFFIXES:
        one, cube = beside(suffix), beside(f"2.{suffix}")
        for words in (("virtualize", flac, "-o", one), ("stack", flac, "-o", cube, "--values", 1)):
            told = json.loads(run(*words, "--json").stdout)
            assert told["target"] == str(words[3])
            misread = {
                "json": CHAINED in name,
                "parquet": CHAINED in name or bool(set(name) & set(BRACES)),
                "icechunk": False,
            }
            assert ("open_references" in told["snippet"]) == misread[suffix]
            check(by_snippet(told["snippet"]))
            check(by_snippet(json.loads(run("info", words[3], "--json").stdout)["snippet"]))
            check(virtual_flac.open_references(words[3], **RAW))
        assert str(one) in run("info", one).stdout
        run("preview", one, "-o", beside(f"{suffix}.png"))
        run("virtualize", flac, "-o", one, "--force")
    run("stack", other, "-o", cube, "--values", 2, "--append")
    for found in (
        virtual_flac.open_references(cube, **RAW),
        by_snippet(json.loads(run("info", cube, "--json").stdout)["snippet"]),
    ):
        assert found.sizes["time"] == 2
        check(found.isel(time=1))


def test_by_their_relative_names(
    template: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for number, name in enumerate(["a b", "-a", "~", "~root", "*", "s3:a", "a::b", "a?b#", "%20"]):
        template(tmp_path / f"{name}.flac", number)
        check(xr.open_dataset(f"{name}.flac", engine="flac", **RAW), number)
        told = json.loads(run("info", "--json", "--", f"{name}.flac").stdout)
        assert told["source"] == f"{name}.flac"
        target = f"{name}.json"
        line = publish([f"{name}.flac"], target).snippet
        check(virtual_flac.open_references(target, **RAW), number)
        check(by_snippet(line), number)


def test_repositories_of_several_places_say_so(template: Any, tmp_path: Path) -> None:
    """The line that opens them names the places that the repository has, not new ones."""
    cube = tmp_path / "cube.icechunk"
    for number, folder in enumerate(("ä #1", "ä #2", "ä #2/inner")):
        flac = template(tmp_path / folder / "a.flac", number)
        told = publish([flac], cube, cube={"dim": "t", "values": [number]}, append=number > 0)
        for line in (told.snippet, virtual_flac.info(cube).snippet):
            check(by_snippet(line).isel(t=number), number)


def test_on_a_server(template: Any, tmp_path: Path, range_server: Callable[..., Any]) -> None:
    names = [EVERYTHING, *(name for name in NAMES if set(name) & set("%#?;+") or "ä" in name)]
    files = [template(tmp_path / n / f"{n}.flac", i) for i, n in enumerate(names)]
    url = range_server(tmp_path, "aiohttp").url
    urls = [f"{url}/{quote(str(file.relative_to(tmp_path)))}" for file in files]
    for number, source in enumerate(urls):
        check(xr.open_dataset(source, engine="flac", **RAW), number)
    expected = np.stack([pixels(number) for number in range(len(files))])
    cube = {"dim": "t", "values": range(len(files))}
    for suffix in SUFFIXES:
        for number, (sources, base) in enumerate(((urls, None), (files, url))):
            target = tmp_path / f"{number}.{suffix}"
            result = publish(sources, target, cube=cube, base_url=base, check_base_url=bool(base))
            for found in (virtual_flac.open_references(target, **RAW), by_snippet(result.snippet)):
                np.testing.assert_array_equal(found.band_data.to_numpy(), expected)


def test_in_a_bucket(template: Any, tmp_path: Path, s3_server: Any) -> None:
    """Keys are never quoted, but in the locations of Icechunk, which unquotes them."""
    names = ["a b", "a%20b", "a%2Fb", "ä+&;=c", "[]{x}:"]
    files = {f"{n}/{n}.flac": template(tmp_path / n / f"{n}.flac", i) for i, n in enumerate(names)}
    options = s3_server.upload("names", files)
    urls = [f"s3://names/{key}" for key in files]
    expected = np.stack([pixels(number) for number in range(len(files))])
    cube = {"dim": "t", "values": range(len(files))}
    for suffix in SUFFIXES:
        for number, (sources, base) in enumerate(((urls, None), (files.values(), "s3://names"))):
            target = tmp_path / f"{number}.{suffix}"
            publish(list(sources), target, cube=cube, base_url=base, store_options=options)
            found = virtual_flac.open_references(target, store_options=options, **RAW)
            np.testing.assert_array_equal(found.band_data.to_numpy(), expected)
    publish(urls[:1], "s3://names/ü%20.json", store_options=options)
    check(virtual_flac.open_references("s3://names/ü%20.json", store_options=options, **RAW))


def test_references_of_others(template: Any, tmp_path: Path) -> None:
    """fsspec takes what follows file:// as it stands."""
    flac = template(tmp_path / "a%20b ä.flac", 1)
    template(tmp_path / "a b ä.flac", 2)
    publish([flac], tmp_path / "refs.json")
    text = (tmp_path / "refs.json").read_text()
    path = json.dumps(str(flac))
    assert path in text
    (tmp_path / "refs.json").write_text(text.replace(path, json.dumps(f"file://{flac}")))
    check(virtual_flac.open_references(tmp_path / "refs.json", **RAW), 1)
    check(xr.open_dataset(f"{tmp_path}/refs.json", engine="kerchunk", **RAW), 1)
