"""Errors of commands: one line, the same exit statuses everywhere, tracebacks on request only."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from rasters import make

import virtual_flac
from virtual_flac.cli.commands import app
from virtual_flac.errors import SourceError, SourcePermissionError
from virtual_flac.io.store_errors import STORE_ERRORS, in_words, translate

PROGRAM = "import sys; from virtual_flac.cli import main; sys.argv[0] = 'virtual-flac'; main()"
SECRET = "wJalrXUtnFEMI-not-a-key"


def run(*words: Any) -> Any:
    return CliRunner().invoke(app, [str(word) for word in words])


@pytest.fixture(scope="module")
def flac(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("flac")
    virtual_flac.write_flac(make("uint8", folder), folder / "a.flac", tile_size=32)
    return folder / "a.flac"


@pytest.mark.parametrize("where", ["before", "behind"])
def test_a_traceback_only_on_request(
    flac: Path, monkeypatch: pytest.MonkeyPatch, where: str
) -> None:
    def words(*more: str) -> list[Any]:
        return [*more, "info", flac] if where == "before" else ["info", flac, *more]

    for error in (KeyError(f"https://me:{SECRET}@host/x"), RecursionError("too deep")):

        def fail(*_: Any, error: Exception = error, **__: Any) -> None:
            raise error

        with monkeypatch.context() as patch:
            patch.setattr("virtual_flac.reports.info.info", fail)
            plain, debug = run(*words()), run(*words("--debug"))
        assert plain.exit_code == debug.exit_code == 1
        [line] = plain.stderr.splitlines()
        assert line.startswith(f"Error: {type(error).__name__}: ")
        assert "a bug of virtual-flac" in line
        assert debug.stderr.startswith("Traceback (most recent call last):\n")
        assert debug.stderr.endswith(f"{line}\n")
        assert SECRET not in plain.stderr + debug.stderr
    # Of errors of ours as well; and it is for one run only.
    [line] = run("info", flac.parent / "none.flac").stderr.splitlines()
    assert "none.flac: no such file" in line.replace("N", "n")
    assert "Traceback" in run("info", flac.parent / "none.flac", "--debug").stderr


def test_exit_statuses(flac: Path, tmp_path: Path) -> None:
    text = tmp_path / "a.txt"
    text.write_text("no raster")
    tif = flac.with_suffix(".tif")
    target = tmp_path / "x.flac"
    assert run("info", flac).exit_code == 0
    # What the command line does not understand, whatever the files hold.
    for words in (
        ["nonsense"], ["info"], ["info", flac, "--nonsense"], ["info", flac, flac],
        ["convert", flac, "-o", tmp_path / "x.txt"], ["extract", flac, "-o", tmp_path / "x.txt"],
        ["preview", flac, "-o", tmp_path / "x.txt"], ["stack", flac, "-o", tmp_path / "x.txt"],
        ["virtualize", flac, "-o", tmp_path / "x"], ["convert", tif, "-o", target, "-c", "9"],
        ["convert", tif, "-o", target, "--tile-size", "0"], ["query", flac, "--bbox", "1,2"],
        ["create-streaming", tif, "-o", tmp_path / "x.tif"], ["convert", flac, "--workers", "0"],
    ):  # fmt: skip
        done = run(*words)
        [line] = done.stderr.splitlines()
        assert done.exit_code == 2, (words, line)
        assert line.startswith("Error: ")
        assert line.endswith(" --help")
    # What only the files show.
    for words in (
        ["info", text], ["info", tmp_path / "none"], ["info", tmp_path], ["info", ""],
        ["convert", text, "-o", target], ["convert", text, "-o", tmp_path / "x.tif"],
        ["query", flac, "--bands", "9"], ["query", flac, "--bbox", "5,5,1,1"],
        ["verify", text], ["compare", flac, text], ["preview", flac, "-o", "/none/x.png"],
        ["extract", flac, "-o", tmp_path / "x.png", "--tile", "99,99"],
        ["virtualize", flac, "-o", tmp_path / "none" / "x.json"],
        ["stack", text, text, "-o", tmp_path / "x.json"],
        ["demo", "-o", text], ["demo", "-o", text / "x"],
    ):  # fmt: skip
        done = run(*words)
        [line] = done.stderr.splitlines()
        assert done.exit_code == 1, (words, line)
        assert line.startswith("Error: ")
        assert "a bug of" not in line
        assert "file://" not in line
    assert sorted(os.listdir(tmp_path)) == [text.name]


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="skipped: no disk that is always full")
def test_output_that_goes_nowhere(flac: Path) -> None:
    program = [sys.executable, "-c", PROGRAM]
    with open("/dev/full", "wb") as full:
        for words in (["info", str(flac)], ["--help"]):
            done = subprocess.run([*program, *words], stdout=full, stderr=-1, check=False)
            assert done.returncode == 1
            assert done.stderr.decode() == "Error: output: No space left on device\n"
    closed = ["sh", "-c", '"$@" >&-', "sh", *program]
    assert subprocess.run([*closed, "info", str(flac)], check=False).returncode == 0


# --- Stores in plain words ------------------------------------------------------------------------

DUMP = "\n\nDebug source:\nGeneric {{ source: HttpError {{ kind: Connect, source: {} }} }}"


def test_what_stores_say_in_plain_words() -> None:
    get = "Generic S3 error: Error performing GET http://host:1/a/b in 5ms, after 2 retries"
    send = f"{get}, max_retries: 2 - HTTP error: error sending request"
    refused = DUMP.format('Os { code: 111, kind: ConnectionRefused, message: "refused" }')
    unknown = DUMP.format('ConnectError("dns error", "failed to lookup address information")')
    times = "http://host:1, tried 3 times."
    token = "Generic S3 error: Error performing PUT http://169.254.169.254/latest/api/token in 3ms"
    for said, kind, words in (
        (send + refused, SourceError, f"nothing answers at {times} Check address and server."),
        (send + unknown, SourceError, f"there is no such host at {times} Check the address"),
        (send + DUMP.format("TimedOut"), SourceError, f"no answer came in time at {times}"),
        (send + DUMP.format("IncompleteMessage"), SourceError, f"the server broke off at {times}"),
        (
            f"{get} - Server returned non-2xx status code: 503 Service Unavailable: <p>page</p>",
            SourceError, "the server answered 503 Service Unavailable, tried 3 times",
        ),
        (token + refused, SourcePermissionError, "found no credentials. Set AWS_ACCESS_KEY_ID"),
        (
            "Generic GCS error: Error performing GET http://169.254.169.254/computeMetadata/v1",
            SourcePermissionError, "found no credentials. Set GOOGLE_APPLICATION_CREDENTIALS",
        ),
        ("Generic HTTP error: something new\nbelow", SourceError, "something new"),
    ):  # fmt: skip
        found = translate(STORE_ERRORS[0](said), "s3://a/b")
        assert type(found) is kind
        assert str(found).startswith(f"s3://a/b: {words}")
        assert not {"Generic", "<p>", "\n", "below"} & set(in_words(STORE_ERRORS[0](said)).split())


def test_a_dead_server_is_called_so() -> None:
    for name in ("a.flac", "a.json", "a.icechunk"):
        done = run(
            "info", f"http://127.0.0.1:9/{name}", "--store-option=retry_config.max_retries=0"
        )
        [line] = done.stderr.splitlines()
        assert done.exit_code == 1
        assert line.startswith(f"Error: http://127.0.0.1:9/{name}: nothing answers at http://127")
