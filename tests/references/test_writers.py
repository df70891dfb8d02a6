"""Several writers of one target, full disks, and names that something else has."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner
from rasters import write_tif

import virtual_flac
from virtual_flac import publish as publishing
from virtual_flac.cli.commands import app
from virtual_flac.errors import TargetError, TargetExistsError
from virtual_flac.publish import publish
from virtual_flac.references import icechunk_write, kerchunk
from virtual_flac.references.target import Target

KINDS = ["json", "parquet", "icechunk"]
WRITERS = 4
#: Until those that wait for a writer that has failed stop waiting.
WAIT_SECONDS = 120


@pytest.fixture(scope="module")
def rasters(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    folder = tmp_path_factory.mktemp("rasters")
    paths = []
    for number in range(WRITERS):
        data = np.full((1, 40, 50), number + 1, "uint16")
        tif = write_tif(folder / f"2026-01-0{number + 1}.tif", data)
        virtual_flac.write_flac(tif, tif.with_suffix(".flac"), tile_size=32)
        paths.append(tif.with_suffix(".flac"))
    return paths


def together(write: Callable[[int], Any]) -> list[int]:
    """The writers that say ok; all others find that the target exists."""
    winners, others = [], []

    def run(number: int) -> None:
        try:
            write(number)
            winners.append(number)
        except BaseException as error:
            others.append(error)

    threads = [threading.Thread(target=run, args=(number,)) for number in range(WRITERS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [type(error) for error in others] == [TargetExistsError] * (WRITERS - len(winners)), (
        others
    )
    return winners


def value_of(target: Any, **options: Any) -> int:
    [value] = np.unique(virtual_flac.open_references(target, **options).band_data)
    return int(value)


@pytest.mark.parametrize("kind", KINDS)
def test_one_of_four_writers_wins(
    kind: str, rasters: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    # All have found that nothing is there before the first one writes.
    ready = threading.Barrier(WRITERS, timeout=WAIT_SECONDS)
    write = publishing._write

    def wait_and_write(*arguments: Any, **options: Any) -> None:
        ready.wait()
        write(*arguments, **options)

    target = tmp_path / f"cube.{kind}"
    with monkeypatch.context() as patch:
        patch.setattr(publishing, "_write", wait_and_write)
        [winner] = together(lambda number: publish(rasters[number], target))
    assert value_of(target) == winner + 1
    assert os.listdir(tmp_path) == [target.name]


@pytest.mark.parametrize("kind", KINDS)
def test_one_of_four_writers_wins_through_the_functions(
    kind: str, rasters: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    ready = threading.Barrier(WRITERS, timeout=WAIT_SECONDS)
    cubes = [virtual_flac.stack([path]) for path in rasters]
    replacing = Target.replacing

    def wait_and_replace(self: Target, **options: Any) -> Any:
        ready.wait()
        return replacing(self, **options)

    target = tmp_path / f"cube.{kind}"
    function: Any = virtual_flac.write_kerchunk
    if kind == "icechunk":
        function = virtual_flac.write_icechunk
    with monkeypatch.context() as patch:
        patch.setattr(Target, "replacing", wait_and_replace)
        [winner] = together(lambda number: function(cubes[number], target))
    assert value_of(target) == winner + 1
    assert os.listdir(tmp_path) == [target.name]


@pytest.mark.parametrize("kind", KINDS)
def test_one_of_four_writers_wins_in_buckets(
    kind: str, rasters: list[Path], s3_server: Any, monkeypatch: pytest.MonkeyPatch
):
    bucket = f"race-{kind}"
    options = s3_server.upload(bucket, {path.name: path for path in rasters})
    ready = threading.Barrier(WRITERS, timeout=WAIT_SECONDS)
    module, name = (
        (icechunk_write, "create_repository") if kind == "icechunk" else (kerchunk, "inline_loaded")
    )
    function = getattr(module, name)

    def wait_and_call(*arguments: Any) -> Any:
        ready.wait()
        return function(*arguments)

    target = f"s3://{bucket}/cube.{kind}"
    urls = [f"s3://{bucket}/{path.name}" for path in rasters]
    with monkeypatch.context() as patch:
        patch.setattr(module, name, wait_and_call)
        [winner] = together(lambda number: publish(urls[number], target, store_options=options))
    assert value_of(target, store_options=options) == winner + 1


@pytest.mark.parametrize("kind", KINDS)
def test_what_is_something_else_is_kept(kind: str, rasters: list[Path], tmp_path: Path):
    target = tmp_path / f"cube.{kind}"

    def force() -> Any:
        words = ["virtualize", str(rasters[0]), "-o", str(target)]
        for more in ([], ["--force"]):
            done = CliRunner().invoke(app, [*words, *more])
            if done.exit_code:
                assert done.exit_code == 1
                [line] = done.stderr.splitlines()
                assert line.startswith(f"Error: {target} exists")
        return done

    if kind == "json":
        (target / "inside").mkdir(parents=True)
        assert "remove it yourself" in force().stderr
        (target / "inside").rmdir()
        assert "remove it yourself" in force().stderr
        target.rmdir()
        target.write_text("old")
    else:
        target.write_text("a table, perhaps")
        assert "remove it yourself" in force().stderr
        if kind == "icechunk":
            cube = virtual_flac.stack(rasters[:1])
            for overwrite in (False, True):
                with pytest.raises(TargetExistsError):
                    virtual_flac.write_icechunk(cube, target, overwrite=overwrite)
        assert target.read_text() == "a table, perhaps"
        target.unlink()
        target.mkdir()
    assert force().exit_code == 0
    assert value_of(target) == 1
    # A link that leads nowhere exists; what is replaced is the link.
    moved = target.rename(tmp_path / f"elsewhere.{kind}")
    target.symlink_to(tmp_path / "nothing")
    assert force().exit_code == 0
    assert value_of(target) == 1
    assert not target.is_symlink()
    assert {path.name for path in tmp_path.iterdir()} == {target.name, moved.name}


FULL_DISK = """
import json, os, resource, sys
from click.testing import CliRunner
from virtual_flac.cli.commands import app
# Of the size of files, which root has no way round; a full disk ends with the same kind of error.
for limit, *words in json.loads(sys.argv[1]):
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, resource.RLIM_INFINITY))
    done = CliRunner().invoke(app, words)
    resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    print(json.dumps([done.exit_code, done.stderr]))
"""


@pytest.mark.skipif(sys.platform != "linux", reason="skipped: no such limits here")
def test_a_full_disk_is_one_line(rasters: list[Path], tmp_path: Path):
    targets = [tmp_path / f"cube.{kind}" for kind in KINDS]
    runs = []
    for target in targets:
        # So that something can be appended.
        publish(rasters[:1], target, cube={"dim": "time", "values": [1]})
        words = ["stack", str(rasters[1]), "--dim", "time", "--values", "2", "-o", str(target)]
        runs += [[0, *words, "--force"], [600, *words, "--force"]]
    runs.append([600, *words, "--append"])
    done = subprocess.run(
        [sys.executable, "-c", FULL_DISK, json.dumps(runs)],
        capture_output=True, text=True, check=True, env={**os.environ, "ICECHUNK_LOG": "error"},
    )  # fmt: skip
    results = [json.loads(line) for line in done.stdout.splitlines()]
    said = "files may not become so large there. Raise the limit (ulimit -f)."
    for (_, *words), result in zip(runs, results, strict=True):
        target = words[words.index("-o") + 1]
        assert result == [1, f"Error: {target}: {said}\n"]
    assert not done.stderr
    assert [value_of(target) for target in targets] == [1, 1, 1]
    assert set(tmp_path.iterdir()) == set(targets)


def test_names_that_are_too_long(rasters: list[Path], tmp_path: Path):
    cube = virtual_flac.stack(rasters[:1])
    for kind in KINDS:
        target = tmp_path / f"{'x' * 300}.{kind}"
        function: Any = virtual_flac.write_kerchunk
        if kind == "icechunk":
            function = virtual_flac.write_icechunk
        with pytest.raises(TargetError, match="too long for the file system") as caught:
            function(cube, target)
        assert str(caught.value).startswith(f"{target}: ")
    assert not os.listdir(tmp_path)


def test_the_room_for_what_is_uploaded_is_named(
    rasters: list[Path], s3_server: Any, monkeypatch: pytest.MonkeyPatch
):
    options = s3_server.upload("room", {"a.flac": rasters[0]})

    def full(*_: Any, **__: Any) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(kerchunk, "kerchunk_json", full)
    with pytest.raises(TargetError, match=r"s3://room/a\.json: cannot be prepared, .*disk is full"):
        publish("s3://room/a.flac", "s3://room/a.json", store_options=options)
