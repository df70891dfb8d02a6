"""Targets appear in one step: whoever is killed or comes at the same time, old or new is there."""

from __future__ import annotations

import contextlib
import errno
import os
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import pytest

from virtual_flac.errors import (
    FlacError,
    SourceError,
    TargetError,
    TargetExistsError,
    TargetFolderError,
    TargetPermissionError,
)
from virtual_flac.io import hidden_folders, renames
from virtual_flac.io.hidden_folders import temporary_folder
from virtual_flac.io.local_files import atomic_write, check_target, publish
from virtual_flac.io.target_errors import hidden_prefix, writing

SYSTEMS = ["with the system call", "without"]


@pytest.fixture(params=SYSTEMS)
def system(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Rename with the system's own call, and as if it had none."""
    if request.param == "without":
        monkeypatch.setattr(renames, "_system_call", lambda: None)
    return str(request.param)


def make_folder(path: Path, *names: str) -> Path:
    path.mkdir()
    for name in names:
        (path / name).touch()
    return path


# --- One of several -------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["file", "folder"])
def test_one_of_several_wins(tmp_path: Path, system: str, kind: str):
    target, writers = tmp_path / "x", 8
    outcomes: list[int] = []
    losers: list[str] = []

    def write(number: int, all_ready: threading.Barrier) -> None:
        with temporary_folder(target) as folder:
            part = folder / target.name
            if kind == "folder":
                make_folder(part, f"{number}")
            else:
                part.write_text(f"{number}")
            all_ready.wait()
            try:
                publish(part, target, overwrite=False)
                outcomes.append(number)
            except TargetExistsError as error:
                losers.append(str(error))

    for _ in range(10):
        outcomes.clear()
        losers.clear()
        ready = threading.Barrier(writers, timeout=120)
        threads = [threading.Thread(target=write, args=(n, ready)) for n in range(writers)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        [winner] = outcomes
        assert losers == [f"{target} exists. Replace it with --force (overwrite=True)."] * 7
        found = os.listdir(target) if kind == "folder" else [target.read_text()]
        assert found == [f"{winner}"]
        assert os.listdir(tmp_path) == ["x"]
        target.rename(tmp_path.parent / f"{tmp_path.name}-{time.monotonic_ns()}")


def test_all_of_several_may_replace(tmp_path: Path, system: str):
    target, writers = tmp_path / "x", 4
    ready = threading.Barrier(writers, timeout=120)
    failed = []

    def write(number: int) -> None:
        with temporary_folder(target) as folder:
            part = make_folder(folder / "x", f"{number}")
            ready.wait()
            try:
                publish(part, target, overwrite=True)
            except BaseException as error:
                failed.append(error)

    threads = [threading.Thread(target=write, args=(number,)) for number in range(writers)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failed
    assert len(os.listdir(target)) == 1
    assert os.listdir(tmp_path) == ["x"]


def test_others_may_take_the_name_between_two_renames(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(renames, "_system_call", lambda: None)
    rename_new, target, others = renames.rename_new, tmp_path / "x", ["first", "second", "third"]

    def late(source: Path, name: Path) -> None:
        if others:
            make_folder(name, others.pop(0))
        rename_new(source, name)

    monkeypatch.setattr(renames, "rename_new", late)
    make_folder(target, "old")
    with temporary_folder(target) as folder:
        publish(make_folder(folder / "x", "new"), target, overwrite=True)
    assert os.listdir(target) == ["new"]
    assert os.listdir(tmp_path) == ["x"]


def test_a_link_to_nothing_exists(tmp_path: Path, system: str):
    target = tmp_path / "x.flac"
    target.symlink_to(tmp_path / "nothing")
    with pytest.raises(TargetExistsError, match=r"x\.flac exists, a link to nothing\."):
        check_target(target, overwrite=False)
    with pytest.raises(TargetExistsError), atomic_write(target, overwrite=False):
        pass
    with atomic_write(target, overwrite=True) as file:
        file.write(b"new")
    assert not target.is_symlink()
    assert os.listdir(tmp_path) == ["x.flac"]


def test_systems_without_links_look_before(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    def refuse(*_: Any, **__: Any) -> None:
        raise OSError(errno.EPERM, "Operation not permitted")

    monkeypatch.setattr(renames, "_system_call", lambda: None)
    monkeypatch.setattr(os, "link", refuse)
    target = tmp_path / "x"
    with atomic_write(target, overwrite=False) as file:
        file.write(b"first")
    with pytest.raises(TargetExistsError), atomic_write(target, overwrite=False) as file:
        file.write(b"second")
    assert target.read_bytes() == b"first"
    assert os.listdir(tmp_path) == ["x"]


# --- Killed ---------------------------------------------------------------------------------------

KILLED = """
import itertools, os, signal, sys
from pathlib import Path
from virtual_flac.io import renames
from virtual_flac.io.hidden_folders import temporary_folder
from virtual_flac.io.local_files import publish

target, system = Path(sys.argv[1]), sys.argv[2]
if system == "without":
    renames._system_call = lambda: None

def fill(path, *names):
    path.mkdir()
    for name in names:
        (path / name).touch()
    return path

def found():
    return sorted(os.listdir(target)) if target.exists() else None

moments = set()
for moment in itertools.count():
    fill(target, "old 1", "old 2")
    child = os.fork()
    if not child:
        events = itertools.count()
        def kill(event, arguments):
            # Whatever touches the disk.
            if event.partition(".")[0] in ("os", "shutil", "open") and next(events) == moment:
                os.kill(os.getpid(), signal.SIGKILL)
        sys.addaudithook(kill)
        with temporary_folder(target) as folder:
            publish(fill(folder / target.name, "new 1", "new 2"), target, overwrite=True)
        os._exit(0)
    ended = os.waitpid(child, 0)[1]
    moments.add(str(found()))
    # The next one tidies up.
    with temporary_folder(target):
        pass
    assert found() in (["old 1", "old 2"], ["new 1", "new 2"]), (moment, found())
    assert os.listdir(target.parent) == [target.name], (moment, os.listdir(target.parent))
    for name in found():
        (target / name).unlink()
    target.rmdir()
    if not ended:
        break
    assert os.WTERMSIG(ended) == signal.SIGKILL, ended
print(*sorted(moments), sep="; ")
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="skipped: no processes to kill here")
@pytest.mark.parametrize("system", SYSTEMS)
def test_killed_at_every_moment(tmp_path: Path, system: str):
    command = [sys.executable, "-c", KILLED, str(tmp_path / "x.parquet"), system]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    states = "['new 1', 'new 2']; ['old 1', 'old 2']"
    # Without the call the name stands for nothing for a moment; then the old one is put back.
    assert done.stdout.strip() == (states if system != "without" else f"None; {states}")


def test_only_deserted_folders_are_removed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    target = tmp_path / "x.parquet"
    other, like = tmp_path / ".y.parquet.01234567.part", tmp_path / ".x.parquet.01234567.other"
    other.mkdir()
    like.mkdir()

    def deserted() -> Path:
        """What a process leaves behind that is killed."""
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(hidden_folders.shutil, "rmtree", lambda *_, **__: None)
            with temporary_folder(target) as folder:
                return folder

    with temporary_folder(target) as live, temporary_folder(target) as second:
        dead = deserted()
        assert dead.exists()
        with temporary_folder(target):
            assert live.exists()
            assert second.exists()
            assert not dead.exists()
        # Another machine's lock may not be seen here.
        dead = deserted()
        (dead / "lock").write_text("another machine")
        with temporary_folder(target):
            assert dead.exists()
        long_ago = time.time() - 2 * 24 * 3600
        os.utime(dead / "lock", (long_ago, long_ago))
        with temporary_folder(target):
            assert not dead.exists()
        # Where nothing can be locked, nobody can tell.
        dead = deserted()
        with pytest.MonkeyPatch.context() as patch:

            def refuse(*_: Any) -> None:
                raise OSError(errno.ENOLCK, "No locks available")

            patch.setattr(hidden_folders.fcntl, "flock", refuse)
            with temporary_folder(target):
                assert dead.exists()
    with temporary_folder(target):
        pass
    assert sorted(os.listdir(tmp_path)) == sorted([other.name, like.name])


def test_an_interruption_while_a_folder_is_made_leaves_nothing(tmp_path: Path):
    def interrupt(frame: Any, event: str, _: Any) -> Any:
        if frame.f_code is not hidden_folders._make.__code__:
            return None
        if event == "line":
            lines.append(frame.f_lineno)
            if len(lines) == moment:
                raise KeyboardInterrupt
        return interrupt

    before, interrupted = sys.gettrace(), []
    for moment in range(1, 100):
        lines: list[int] = []
        sys.settrace(interrupt)
        try:
            with contextlib.suppress(KeyboardInterrupt), temporary_folder(tmp_path / "x"):
                pass
        finally:
            sys.settrace(before)
        assert not os.listdir(tmp_path), f"interrupted in line {lines[-1]}"
        if len(lines) < moment:
            break
        interrupted.append(lines[-1])
    assert len(interrupted) > 5


def test_a_folder_that_was_taken_for_deserted_is_made_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    target = tmp_path / "x"
    lock, calls = hidden_folders._lock, []

    def late(file: int) -> bool | None:
        if not calls:
            calls.append(file)
            hidden_folders._remove_deserted(target)  # as another process would
            assert not list(tmp_path.iterdir())
        return lock(file)

    monkeypatch.setattr(hidden_folders, "_lock", late)
    with temporary_folder(target) as folder:
        assert [folder] == list(tmp_path.iterdir())
    assert not list(tmp_path.iterdir())


def test_a_lock_made_while_a_folder_is_removed_keeps_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    target, locks = tmp_path / "x", []
    folder = tmp_path / f"{hidden_prefix(target)}01234567.part"
    folder.mkdir()

    def late(path: Path, **_: Any) -> None:
        if not locks:
            os.unlink(path / "lock")
            locks.append(hidden_folders._open_lock(path))  # as its maker would
            assert hidden_folders._lock(locks[0])
            with pytest.raises(OSError, match="not empty"):
                os.rmdir(path)
        else:
            real(path)

    real = hidden_folders.shutil.rmtree
    monkeypatch.setattr(hidden_folders.shutil, "rmtree", late)
    hidden_folders._remove_deserted(target)
    os.close(locks[0])
    assert os.listdir(folder) == ["lock"]


def test_temporary_names_fit_where_the_target_does(tmp_path: Path):
    for name in ("森" * 83, "x" * 250, "ä" * 127):
        with atomic_write(tmp_path / name, overwrite=False) as file:
            file.write(b"1")
    assert len(os.listdir(tmp_path)) == 3


# --- Words ----------------------------------------------------------------------------------------


def test_what_the_file_system_refuses_is_said_in_words(tmp_path: Path):
    target = tmp_path / "x.flac"
    words = {
        errno.ENOSPC: (TargetError, "the disk is full. Free some space"),
        errno.EDQUOT: (TargetError, "the quota of the disk is used up"),
        errno.EFBIG: (TargetError, "files may not become so large there"),
        errno.EROFS: (TargetError, "the disk is read-only. Write elsewhere"),
        errno.ENAMETOOLONG: (TargetError, "the name is too long"),
        errno.EIO: (TargetError, os.strerror(errno.EIO)),
        errno.EACCES: (TargetPermissionError, "no permission to write there"),
        errno.ENOENT: (TargetFolderError, "its folder is missing"),
        errno.EEXIST: (TargetExistsError, "exists"),
    }
    for number, (kind, text) in words.items():
        for error in (
            OSError(number, os.strerror(number)),
            OSError(number, os.strerror(number), str(tmp_path / ".x.flac.01234567.part" / "stage")),
        ):
            with pytest.raises(kind) as caught, writing(target):
                raise error
            assert isinstance(caught.value, FlacError)
            assert isinstance(caught.value, type(error))
            assert caught.value.errno == number
            assert str(caught.value).startswith(f"{target}")
            assert text in str(caught.value)
            assert ".part" not in str(caught.value)
    # What is not about the target passes.
    for error in (OSError(2, "No such file", "/elsewhere"), BrokenPipeError(errno.EPIPE, "pipe")):
        with pytest.raises(type(error)) as other, writing(target):
            raise error
        assert other.value is error


def test_errors_of_a_temporary_file_name_the_target(tmp_path: Path):
    target = tmp_path / "x.tif"
    with pytest.raises(TargetError) as caught, temporary_folder(target) as folder:
        raise SourceError(f"'{folder / 'stage.tif'}' not recognized as a supported format")
    assert str(caught.value) == f"'{target}' not recognized as a supported format"
    with pytest.raises(SourceError, match="another"), temporary_folder(target):
        raise SourceError("another file")


def test_names_with_nul_are_refused(tmp_path: Path):
    with pytest.raises(TargetError, match="holds a control character"):
        check_target(tmp_path / "a\0b.flac", overwrite=False)
