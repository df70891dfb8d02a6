"""Errors and texts that users meet: what they name, and which kind they are."""

from __future__ import annotations

import errno
import os
import re
from pathlib import Path
from typing import Any

import click
import numpy as np
import pytest
from click.testing import CliRunner
from rasters import make, write_tif
from virtualizarr import open_virtual_dataset

import virtual_flac
from virtual_flac.cli.commands import app
from virtual_flac.cli.output import ratio_text
from virtual_flac.errors import (
    SelectionError,
    SourceError,
    TargetError,
    TargetExistsError,
    TargetFolderError,
)
from virtual_flac.io.hidden_folders import temporary_folder
from virtual_flac.io.local_files import atomic_write

COMMANDS: dict[str, Any] = {
    name: app.get_command(click.Context(app), name) for name in app.list_commands(None)
}


def run(*words: Any) -> Any:
    return CliRunner().invoke(app, [str(word) for word in words])


@pytest.fixture
def flac(tmp_path: Path) -> Path:
    virtual_flac.write_flac(make("overviews", tmp_path), tmp_path / "a.flac", tile_size=32)
    return tmp_path / "a.flac"


@pytest.mark.parametrize("name", ["folder", "folder.flac", "folder.tif"])
def test_a_folder_is_called_a_folder(tmp_path: Path, name: str):
    (tmp_path / name).mkdir()
    for call in (virtual_flac.read_index, virtual_flac.info, virtual_flac.verify):
        with pytest.raises(SourceError, match=f"{name} is a folder, expected a file"):
            call(tmp_path / name)
    done = run("convert", tmp_path / name, "-o", tmp_path / "x.flac")
    assert (done.exit_code, "is a folder" in done.stderr) == (1, True)


def test_an_empty_file_is_called_empty(tmp_path: Path):
    source = tmp_path / "a.flac"
    source.touch()
    for call in (virtual_flac.read_index, virtual_flac.query, virtual_flac.verify):
        with pytest.raises(SourceError, match=r"a\.flac is empty"):
            call(source)


def test_what_is_no_flac_does_not_become_geotiff(tmp_path: Path):
    (tmp_path / "a.flac").write_text("hello")
    done = run("convert", tmp_path / "a.flac", "-o", tmp_path / "x.tif")
    [line] = done.stderr.splitlines()
    assert done.exit_code == 1
    assert "is not a FLAC raster" in line


def test_a_missing_folder_of_the_target_is_named(tmp_path: Path, flac: Path):
    vds = open_virtual_dataset(
        str(flac), parser=virtual_flac.FLACParser(), registry=virtual_flac.registry_for(flac)
    )
    target = tmp_path / "none" / "x"
    calls = [
        lambda: virtual_flac.write_flac(tmp_path / "overviews.tif", f"{target}.flac"),
        lambda: virtual_flac.write_geotiff(flac, f"{target}.tif"),
        lambda: virtual_flac.extract(flac, f"{target}.png"),
        lambda: virtual_flac.write_kerchunk(vds, f"{target}.json"),
    ]
    for call in calls:
        with pytest.raises(TargetFolderError, match="none: no such folder") as caught:
            call()
        assert isinstance(caught.value, FileNotFoundError)
    with pytest.raises(SelectionError, match=r"expected .json"):
        virtual_flac.write_kerchunk(vds, tmp_path / "x.txt")
    with pytest.raises(TargetExistsError, match="is a folder"):
        virtual_flac.write_flac(tmp_path / "overviews.tif", tmp_path, overwrite=True)


def test_errors_of_the_file_system_name_the_target(tmp_path: Path):
    target = tmp_path / ("x" * 300)  # too long for any file system, the temporary name is not
    with pytest.raises(TargetError) as caught, atomic_write(target, overwrite=False):
        pass
    assert str(caught.value) == (
        f"{target}: the name is too long for the file system. Choose a shorter one."
    )
    assert caught.value.errno == errno.ENAMETOOLONG
    missing = tmp_path / "none" / "a.flac"
    for manager in (atomic_write(missing, overwrite=False), temporary_folder(missing)):
        with pytest.raises(TargetFolderError, match=re.escape(str(missing))), manager:
            pass
    # Errors of other files keep their names.
    with (
        pytest.raises(FileNotFoundError, match="other"),
        atomic_write(missing.parent.parent / "b", overwrite=False),
    ):
        os.stat(tmp_path / "other")
    assert list(tmp_path.iterdir()) == []


def test_the_repr_of_an_index_is_a_line(flac: Path):
    text = repr(virtual_flac.read_index(flac))
    assert text == (
        "<TileIndex 'virtual-flac': 190 x 150 x 2 uint16, 3 levels, 86 tiles of 32 x 32 by band>"
    )


def test_larger_files_are_called_larger(tmp_path: Path):
    assert (ratio_text(2), ratio_text(1), ratio_text(0.5)) == (
        "2.00 times smaller", "1.00 times smaller", "2.00 times larger",
    )  # fmt: skip
    write_tif(tmp_path / "dot.tif", np.zeros((1, 2, 2), "uint8"))
    assert "times larger" in run("convert", tmp_path / "dot.tif").stdout


@pytest.mark.parametrize(
    ("words", "option"),
    [
        (("convert", "FLAC", "-o", "x.tif", "--tile-size", "40"), "--tile-size"),
        (("preview", "FLAC", "-o", "x.png", "--stretch", "9,3"), "--stretch"),
        (("query", "FLAC", "--bbox-crs", "EPSG:4326"), "--bbox-crs"),
        (("stack", "FLAC", "-o", "x.json", "--dim", "x"), "--mosaic"),
    ],
)
def test_errors_name_the_options(words: tuple[str, ...], option: str, flac: Path):
    done = run(*(flac if word == "FLAC" else word for word in words))
    assert (done.exit_code, done.stderr.startswith("Error: ")) == (1, True)
    assert option in done.stderr


def test_geotiffs_are_not_stacked(tmp_path: Path):
    done = run("stack", tmp_path / "dem.tif", "-o", tmp_path / "x.json")
    assert done.exit_code == 1
    assert "a TIFF" in done.stderr
    assert "virtual-flac convert" in done.stderr


def test_a_picture_smaller_than_asked_says_why(tmp_path: Path, flac: Path):
    for size, said in ((190, ""), (100, ", smaller than 100: as only whole numbers are averaged"),
                       (512, ", smaller than 512: as large as the raster"), (95, "")):  # fmt: skip
        done = run("preview", flac, "-o", tmp_path / "x.png", "--size", size, "--force")
        picture = done.stdout.splitlines()[1]
        assert picture.partition(" x ")[2].partition(",")[2] == said.removeprefix(","), size


def test_the_help_groups_commands_and_shows_examples():
    text = " ".join(run("--help").stdout.split())
    assert run("-h").stdout == run("--help").stdout == run().stdout
    order = [
        "Convert", "convert", "extract", "Look", "info", "preview", "query", "spatial-info", "demo",
        "Check", "verify", "compare", "Publish", "virtualize", "stack",
        "flac-raster's command names",
        "create-streaming", "extract-streaming", "extract-tile",
    ]  # fmt: skip
    at = 0
    for name in order:
        at = text.index(f" {name}", at)
    assert "virtual-flac convert dem.tif -o dem.flac" in text
    for command in COMMANDS:
        text = run(command, "-h").stdout
        assert text == run(command, "--help").stdout
        assert f"  virtual-flac {command}" in text.partition("Examples:")[2]


def test_commands_call_the_same_things_by_the_same_names():
    """What reads URLs takes options of stores; every result comes as JSON if wanted."""
    for name, command in COMMANDS.items():
        options = {word for option in command.params for word in option.opts}
        assert "--json" in options, name
        if name != "demo":
            assert {"--store-option", "--anonymous"} <= options, name
        if "--output" in options:
            assert "-o" in options, name
        assert "--overwrite" not in options, name
