"""No output of any command holds a secret that stood in a URL, an option or the environment."""

from __future__ import annotations

import contextlib
import itertools
import logging
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio
from click.testing import CliRunner
from rasters import write_tif

import virtual_flac
from virtual_flac.cli.commands import SECTIONS, app

SECRET = "PLANTED"
#: Of a URL on `host`, behind which a GeoTIFF may be read; `end` is the ending of its name.
SPELLINGS = (
    "http://me:{secret}@{host}/a{end}", "HTTP://me:{secret}@{host}/a{end}",
    "ftp://me:{secret}@{host}/a{end}", "http://{secret}@{host}/a{end}",
    "http://me:with@{secret}@{host}/a{end}", "http://me:with/{secret}@{host}/a{end}",
    "http://me:with {secret}@{host}/a{end}", "http:/me:{secret}@{host}/a{end}",
    "s3://me:{secret}@bucket/a{end}", "gs://{secret}@bucket/a{end}",
    "abfss://box:{secret}@account/a{end}",
    "http://{host}/a{end}?X-Amz-Signature={secret}", "http://{host}/a?sig={secret}{end}",
    "s3://bucket/a{end}?sig={secret}", "http://{host}/a{end}#access_token={secret}",
    "/vsicurl/http://me:{secret}@{host}/a{end}",
    "/vsicurl/http://{host}/a{end}?sig={secret}",
    "/vsicurl?header.Authorization={secret}&url=http://{host}/a{end}",
)  # fmt: skip
#: Words of each command, NAME for the URL, and the endings with which it is tried.
USES: dict[str, list[tuple[tuple[str, ...], tuple[str, ...]]]] = {
    "convert": [
        (("NAME", "-v"), (".tif", ".flac")), (("NAME", "-o", "new.flac"), ("",)),
        (("in.tif", "-o", "NAME"), (".flac",)),
    ],
    "create-streaming": [(("NAME",), (".tif",))],
    "extract": [
        (("NAME", "--window", "0,0,9,9", "-o", "new.tif"), (".tif", ".flac")),
        (("in.flac", "--window", "0,0,9,9", "-o", "NAME"), (".tif",)),
    ],
    "extract-streaming": [(("NAME", "--center", "-o", "new.tif"), (".flac",))],
    "extract-tile": [(("NAME", "--bbox", "0,0,1,1", "-o", "new.tif"), (".tif",))],
    "info": [(("NAME", "--tags"), (".tif", ".flac", ".json", ".parquet", ".icechunk", ""))],
    "preview": [
        (("NAME", "-o", "new.png"), (".tif", ".json", ".icechunk")),
        (("in.tif", "-o", "NAME"), (".png",)),
    ],
    "query": [(("NAME",), (".flac",)), (("in.flac", "--output", "NAME"), (".json",))],
    "spatial-info": [(("NAME",), (".flac",))],
    "demo": [(("NAME", "-o", "demo"), (".tif",))],
    "verify": [(("NAME",), (".flac", ".json")), (("NAME", "-q"), (".flac",))],
    "compare": [
        (("NAME", "in.tif", "--export", "new.json"), (".tif",)), (("in.flac", "NAME"), (".flac",)),
        (("in.tif", "in.flac", "--export", "NAME"), (".json",)),
    ],
    "virtualize": [
        (("NAME", "-o", "new.json"), (".flac",)),
        (("in.flac", "-o", "NAME"), (".json", ".parquet", ".icechunk")),
        (("in.flac", "-o", "new.json", "--base-url", "NAME"), ("",)),
        (("in.flac", "-o", "new.icechunk", "--base-url", "NAME"), ("",)),
    ],
    "stack": [
        (("NAME", "-o", "new.json"), (".flac", ".json")),
        (("NAME", "in.flac", "-o", "n.json", "--on-error=skip", "--values=1,2"), (".flac",)),
        (("in.flac", "-o", "NAME", "--append", "--values", "1"), (".icechunk",)),
    ],
}  # fmt: skip
USES["extract-streaming"] += [(("in.flac", "--center", "-o", "NAME"), (".tif",))]


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory, range_server: Callable[..., Any]) -> str:
    """Host and port of a server with a GeoTIFF."""
    folder = tmp_path_factory.mktemp("www")
    write_tif(folder / "a.tif", np.arange(2000, dtype=np.int16).reshape(1, 40, 50))
    return str(range_server(folder).url.removeprefix("http://"))


@pytest.fixture
def work(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current folder, with a raster, and an environment with secrets that nobody asks for."""
    monkeypatch.chdir(tmp_path)
    tif = write_tif(tmp_path / "in.tif", np.arange(2000, dtype=np.int16).reshape(1, 40, 50))
    virtual_flac.write_flac(tif, tmp_path / "in.flac", tile_size=32)
    for name in (
        "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AZURE_STORAGE_ACCOUNT_KEY",
        "GDAL_HTTP_BEARER",
    ):  # fmt: skip
        monkeypatch.setenv(name, SECRET)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "me")
    monkeypatch.setenv("AWS_REGION", "xy")
    return tmp_path


@contextlib.contextmanager
def logged() -> Iterator[list[str]]:
    """What any library logs, down to its notes for those who look for faults."""
    lines: list[str] = []

    class Handler(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            lines.append(self.format(record))

    root, handler = logging.getLogger(), Handler()
    level = root.level
    root.addHandler(handler)
    root.setLevel(logging.DEBUG)
    try:
        yield lines
    finally:
        root.removeHandler(handler)
        root.setLevel(level)


def outputs(work: Path, *words: str) -> dict[str, str]:
    """Everything that a command leaves: what it prints, logs and writes, and its error whole."""
    before = set(work.rglob("*"))
    with logged() as lines:
        done = CliRunner().invoke(app, words)
    found = {"stdout": done.stdout, "stderr": done.stderr, "log": "\n".join(lines)}
    error = done.exception
    while error is not None and not isinstance(error, virtual_flac.FlacError):
        error = error.__context__
    if error is not None:  # as who calls functions sees it
        found["traceback"] = "".join(traceback.format_exception(error))
    for path in set(work.rglob("*")) - before:
        found[f"name of {path}"] = str(path)
        if path.is_file():
            found[str(path)] = path.read_bytes().decode("latin-1")
    for path in sorted(set(work.rglob("*")) - before, reverse=True):
        path.rmdir() if path.is_dir() else path.unlink()
    assert done.exit_code in (0, 1, 2), found
    return found


@pytest.mark.parametrize("every", [False, pytest.param(True, marks=pytest.mark.exhaustive)])
@pytest.mark.parametrize("command", list(USES))
def test_no_spelling_is_repeated(command: str, every: bool, work: Path, served: str) -> None:
    turns = itertools.cycle(([], ["--json"]))
    for words, endings in USES[command]:
        for spelling in SPELLINGS:
            for end in endings:
                name = spelling.format(secret=SECRET, host=served, end=end)
                chosen = [name if word == "NAME" else word for word in words]
                for more in ([], ["--json"]) if every else (next(turns),):
                    for what, text in outputs(work, command, *chosen, *more).items():
                        assert SECRET not in text, (words, name, what, text)


def test_every_command_is_tried() -> None:
    assert set(USES) == {name for section in SECTIONS.values() for name in section}


def test_a_signed_geotiff_is_read_and_its_signature_kept_out(work: Path, served: str) -> None:
    """Of the spellings above, the one that must work: GDAL is given the whole of it."""
    url = f"http://{served}/a.tif?X-Amz-Signature={SECRET}"
    for words in (
        ("convert", url), ("convert", url, "-o", "new.flac", "--overviews", "2", "--json"),
        ("info", url), ("extract", url, "--window", "0,0,9,9", "-o", "new.tif", "--json"),
        ("preview", url, "-o", "new.png", "--json"), ("create-streaming", url),
    ):  # fmt: skip
        found = outputs(work, *words)
        assert not found["stderr"], found["stderr"]
        assert not any(SECRET in text for text in found.values()), words
        if "--json" in words or words[0] == "info":
            assert f"http://{served}/a.tif?***" in found["stdout"]
        if words == ("convert", url):
            assert str(work / "a.flac") in found
    found = outputs(work, "compare", url, "in.tif", "--json", "--export", "new.json")
    assert f'"a": "http://{served}/a.tif?***"' in found["stdout"]
    assert not any(SECRET in text for text in found.values())
    # Nor of a dataset that somebody else has opened.
    with rasterio.open(url) as dataset, pytest.raises(virtual_flac.FlacError) as error:
        virtual_flac.write_flac(dataset, "new.flac", bands=[9])
    assert f"http://{served}/a.tif?***" in str(error.value)
    assert SECRET not in "".join(traceback.format_exception(error.value))


def test_options_and_misplaced_words_are_not_repeated(
    work: Path, served: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    keys = ("secret_access_key", "session_token", "access_key_id")
    stores = [f"--store-option={key}={SECRET}" for key in keys]
    with_secret = "https://me:" + SECRET + "@127.0.0.1:9"
    quick = ["--store-option=retry_config.max_retries=0"]
    for words in (
        ("info", "s3://b/a.flac", *stores, "--store-option=endpoint=http://127.0.0.1:9",
         "--store-option=client_options.allow_http=true", *quick),
        ("info", "s3://b/a.tif", *stores, "--store-option=endpoint=http://127.0.0.1:9",
         "--store-option=client_options.allow_http=true"),
        ("info", "s3://b/a.icechunk", *stores, f"--store-option=endpoint={with_secret}"),
        ("info", "s3://b/a.flac", f"--store-option=endpoint={with_secret}", *quick),
        ("info", "s3://b/a.flac", f"--store-option=nonsense={SECRET}"),
        ("info", "s3://b/a.flac", f"--store-option={SECRET}"),
        ("info", "in.flac", f"secret_access_key={SECRET}"),
        ("info", "in.flac", with_secret),
        ("virtualize", "in.flac", "-o", "new.json", *stores,
         f"--store-option=endpoint={with_secret}", "--base-url", "s3://b"),
        ("virtualize", "in.flac", "-o", "new.icechunk", *stores,
         f"--store-option=endpoint={with_secret}", "--base-url", "s3://b"),
        ("convert", f"http://{served}/a.tif", "-o", "new.flac",
         f"--store-option=client_options.default_headers.Authorization={SECRET}"),
        ("convert", f"http://{served}/none.tif", "-o", "new.flac",
         f"--store-option=client_options.default_headers.Authorization={SECRET}"),
    ):  # fmt: skip
        found = outputs(work, *words)
        for what, text in found.items():
            assert SECRET not in text, (words, what, text)
        assert str(work / "new.json") not in found, words
    monkeypatch.setenv("AWS_ENDPOINT_URL", with_secret)
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")
    for words in (
        ("info", "s3://b/a.flac", *quick), ("info", "s3://b/a.tif"), ("info", "s3://b/a.icechunk"),
        ("virtualize", "in.flac", "-o", "new.json", "--base-url", "s3://b"),
        ("virtualize", "in.flac", "-o", "new.icechunk", "--base-url", "s3://b"),
        ("virtualize", "in.flac", "-o", "s3://b/new.json", *quick),
    ):  # fmt: skip
        for what, text in outputs(work, *words).items():
            assert SECRET not in text, (words, what, text)
