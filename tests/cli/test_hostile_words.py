"""Whatever words a command is given: what was asked for, or one line and exit status 1 or 2."""

from __future__ import annotations

import itertools
import shutil
from pathlib import Path

import click
import hostile_arguments
import numpy as np
import pytest
from click.testing import CliRunner
from rasters import write_tif

import virtual_flac
from virtual_flac.cli.commands import SECTIONS, app

#: Of each command, an argument and options with which it works.
GOOD = {
    "convert": "in.tif -o o.flac -f", "extract": "in.flac -o o.tif -f", "info": "in.flac",
    "preview": "in.flac -o o.png -f --size 32", "query": "in.flac", "spatial-info": "in.flac",
    "verify": "in.flac", "compare": "in.flac in.tif", "virtualize": "in.flac -o o.json -f",
    "stack": "in.flac -o o.json -f --values 1", "create-streaming": "in.tif -o o.flac -f",
    "extract-streaming": "in.flac --center -o o.tif -f",
    "extract-tile": "in.flac --bbox 0,0,1,1 -o o.tif -f",
}  # fmt: skip
WORDS = (
    # Those that a shell can pass on.
    *(text for text in hostile_arguments.TEXTS if not {"\0", "\ud800"} & set(text)),
    *("-1", str(2**70), "0.5", "nan", "inf", "1e400,0,0,0", "0,0,0,0", "-1,-1,-1,-1", ",", "="),
    *("nan,nan,nan,nan", "a=", "a=b", "a.b=c", "region=x", "9" * 5000),
)


@pytest.fixture
def work(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current folder, with a raster."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("ICECHUNK_LOG", "off")
    tif = write_tif(tmp_path / "in.tif", np.arange(2000, dtype=np.int16).reshape(1, 40, 50))
    virtual_flac.write_flac(tif, tmp_path / "in.flac", tile_size=32)
    return tmp_path


def test_every_command_is_tried() -> None:
    # The demonstration takes seconds; its source is read as that of convert.
    assert set(itertools.chain(*SECTIONS.values())) - {"demo"} == set(GOOD)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("step", [4, pytest.param(1, marks=pytest.mark.exhaustive)])
@pytest.mark.parametrize("name", GOOD)
def test_hostile_words(name: str, step: int, work: Path) -> None:
    files = hostile_arguments.files(work, (work / "in.flac").read_bytes())
    words = [*WORDS, *map(str, files)]
    command = app.get_command(click.Context(app), name)
    assert command is not None
    first, *rest = GOOD[name].split()
    tried: list[list[str]] = [[word, *rest] for word in words if not word.startswith("-")]
    for parameter in command.params:
        if isinstance(parameter, click.Option) and not parameter.is_flag:
            tried += [[first, *rest, f"{parameter.opts[0]}={word}"] for word in words]
    for arguments in tried[::step]:
        done = CliRunner().invoke(app, [name, *arguments])
        lines = [line for line in done.stderr.splitlines() if not line.startswith("Warning: ")]
        said = f"{[text[:60] for text in arguments]}: {done.output[-600:]}"
        assert done.exit_code in (0, 1, 2), said
        # Rasters that differ are no error.
        assert len(lines) == (done.exit_code > 0) or name == "compare", said
        assert "a bug of" not in done.stderr, said
        for left in work.glob("o.*"):
            shutil.rmtree(left) if left.is_dir() else left.unlink()


@pytest.mark.parametrize(
    ("words", "known"),
    [
        ("convert in.flac -o o.tif --compress zip", "deflate"),
        ("extract in.flac -o o.tif --compress packbits", "lerc_zstd"),
        ("convert in.tif -o o.flac --resampling best", "nearest, average"),
        ("preview in.flac -o o.png --cmap viridiss", "viridis"),
    ],
)
def test_words_that_are_not_known_are_bad_use(words: str, known: str, work: Path) -> None:
    done = CliRunner().invoke(app, words.split())
    option, word = words.split()[-2:]
    assert done.exit_code == 2
    assert done.stderr.startswith(f"Error: Invalid value for '{option}': ")
    assert word in done.stderr
    assert known in done.stderr
    assert not list(work.glob("o.*"))
