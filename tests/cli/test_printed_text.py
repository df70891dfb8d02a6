"""What commands print of files is text: no markup, and nothing that steers a terminal."""

from __future__ import annotations

import json
import re
import sys
import unicodedata
from pathlib import Path
from typing import Any

import numpy as np
import pyproj
import pytest
import soundfile
from affine import Affine
from click.testing import CliRunner
from rasters import write_tif

import virtual_flac
from virtual_flac import cli
from virtual_flac.cli.commands import app
from virtual_flac.cli.output import echo
from virtual_flac.model.georef import GeoReference
from virtual_flac.model.index import Band, RasterInfo
from virtual_flac.model.text import printable, quoted
from virtual_flac.writing.options import WriteOptions
from virtual_flac.writing.writer import FlacWriter

#: Of rich, of matplotlib, of format strings.
MARKUP = "height [m] [/red] [bold]:smile: $x^$ {a} %s ä 👩\u200d🚀 nbsp\xa0."
STEERING = "\x1b[2J\x1b]0;owned\x07\x9b31m\r\n\t\u202eevil\u2028\x7f\x08"
SHOWN = r"\x1b[2J\x1b]0;owned\x07\x9b31m\r\n\t\u202eevil\u2028\x7f\x08"
TEXT, PRINTED = MARKUP + STEERING, MARKUP + SHOWN


def run(*words: Any, status: int = 0) -> Any:
    """What a command prints, in which nothing steers."""
    done = CliRunner().invoke(app, [str(word) for word in words])
    assert done.exit_code == status, done.output
    for sign in done.stdout + done.stderr:
        kind = unicodedata.category(sign)
        assert sign in "\n\u200d" or kind not in ("Cc", "Cf", "Cs", "Zl", "Zp"), repr(done.output)
    return done


@pytest.fixture(scope="module")
def flac(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A raster with such texts wherever it has texts."""
    path = tmp_path_factory.mktemp("printed") / "2026-07-01.flac"
    # pyproj takes a WKT with braces for JSON.
    crs = f"crs {TEXT}".replace("{a}", "")
    wkt = pyproj.CRS.from_epsg(32633).to_wkt().replace("WGS 84 / UTM zone 33N", crs)
    bands = [
        Band(description=f"{n} name {TEXT}", unit=f"{n} unit {TEXT}", tags={"": {TEXT: TEXT}})
        for n in (1, 2)
    ]
    raster = RasterInfo(
        width=50, height=40, dtype=np.dtype("int16"), bands=tuple(bands), nodata=-1,
        tags={"": {f"key {TEXT}": f"value {TEXT}"}, f"domain {TEXT}": {"k": "v"}},
        georef=GeoReference(crs_wkt=wkt, transform=Affine(30, 0, 4e5, 0, -30, 5e6)),
    )  # fmt: skip
    with FlacWriter(path, raster, options=WriteOptions(tile_size=64)) as writer:
        for band in (0, 1):
            pixels = np.arange(2000, dtype="int16").reshape(1, 40, 50) + band
            writer.write(pixels, level=0, band=band, row=0, col=0)
        writer.finish()
    return path


@pytest.mark.filterwarnings("always:.*cannot hold all of the metadata")
def test_what_a_raster_says(flac: Path, tmp_path: Path) -> None:
    shown = run("info", flac, "--tags").stdout
    for name in ("1 name", "2 unit", "key", "value", "domain"):
        assert f"{name} {PRINTED}" in shown, name
    assert f"crs {PRINTED}".replace("{a}", "") in shown
    assert len(shown.splitlines()) < 40
    told = json.loads(run("info", flac, "--tags", "--json").stdout)
    assert told["raster"]["bands"][0]["description"] == f"1 name {TEXT}"
    tame = write_tif(tmp_path / "tame.tif", np.zeros((2, 40, 50), "int16"), nodata=-1)
    assert f"1 unit {PRINTED}" in run("compare", tame, flac, status=1).stdout
    for words in (
        ("query", flac), ("spatial-info", flac), ("verify", flac),
        ("preview", flac, "-o", tmp_path / "a.png"),
        ("virtualize", flac, "-o", tmp_path / "refs.json"), ("info", tmp_path / "refs.json"),
    ):  # fmt: skip
        run(*words)
    # GeoTIFF has no place for all of it: the warning names what is lost.
    for words in (("convert", "-v"), ("extract",)):
        told = run(*words, flac, "-o", tmp_path / f"{words[0]}.tif")
        assert "Warning: " in told.stderr
        assert r"domain height [m] [/red]" in told.stderr


def test_what_references_say(flac: Path, tmp_path: Path) -> None:
    text, printed = (each.replace("/", "|") for each in (TEXT, PRINTED))
    cube = virtual_flac.stack([flac], values={f"dim {text}": [f"label {text}"]})
    for target in (tmp_path / "cube.json", tmp_path / "cube.icechunk"):
        write = virtual_flac.write_icechunk if target.suffix == ".icechunk" else None
        (write or virtual_flac.write_kerchunk)(cube, target)
        assert f"dim {printed}" in run("info", target).stdout
        taken = run("preview", target, "-o", tmp_path / f"{target.suffix}.png").stderr
        assert f"dim {printed} label {printed}" in taken


def test_what_sound_and_damaged_tiles_say(flac: Path, tmp_path: Path) -> None:
    sound = tmp_path / "sound.flac"
    with soundfile.SoundFile(sound, "w", 8000, 1) as file:
        file.title = TEXT.partition("\u2028")[0]
        file.write(np.zeros(100))
    assert r"\x1b[2J" in run("info", sound, "--tags").stdout
    run("verify", sound, status=1)
    broken = tmp_path / "broken.flac"
    data = bytearray(flac.read_bytes())
    data[-30] ^= 255
    broken.write_bytes(data)
    run("verify", broken, status=1)
    run("verify", "--quiet", broken, status=1)


def test_what_names_and_errors_say(flac: Path, tmp_path: Path) -> None:
    """GDAL reads files of any name; what the caller wrote stands in the error."""
    name = tmp_path / f"a  b\x1b[2J\x85{MARKUP}.tif".replace("/", "|")
    write_tif(tmp_path / "plain.tif", np.zeros((1, 4, 4), "uint8")).rename(name)
    shown = printable(str(name))
    assert shown in run("info", name).stdout
    assert shown in run("compare", name, name).stdout
    assert shown in run("preview", f"{name}x", "-o", tmp_path / "a.png", status=1).stderr
    for words, status in (
        (("info", f"{tmp_path}/{TEXT}.tif".replace("[/", "[|")), 1),
        (("extract", flac, "--bands", TEXT, "-o", tmp_path / "a.tif"), 2),
        (("preview", flac, "--cmap", TEXT, "-o", tmp_path / "a.png"), 2),
        (("virtualize", flac, "-o", f"{tmp_path}/{TEXT}.txt".replace("[/", "[|")), 2),
        (("stack", flac, flac, "--pattern", TEXT, "-o", tmp_path / "c.json"), 1),
        ((TEXT,), 2),
    ):
        [line] = run(*words, status=status).stderr.splitlines()
        assert r"\x1b[2J\x1b]0;owned\x07" in line


def test_text_stays_text() -> None:
    assert printable(TEXT) == PRINTED
    for text in (TEXT, 'a "b" \\n \\x1b \udcff', "ä"):
        # What Python reads of a line that was printed is the text itself.
        assert eval(printable(quoted(text))) == text
    assert printable("\udcff") == r"\udcff"


def test_one_function_prints() -> None:
    """What is left are what to install, help texts and pictures of blocks."""
    lines = [
        f"{path.name}: {line.strip()}"
        for path in Path(cli.__file__).parent.glob("*.py") if path.name != "output.py"
        for line in path.read_text("utf-8").splitlines()
        if re.search(r"\b(click\.s?echo|print|std(out|err)\.write)\(", line)
    ]  # fmt: skip
    assert sorted(lines) == [
        '__init__.py: print(f"Error: {error}", file=sys.stderr)',
        "commands.py: click.echo(ctx.get_help())",
        "preview.py: click.echo(text, nl=False, color=True)",
    ]


def test_a_terminal_without_umlauts(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    with (tmp_path / "out").open("w", encoding="ascii") as stream, monkeypatch.context() as patch:
        patch.setattr(sys, "stdout", stream)
        echo("Höhe 👩\u200d🚀")
    assert (tmp_path / "out").read_text("ascii") == "H\\xf6he \\U0001f469\\u200d\\U0001f680\n"
